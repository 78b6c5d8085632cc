"""Exercises of chapter 12: how to compute a model's FLOPs."""

from .additions_exact import additions_exact
from .conv_macs import conv_macs
from .decoder_step_flops import decoder_step_flops
from .mfu_from_log import mfu_from_log
from .network_table import network_table

EXERCISES = [conv_macs, additions_exact, network_table, decoder_step_flops, mfu_from_log]
