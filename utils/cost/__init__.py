"""Counting: parameters, operations, bytes, time."""
