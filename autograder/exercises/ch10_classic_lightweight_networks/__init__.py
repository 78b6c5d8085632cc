"""Exercises of chapter 10: what light blocks cost, and two of them built."""

from .build_inverted_residual import build_inverted_residual
from .channel_shuffle_np import channel_shuffle_np
from .cheapest_block import cheapest_block
from .fire_params import fire_params
from .separable_cost import separable_cost

EXERCISES = [separable_cost, fire_params, channel_shuffle_np, build_inverted_residual, cheapest_block]
