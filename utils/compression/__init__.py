"""Pruning, quantization, distillation, coding."""
