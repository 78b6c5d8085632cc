"""Exercise 30.offload_tokens_per_s: the bound on decoding with streamed weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.engines import llm_serving

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _require(weight_gb: float, share: float, batch: float, hbm: float, link: float) -> None:
    if not 0 <= share <= 1 or min(weight_gb, batch, hbm, link) <= 0:
        raise ValueError("an argument is out of its range")


def _pace(memory_s: float, link_s: float, overlap: bool) -> float:
    return max(memory_s, link_s) if overlap else memory_s + link_s


def _bound(*, streamed: Callable[[float], float] = lambda share: 1 - share, read: Callable[[float], float] = lambda share: 1.0,
           pace: Callable[[float, float, bool], float] = _pace, told: Callable[[float, int], float] = lambda step_s, batch: batch / step_s,
           check: bool = True) -> Callable:
    """An answer from the share that crosses the link, the share that memory reads, and how the two times combine."""

    def answer(weight_gb: float, resident_fraction: float, batch: int, hbm_gb_s: float, link_gb_s: float, overlap: bool) -> float:
        if check:
            _require(weight_gb, resident_fraction, batch, hbm_gb_s, link_gb_s)
        memory_s = weight_gb * read(resident_fraction) / hbm_gb_s
        link_s = weight_gb * streamed(resident_fraction) / link_gb_s
        return told(pace(memory_s, link_s, overlap), batch)

    return answer


def _both(**rules: Callable) -> dict:
    return {"answer": _bound(**rules), "also": (_bound(**rules, check=False),)}


def _mean_bandwidth(weight_gb: float, resident_fraction: float, batch: int, hbm_gb_s: float, link_gb_s: float, overlap: bool) -> float:
    _require(weight_gb, resident_fraction, batch, hbm_gb_s, link_gb_s)
    return batch * (resident_fraction * hbm_gb_s + (1 - resident_fraction) * link_gb_s) / weight_gb


def _plain_mean(weight_gb: float, resident_fraction: float, batch: int, hbm_gb_s: float, link_gb_s: float, overlap: bool) -> float:
    _require(weight_gb, resident_fraction, batch, hbm_gb_s, link_gb_s)
    return batch * (hbm_gb_s + link_gb_s) / 2 / weight_gb


def _rates(weight_gb: float, resident_fraction: float, batch: int, hbm_gb_s: float, link_gb_s: float, overlap: bool) -> float:
    """Two rates: the smaller one, or their harmonic combination."""
    _require(weight_gb, resident_fraction, batch, hbm_gb_s, link_gb_s)
    memory = batch * hbm_gb_s / weight_gb
    link = batch * link_gb_s / (weight_gb * (1 - resident_fraction)) if resident_fraction < 1 else float("inf")
    return min(memory, link) if overlap else 1 / (1 / memory + 1 / link)


def _in_bytes(weight_gb: float, resident_fraction: float, batch: int, hbm_gb_s: float, link_gb_s: float, overlap: bool) -> float:
    _require(weight_gb, resident_fraction, batch, hbm_gb_s, link_gb_s)
    bytes_all = weight_gb * 1e9
    times = [bytes_all / (hbm_gb_s * 1e9), (bytes_all - resident_fraction * bytes_all) / (link_gb_s * 1e9)]
    return batch * (1 / (max(times) if overlap else sum(times)))


def _draw(rng: np.random.Generator) -> Case:
    hbm, link = float(rng.integers(100, 5000)), float(rng.integers(2, 200))
    share = float(rng.choice([0, 1, rng.integers(1, 100) / 100], p=[0.1, 0.15, 0.75]))
    if rng.random() < 0.25:  # nearly resident: the memory is the slower of the two
        share = 1 - link / hbm * float(rng.uniform(0.1, 0.9))
    return Case(float(rng.integers(1, 4000)) / 4, share, int(rng.integers(1, 300)), hbm, link, bool(rng.random() < 0.5))


offload_tokens_per_s = Exercise(
    id="30.offload_tokens_per_s", points=3, difficulty=1, minutes=8, idea="weights cross the link once a step, not once a sequence",
    reference=llm_serving.offload_tokens_per_s,
    cases=[Case(350, 0.5, 1, 1555, 25, True), Case(350, 0.5, 1, 1555, 25, False), Case(350, 1.0, 1, 1555, 25, True)],
    hidden=[
        Case(350, 1.0, 1, 1555, 25, False), Case(350, 0.0, 1, 1555, 25, True), Case(350, 0, 144, 320, 12, False), Case(14, 0.99, 8, 1555, 25, True),
        Case(14, 0.99, 8, 1555, 25, False), Case(0.5, 0.5, 1, 0.5, 0.25, True), Case(1, 0.25, 64, 100, 100, False), Case(1, 1, 1, 1, 1, True),
        Case(350, 0.5, 64, 1555, 25, True), Case(40, 0.75, 2, 1, 400, True),
    ],
    draw=_draw, draws=40,
    raises=[Case(350, -0.1, 1, 1555, 25, True), Case(350, 1.1, 1, 1555, 25, False), Case(350, 2, 1, 1555, 25, True), Case(0, 0.5, 1, 1555, 25, True),
            Case(-350, 0.5, 1, 1555, 25, True), Case(350, 0.5, 0, 1555, 25, False), Case(350, 0.5, -1, 1555, 25, False),
            Case(350, 0.5, 1, 0, 25, False), Case(350, 0.5, 1, -1555, 25, True), Case(350, 0.5, 1, 1555, 0, False), Case(350, 0.5, 1, 1555, -25, True),
            Case(350, 1, 1, 1555, 0, True), Case(350, 1, 1, 1555, -25, True)],
    compare=close(1e-9),
    misconceptions=[
        Misconception(
            "all_cross_the_link", **_both(streamed=lambda share: 1.0),
            message="You send all weights over the link. The resident share lies on the GPU already; only the rest has to travel.",
            title="Resident weights do not travel."),
        Misconception(
            "resident_crosses", **_both(streamed=lambda share: share),
            message="You send the resident share over the link. It is the other share that has to travel.",
            title="The shares are swapped."),
        Misconception(
            "per_sequence", **_both(told=lambda step_s, batch: 1 / step_s),
            message="Your result does not grow with the batch. The weights are read once a step, not once a sequence, and a step gives every "
                    "sequence a token. That is why offloading engines use large batches.",
            title="A step serves the whole batch."),
        Misconception(
            "seconds_per_step", **_both(told=lambda step_s, batch: step_s),
            message="This is the duration of a step in seconds. Asked are the tokens per second of the whole batch.",
            title="A time was returned, not a rate.",),
        Misconception(
            "always_adds", **_both(pace=lambda m, k, overlap: m + k),
            message="You add the two times although they overlap. While one layer is computed the next one is on its way: the slower of the two "
                    "sets the pace.",
            title="Overlapping times do not add."),
        Misconception(
            "never_adds", **_both(pace=lambda m, k, overlap: max(m, k)),
            message="You take the slower of the two even without overlap. Then each waits for the other, and the times add.",
            title="Without overlap the times add."),
        Misconception(
            "flag_swapped", **_both(pace=lambda m, k, overlap: _pace(m, k, not overlap)),
            message="You add with overlap and take the slower one without it. Overlap means: at the same time.",
            title="The flag is read the wrong way round."),
        Misconception(
            "faster_of_the_two", **_both(pace=lambda m, k, overlap: min(m, k) if overlap else m + k),
            message="With overlap you take the faster of the two. A step ends when both have ended.",
            title="The slower one sets the pace."),
        Misconception(
            "streamed_skip_memory", **_both(read=lambda share: share),
            message="You let the memory read the resident share alone. The streamed weights are written to the GPU's memory first, and the kernel "
                    "reads them from there like the others.",
            title="All weights are read from memory."),
        Misconception(
            "mean_bandwidth", _mean_bandwidth,
            "You average the bandwidths. Times add or overlap, bandwidths do not: half of the bytes at a 60th of the speed take nearly all the "
            "time. Compute a time for each of the two first.",
            "Bandwidths cannot be averaged.", also=(_plain_mean,)),
    ],
    alternatives=[_rates, _in_bytes, _bound()],
    hints=(
        "Compute two times: all weights at the memory's bandwidth, and the share that is not resident at the link's.",
        "With overlap a step takes the longer of the two, without it their sum.",
        "A step gives each of the `batch` sequences one token.",
    ),
    worth_knowing="FlexGen reached 1 token/s with OPT-175B on a 16 GB GPU, with 144 sequences at once: each of them waited more than two minutes for a token.",
)
