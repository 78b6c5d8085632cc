"""Exercise 53.moe_cost: all experts in memory, a few at work."""

from __future__ import annotations

from functools import partial

import numpy as np

from utils.compression import sparsity

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _cost(d_model: int, d_ff: int, experts: int, top_k: int, bytes_per_param: float, *, resident: str = "all",
          active: str = "k", router: str = "both", matrices: int = 3, flops: int = 2, check: bool = True,
          swap: bool = False, bits: bool = False) -> tuple:
    """The two numbers with one mistake; with its defaults they are right (an independent formulation)."""
    if check and top_k > experts:
        raise ValueError("top_k must be at most experts")
    expert = matrices * d_model * d_ff
    stored = expert * {"all": experts, "k": top_k, "one": 1}[resident]
    used = expert * {"k": top_k, "all": experts, "one": 1}[active]
    route = d_model * experts
    stored += {"both": route, "memory": route, "macs": route, "k": d_model * top_k}.get(router, 0)
    used += {"both": route, "flops": route, "macs": route / 2, "k": d_model * top_k}.get(router, 0)
    found = (stored * (bytes_per_param / 8 if bits else bytes_per_param), flops * used)
    return found[::-1] if swap else found


def _by_macs(d_model: int, d_ff: int, experts: int, top_k: int, bytes_per_param: float) -> list:
    """Multiply-accumulates of each product, doubled; bytes matrix by matrix."""
    if not top_k <= experts:
        raise ValueError("top_k")
    macs = experts * d_model  # the router scores everyone
    for _ in range(top_k):
        macs += d_model * d_ff + d_model * d_ff + d_ff * d_model  # gate, up, down
    matrices = [(d_model, experts)] + experts * [(d_model, d_ff), (d_model, d_ff), (d_ff, d_model)]
    return [sum(a * b for a, b in matrices) * bytes_per_param, macs + macs]


def _by_arrays(d_model: int, d_ff: int, experts: int, top_k: int, bytes_per_param: float) -> tuple:
    if top_k > experts:
        raise ValueError("top_k")
    parameters = np.array([3 * d_ff, 1]) * d_model  # an expert, and one column of the router
    return float(parameters @ [experts, experts] * bytes_per_param), int(2 * parameters @ [top_k, experts])


def _draw(rng: np.random.Generator) -> Case:
    experts = int(rng.integers(1, 65))
    return Case(int(rng.integers(1, 4097)), int(rng.integers(1, 8193)), experts, int(rng.integers(1, min(experts, 8) + 1)),
                float(rng.choice([0.5, 1, 2, 4])))


moe_cost = Exercise(
    id="53.moe_cost", points=3, difficulty=1, minutes=6, idea="memory by all experts, FLOPs by the chosen ones",
    reference=sparsity.moe_cost,
    cases=[Case(4096, 14336, 8, 2, 2), Case(4, 8, 4, 1, 2)],
    hidden=[Case(4096, 14336, 8, 8, 2), Case(4096, 14336, 8, 2, 1), Case(4096, 14336, 8, 2, 0.5), Case(7168, 2048, 256, 8, 1),
            Case(1, 1, 1, 1, 4), Case(10, 3, 5, 2, 4)],
    raises=[Case(8, 16, 4, 5, 2), Case(8, 16, 1, 2, 2)],
    draw=_draw, draws=30, compare=close(rtol=1e-12, dtype="any"),
    misconceptions=[
        Misconception(
            "k_in_memory", partial(_cost, resident="k"),
            "You keep only top_k experts in memory. The next token may choose any other: all of them have to be loaded.",
            "All experts must be in memory.",
            also=(partial(_cost, resident="k", check=False), partial(_cost, resident="one"))),
        Misconception(
            "all_compute", partial(_cost, active="all"),
            "You let every expert compute. A token runs through top_k of them; that is the whole point of the routing.",
            "Only the chosen experts run.", also=(partial(_cost, active="all", check=False),)),
        Misconception(
            "no_router", partial(_cost, router="none"),
            "The router is missing. It scores every expert: d_model · experts weights, stored once and used for each token.",
            "The router is missing.",
            also=(partial(_cost, router="none", check=False), partial(_cost, router="memory"),
                  partial(_cost, router="flops"))),
        Misconception(
            "router_of_k", partial(_cost, router="k"),
            "The router has to score every expert before it can choose, so all its columns are used.",
            "The router scores every expert.", also=(partial(_cost, router="k", check=False),)),
        Misconception(
            "two_matrices", partial(_cost, matrices=2),
            "A gated feed-forward network has three matrices: gate, up and down. You counted two.",
            "An expert has three matrices.", also=(partial(_cost, matrices=2, check=False),)),
        Misconception(
            "macs", partial(_cost, flops=1),
            "These are multiply-accumulates. A FLOP count has the multiply and the add: two for each parameter that is used.",
            "These are MACs.",
            also=(partial(_cost, flops=1, check=False), partial(_cost, router="macs"), partial(_cost, router="macs", check=False))),
        Misconception(
            "one_expert", partial(_cost, active="one"),
            "You let one expert compute. Each token goes to top_k of them.",
            "Each token uses top_k experts.", also=(partial(_cost, active="one", check=False),)),
        Misconception(
            "bits", partial(_cost, bits=True),
            "You divided by 8. `bytes_per_param` is in bytes already.",
            "Bytes were taken for bits.", also=(partial(_cost, bits=True, check=False),)),
        Misconception(
            "swapped", partial(_cost, swap=True),
            "Both numbers are right, in the other order: bytes first, FLOPs second.",
            "The two numbers are swapped.", also=(partial(_cost, swap=True, check=False),)),
        Misconception(
            "any_k", partial(_cost, check=False),
            "The numbers are right. A token cannot use more experts than there are: refuse top_k above `experts`.",
            "More experts than there are."),
    ],
    alternatives=[_cost, _by_macs, _by_arrays],
    hints=(
        "Parameters of one expert: three matrices with d_model · d_ff entries each. The router: d_model · experts.",
        "Which of them must be in memory before the token comes? Which does one token multiply with?",
        "bytes = all parameters · bytes_per_param. FLOPs = 2 · the parameters that the token uses.",
    ),
    worth_knowing="With top_k = experts this is a dense layer. Every other setting saves FLOPs, and not one byte.",
)
