"""The generations of NVIDIA's architectures: what each one brought, with source and date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Generation:
    """One architecture: year of its first product, compute capabilities, what was new for computing.

    ccs is empty where NVIDIA's documents that were read do not name one. memory: of its largest data-centre GPU, and
    of others where they differ.
    """

    name: str
    year: int
    ccs: tuple[str, ...]
    new: str
    memory: str
    source: str
    as_of: str = "2026-11"


_ROWS = (
    Generation("Tesla", 2006, ("1.0", "1.1", "1.2", "1.3"), "CUDA cores: one kind of lane for graphics and computing",
               "GDDR3", "NVIDIA, G80 and GT200 briefs"),
    Generation("Fermi", 2010, ("2.0", "2.1"), "ECC, caches L1 and L2, 32,768 registers an SM, faster FP64", "GDDR5",
               "Fermi whitepaper; CUDA Occupancy Calculator"),
    Generation("Kepler", 2012, ("3.0", "3.5", "3.7"), "65,536 registers an SM; GK110 (3.5): dynamic parallelism, "
               "Hyper-Q", "GDDR5", "GK110 whitepaper; CUDA Programming Guide (3.5 and higher)"),
    Generation("Maxwell", 2014, ("5.0", "5.2", "5.3"), "four quarters an SM, each with a scheduler and 32 lanes",
               "GDDR5", "GTX 980 whitepaper"),
    Generation("Pascal", 2016, ("6.0", "6.1", "6.2"), "NVLink, FP16 at twice the FP32 rate (P100), page faults for "
               "unified memory; 6.1: dp4a for INT8", "HBM2 (P100); GDDR5, GDDR5X (P4, P40, GTX 1080)",
               "Tesla P100 whitepaper; Inside Pascal, NVIDIA blog"),
    Generation("Volta", 2017, ("7.0", "7.2"), "tensor cores; INT32 lanes beside the FP32 lanes; a program counter for "
               "each thread", "HBM2", "V100 whitepaper"),
    Generation("Turing", 2018, ("7.5",), "RT cores; INT8 and INT4 on tensor cores", "GDDR6", "Turing whitepaper"),
    Generation("Ampere", 2020, ("8.0", "8.6", "8.7"), "BF16, TF32 and 2:4 sparsity on tensor cores; asynchronous "
               "copies", "HBM2, HBM2e (A100); GDDR6, GDDR6X (GA10x)", "A100 and GA102 whitepapers"),
    Generation("Ada", 2022, ("8.9",), "FP8 on tensor cores; a large L2", "GDDR6, GDDR6X", "Ada whitepaper"),
    Generation("Hopper", 2022, ("9.0",), "FP8; TMA, which copies tiles by itself; clusters of blocks", "HBM3, HBM3e",
               "H100 whitepaper"),
    Generation("Blackwell", 2024, ("10.0", "11.0", "12.0", "12.1"), "FP4 with block scales; 10.x and 11.x: tensor "
               "memory (tcgen05)", "HBM3e (B200); GDDR7 (RTX 50)", "Blackwell Tuning Guide; PTX ISA"),
    Generation("Blackwell Ultra", 2025, ("10.3",), "more FP4, at the cost of INT8 and FP64", "HBM3e",
               "NVIDIA at Hot Chips 2025, as Tom's Hardware reports"),
    Generation("Rubin", 2026, (), "shown in January 2026; NVIDIA in June 2026: production ships from autumn", "HBM4",
               "NVIDIA at CES and Computex 2026, as reported"),
)
GENERATIONS: Mapping[str, Generation] = MappingProxyType({row.name: row for row in _ROWS})
