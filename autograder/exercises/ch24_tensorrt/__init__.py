"""Exercises of chapter 24: what an inference optimiser does."""

from .fuse_chain import fuse_chain
from .fusion_traffic import fusion_traffic
from .merge_convs import merge_convs
from .pick_tactic import pick_tactic
from .plan_arena import plan_arena

EXERCISES = [fusion_traffic, fuse_chain, merge_convs, pick_tactic, plan_arena]
