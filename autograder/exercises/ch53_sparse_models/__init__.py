"""Exercises of chapter 53: what is a sparse model?"""

from .break_even_density import break_even_density
from .csr_from_dense import csr_from_dense
from .csr_matvec import csr_matvec
from .moe_cost import moe_cost
from .two_four import two_four

EXERCISES = [csr_from_dense, csr_matvec, break_even_density, two_four, moe_cost]
