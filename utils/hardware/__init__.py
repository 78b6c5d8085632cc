"""Chips and GPUs as data plus computation."""
