"""Exercises of chapter 43: what an array of multiply-accumulate cells can do."""

from .array_utilisation import array_utilisation
from .best_batch import best_batch
from .inference_uj import inference_uj
from .peak_tops import peak_tops
from .systolic_matmul import systolic_matmul

EXERCISES = [peak_tops, systolic_matmul, array_utilisation, inference_uj, best_batch]
