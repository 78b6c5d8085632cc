"""Exercises of chapter 25: what is model distillation?"""

from .distill_missing_class import distill_missing_class
from .kd_grad import kd_grad
from .kd_loss import kd_loss
from .soft_targets import soft_targets
from .topk_kd import topk_kd

EXERCISES = [soft_targets, kd_loss, kd_grad, topk_kd, distill_missing_class]
