"""Exercises of chapter 36: converting a model to a TensorRT engine."""

from .build_plan import build_plan
from .check_profile import check_profile
from .choose_profile import choose_profile
from .fp16_risk import fp16_risk
from .spec_to_trtexec import spec_to_trtexec

EXERCISES = [check_profile, choose_profile, fp16_risk, build_plan, spec_to_trtexec]
