"""Exercises of chapter 04: GPU memory and GPU utilisation."""

from .busy_percent import busy_percent
from .explain_gap import explain_gap
from .parse_gpu_csv import parse_gpu_csv
from .reserved_after import reserved_after
from .segment_for import segment_for

EXERCISES = [parse_gpu_csv, busy_percent, segment_for, reserved_after, explain_gap]
