"""Exercises of chapter 16: what is model pruning?"""

from .finetune_pruned import finetune_pruned
from .magnitude_mask import magnitude_mask
from .obs_step import obs_step
from .remove_neurons import remove_neurons
from .sparsity_at import sparsity_at

EXERCISES = [magnitude_mask, sparsity_at, remove_neurons, finetune_pruned, obs_step]
