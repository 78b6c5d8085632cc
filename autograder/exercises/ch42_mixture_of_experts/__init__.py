"""Exercises of chapter 42: mixture of experts."""

from .capacity_mask import capacity_mask
from .load_balancing_loss import load_balancing_loss
from .moe_forward import moe_forward
from .moe_sizing import moe_sizing
from .route_topk import route_topk

EXERCISES = [route_topk, capacity_mask, load_balancing_loss, moe_forward, moe_sizing]
