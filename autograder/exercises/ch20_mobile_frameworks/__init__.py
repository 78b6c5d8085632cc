"""Exercises of chapter 20: mobile frameworks."""

from .coverage import coverage
from .pack_bin import pack_bin
from .parse_param import parse_param
from .same_pads import same_pads
from .to_tflite_layout import to_tflite_layout

EXERCISES = [same_pads, to_tflite_layout, parse_param, pack_bin, coverage]
