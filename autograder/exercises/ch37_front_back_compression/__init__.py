"""Exercises of chapter 37: front-end and back-end compression."""

from .compress_linear import compress_linear
from .gap_encode import gap_encode
from .huffman_lengths import huffman_lengths
from .ternary_fit import ternary_fit
from .xnor_dot import xnor_dot

EXERCISES = [compress_linear, huffman_lengths, gap_encode, ternary_fit, xnor_dot]
