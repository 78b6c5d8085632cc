"""Sparsity, all in one place: formats and their bytes, 2:4, the other kinds, the measurements.

This module only gathers names; each lives in the file that its import line says.
"""

from utils.compression.sparsity.experiment import crossing, crossover, two_four_digits, two_four_masks
from utils.compression.sparsity.formats import (
    CSR,
    FORMATS,
    break_even_density,
    csr_from_dense,
    csr_matvec,
    density,
    format_break_even,
    format_bytes,
    sparsity_payoff,
)
from utils.compression.sparsity.kinds import (
    group_conv_as_dense,
    moe_cost,
    rounded_zero_share,
    skip_zero_linear,
    zero_fraction_by_layer,
)
from utils.compression.sparsity.two_four import (
    Compressed24,
    compress_24,
    decompress_24,
    group_compliance,
    kept_columns,
    kept_energy,
    matmul_24,
    nm_mask,
    packed_meta,
    permute_for_24,
)

__all__ = [
    "CSR",
    "FORMATS",
    "Compressed24",
    "break_even_density",
    "compress_24",
    "crossing",
    "crossover",
    "csr_from_dense",
    "csr_matvec",
    "decompress_24",
    "density",
    "format_break_even",
    "format_bytes",
    "group_compliance",
    "group_conv_as_dense",
    "kept_columns",
    "kept_energy",
    "matmul_24",
    "moe_cost",
    "nm_mask",
    "packed_meta",
    "permute_for_24",
    "rounded_zero_share",
    "skip_zero_linear",
    "sparsity_payoff",
    "two_four_digits",
    "two_four_masks",
    "zero_fraction_by_layer",
]
