"""Pruning, all in one place: masks, smaller networks, second-order steps, reports, the experiment.

This module only gathers names; each lives in the file that its import line says.
"""

from utils.compression.pruning.experiment import (
    RemovalRow,
    file_sizes,
    neuron_removal,
    oneshot_and_gradual,
    onnx_difference,
    onnx_latency_ms,
    sparsity_curve,
)
from utils.compression.pruning.masks import (
    MaskedTraining,
    apply_masks,
    finetune_pruned,
    global_masks,
    magnitude_mask,
    polynomial_sparsity,
    sparsity_at,
)
from utils.compression.pruning.obs import ObsSequence, obs_prune, obs_sequence, obs_step
from utils.compression.pruning.report import (
    SizeReport,
    finetuned_copy,
    granularity_masks,
    prunable,
    pruned_copy,
    pruning_snapshot,
    sensitivity_scan,
    size_report,
)
from utils.compression.pruning.structured import (
    fold_constant_neurons,
    keep_neurons,
    kept_neurons,
    neuron_masks,
    neuron_scores,
    remove_neurons,
    shrink_conv_pair,
    shrink_mlp,
)

__all__ = [
    "MaskedTraining",
    "ObsSequence",
    "RemovalRow",
    "SizeReport",
    "apply_masks",
    "file_sizes",
    "finetune_pruned",
    "finetuned_copy",
    "fold_constant_neurons",
    "global_masks",
    "granularity_masks",
    "keep_neurons",
    "kept_neurons",
    "magnitude_mask",
    "neuron_masks",
    "neuron_removal",
    "neuron_scores",
    "obs_prune",
    "obs_sequence",
    "obs_step",
    "oneshot_and_gradual",
    "onnx_difference",
    "onnx_latency_ms",
    "polynomial_sparsity",
    "prunable",
    "pruned_copy",
    "pruning_snapshot",
    "remove_neurons",
    "sensitivity_scan",
    "shrink_conv_pair",
    "shrink_mlp",
    "size_report",
    "sparsity_at",
    "sparsity_curve",
]
