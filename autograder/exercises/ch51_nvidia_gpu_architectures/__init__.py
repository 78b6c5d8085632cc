"""Exercises of chapter 51: what the handful of numbers behind a GPU generation decide."""

from .best_dtype import best_dtype
from .occupancy import occupancy
from .peak_tflops import peak_tflops
from .wave_efficiency import wave_efficiency

EXERCISES = [peak_tflops, occupancy, wave_efficiency, best_dtype]
