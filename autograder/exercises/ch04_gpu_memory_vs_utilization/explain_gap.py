"""Exercise 04.explain_gap: why nvidia-smi shows more than the tensors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.hardware.gpu_monitor import memory_split

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _answer(*, tensors: Callable = lambda u, r, a, c, o: a, cache: Callable = lambda u, r, a, c, o: r - a,
            context: Callable = lambda u, r, a, c, o: c, other: Callable = lambda u, r, a, c, o: o,
            unexplained: Callable | None = None, slack: float = 2.0, order: bool = True) -> Callable[..., dict]:
    """An answer from its parts. slack: how far below zero the rest may be; order: whether reserved is compared."""

    def answer(smi_used_mib: float, reserved_mib: float, allocated_mib: float, context_mib: float,
               other_processes_mib: float = 0) -> dict:
        given = smi_used_mib, reserved_mib, allocated_mib, context_mib, other_processes_mib
        parts = {"tensors": tensors(*given), "cache": cache(*given), "context": context(*given), "other": other(*given)}
        rest = smi_used_mib - sum(parts.values()) if unexplained is None else unexplained(*given)
        if (order and reserved_mib < allocated_mib) or rest < -slack:
            raise ValueError("inconsistent readings")
        return {**parts, "unexplained": rest}

    return answer


def _unchecked(**parts: Callable) -> Callable[..., dict]:
    return _answer(**parts, slack=float("inf"), order=False)


def _both(*ways: dict[str, Callable]) -> dict:
    answers = [make(**parts) for parts in ways for make in (_answer, _unchecked)]
    return {"answer": answers[0], "also": tuple(answers[1:])}


def _downwards(smi_used_mib: float, reserved_mib: float, allocated_mib: float, context_mib: float, other_processes_mib: float = 0) -> dict:
    """Takes one part after the other off the total."""
    left, told = smi_used_mib, {}
    parts = (("tensors", allocated_mib), ("cache", reserved_mib - allocated_mib), ("context", context_mib), ("other", other_processes_mib))
    for name, mib in parts:
        told[name] = mib
        left -= mib
    if told["cache"] < 0 or left < -2:
        raise ValueError("These are inconsistent readings.")
    return {**told, "unexplained": left}


def _upwards(smi_used_mib: float, reserved_mib: float, allocated_mib: float, context_mib: float, other_processes_mib: float = 0) -> dict:
    known = np.array([reserved_mib, context_mib, other_processes_mib], dtype=float)
    gap = float(smi_used_mib - known.sum())
    if not (allocated_mib <= reserved_mib and gap + 2 >= 0):
        raise ValueError(f"inconsistent readings: {known}")
    return {"unexplained": gap, "other": other_processes_mib, "context": context_mib, "cache": -(allocated_mib - reserved_mib),
            "tensors": allocated_mib}


def _draw(rng: np.random.Generator) -> Case:
    """Halves of MiB, exact in binary; the rest stays away from where it turns into an error, or sits on it."""
    tensors, cache, context, other = (int(v) / 2 for v in rng.integers(0, 8000, 4) * (rng.random(4) < 0.85))
    rest = float(rng.choice([0, -0.5, -1, -2, 0.5, 3, int(rng.integers(0, 600)) / 2]))
    used = tensors + cache + context + other + rest
    args = (used, tensors + cache, tensors, context)
    return Case(*args, other) if other else Case(*args)


explain_gap = Exercise(
    id="04.explain_gap", points=4, difficulty=1, minutes=8, idea="reserved contains allocated; the rest is not tensors",
    reference=memory_split.explain_gap,
    cases=[Case(6000, 4200, 3100, 450, 1200), Case(1023, 574, 574, 450), Case(6000, 3000, 3100, 450, error="ValueError", word="inconsistent")],
    hidden=[Case(0, 0, 0, 0), Case(450, 0, 0, 450), Case(5000, 4000, 0, 450, 0), Case(5000, 4000, 4000, 450), Case(4650, 4200, 3100, 450),
            Case(4648, 4200, 3100, 450), Case(9000, 0, 0, 0, 9000), Case(6000.5, 4200.25, 3100.75, 450.5, 1200.0), Case(100, 0, 0, 0, 40.5)],
    draw=_draw, draws=25,
    raises=[Case(*args, word="inconsistent") for args in (
        (5000, 1000, 1000.5, 450), (4647.5, 4200, 3100, 450), (100, 4200, 3100, 450), (6000, 4200, 3100, 450, 1352.5), (0, 0, 0, 2.25), (10, 0, 1, 0))],
    compare=close(1e-12, 1e-9),
    misconceptions=[
        Misconception(
            "cache_is_reserved", **_both({"cache": lambda u, r, a, c, o: r, "unexplained": lambda u, r, a, c, o: u - r - c - o}),
            message="You call all reserved memory cache. Reserved is what the allocator took from the driver: the tensors are part of it, and only "
                    "what is left over is cache.",
            title="Reserved holds the tensors."),
        Misconception(
            "both_added", **_both({"unexplained": lambda u, r, a, c, o: u - r - a - c - o}, {"cache": lambda u, r, a, c, o: r}),
            message="You subtract reserved and allocated. The allocated bytes lie inside the reserved ones, so they are subtracted twice.",
            title="Counted twice."),
        Misconception(
            "context_in_cache", **_both({"cache": lambda u, r, a, c, o: u - a - c - o, "unexplained": lambda u, r, a, c, o: 0}),
            message="You call everything cache that is not known otherwise. The cache is what the allocator holds and no tensor uses; what nobody "
                    "explains stays unexplained, so that somebody looks for it.",
            title="The rest is not cache."),
        Misconception(
            "others_forgotten", **_both({"other": lambda u, r, a, c, o: 0}),
            message="nvidia-smi shows the memory of *all* processes on the device. Those of the others do not belong to what is unexplained.",
            title="Other processes.",),
        Misconception(
            "context_again", **_both({"context": lambda u, r, a, c, o: c if not o else 2 * c}),
            message="The context is counted again for the other processes. `other_processes_mib` is all that they take, their contexts included.",
            title="One context too many."),
        Misconception(
            "never_negative", **_both({"unexplained": lambda u, r, a, c, o: max(0, u - r - c - o)}),
            message="A rest of −1 MiB comes from rounding, and is asked for as it is. One far below zero is an error in the readings. You turn both "
                    "into 0.",
            title="Negative rests."),
        Misconception(
            "too_strict", _answer(slack=0.0),
            "You refuse every negative rest. Each reading may be rounded, so down to −2 MiB nothing is wrong.",
            "Rounding is allowed.",
            also=(_answer(slack=1.0), _answer(slack=1.999))),
        Misconception(
            "not_refused", _unchecked(),
            "Readings that contradict each other give an answer. More allocated than reserved, or known parts that exceed what is shown by more than "
            "2 MiB: somebody has mixed up two moments, or two GPUs.",
            "Contradictions are told.",
            also=(_answer(slack=float("inf")), _answer(order=False))),
    ],
    alternatives=[_downwards, _upwards, _answer()],
    hints=(
        "Draw a bar of all that nvidia-smi shows. Which of the given numbers is a part of another one?",
        "tensors = allocated; cache = reserved − allocated; the context and the other processes are given. What remains?",
        "Two checks: reserved below allocated, and a remainder below −2.",
    ),
    worth_knowing="Memory that a library takes from the driver by itself (buffers for the traffic between GPUs, a workspace of TensorRT) is in this last part.",
)
