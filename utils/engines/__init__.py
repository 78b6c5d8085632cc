"""Inference engines and their tools."""
