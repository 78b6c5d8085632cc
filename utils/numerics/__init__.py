"""Number formats and integer quantization primitives."""
