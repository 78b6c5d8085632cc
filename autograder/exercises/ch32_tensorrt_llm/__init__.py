"""Exercises of chapter 32: TensorRT-LLM."""

from .capacity_schedule import capacity_schedule
from .kv_pool_tokens import kv_pool_tokens
from .quantize_weight_int4 import quantize_weight_int4
from .speculative_accept import speculative_accept
from .tp_mlp_rank import tp_mlp_rank

EXERCISES = [kv_pool_tokens, tp_mlp_rank, capacity_schedule, speculative_accept, quantize_weight_int4]
