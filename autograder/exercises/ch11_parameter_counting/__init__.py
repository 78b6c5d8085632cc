"""Exercises of chapter 11: how to count a model's parameters."""

from .conv_params import conv_params
from .decoder_params import decoder_params
from .largest_width import largest_width
from .moe_params import moe_params
from .resnet_params import resnet_params

EXERCISES = [conv_params, resnet_params, decoder_params, moe_params, largest_width]
