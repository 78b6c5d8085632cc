"""Exercises of chapter 06: the logic of deploying a model."""

from .canary_decision import canary_decision
from .diagnose_skew import diagnose_skew
from .fold_normalization import fold_normalization
from .parity_report import parity_report
from .release_id import release_id

EXERCISES = [release_id, parity_report, fold_normalization, diagnose_skew, canary_decision]
