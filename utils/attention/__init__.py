"""Attention: standard, flash, paged."""
