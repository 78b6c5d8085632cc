"""Exercises of chapter 46: FlashAttention."""

from .attention_hbm_elements import attention_hbm_elements
from .flash_backward import flash_backward
from .flash_forward import flash_forward
from .merge_partials import merge_partials
from .online_softmax import online_softmax

EXERCISES = [online_softmax, merge_partials, flash_forward, attention_hbm_elements, flash_backward]
