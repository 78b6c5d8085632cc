"""Exercises of chapter 52: coverage, a shuffle folded away, predicted time, INT8 of kernels, and the choice."""

from .choose_backbone import choose_backbone
from .fold_shuffle import fold_shuffle
from .islands import islands
from .predict_us import predict_us
from .weight_sqnr_db import weight_sqnr_db

EXERCISES = [islands, fold_shuffle, predict_us, weight_sqnr_db, choose_backbone]
