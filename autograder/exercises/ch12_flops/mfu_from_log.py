"""Exercise 12.mfu_from_log: a training run's model FLOPs utilisation, from its log."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial

import numpy as np

from utils.cost.flops import llm as llm_flops

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _mfu(step_seconds: list, tokens_per_step: int, n_params: float, n_layers: int, d_attn: int, seq_len: int,
         n_chips: int, peak_flops: float, warmup: int = 3, *, middle: Callable = statistics.median, weights: int = 6,
         attention: int = 12, chips: bool = True, peaks: float = 1.0, skip: bool = True, check: bool = True, scale: float = 1.0) -> float:
    """The utilisation with one mistake; with its defaults it is right (an independent formulation)."""
    kept = step_seconds[warmup:] if skip else step_seconds
    if not kept and check:
        raise ValueError("no step is left after the warm-up")
    per_token = weights * n_params + attention * n_layers * d_attn * seq_len
    rate = 1 / middle([seconds / tokens_per_step for seconds in kept])
    share = per_token * rate / (peak_flops * peaks) / (n_chips if chips else 1)
    if share > 1 and check:
        raise ValueError("above peak: a wrong peak or a mix-up of MACs and FLOPs")
    return share * scale


def _mfu_numpy(step_seconds: list, tokens_per_step: int, n_params: float, n_layers: int, d_attn: int, seq_len: int,
               n_chips: int, peak_flops: float, warmup: int = 3) -> float:
    times = np.asarray(step_seconds[warmup:], float)
    if times.size == 0:
        raise ValueError("only warm-up")
    done = tokens_per_step * (6 * n_params + 12 * n_layers * d_attn * seq_len)
    could = np.median(times) * n_chips * peak_flops
    if done > could:
        raise ValueError("MFU is above peak")
    return done / could


def _mfu_sorted(step_seconds: list, tokens_per_step: int, n_params: float, n_layers: int, d_attn: int, seq_len: int,
                n_chips: int, peak_flops: float, warmup: int = 3) -> float:
    ordered = sorted(step_seconds[warmup:])
    n = len(ordered)
    if n == 0:
        raise ValueError("only warm-up")
    typical = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    forward = 2 * n_params + 4 * n_layers * d_attn * seq_len
    share = 3 * forward * tokens_per_step / typical / (n_chips * peak_flops)
    if share > 1:
        raise ValueError("that is above peak")
    return share


def _upper_middle(times: list) -> float:
    return sorted(times)[len(times) // 2]


def _of_rates(times: list) -> float:
    return 1 / statistics.median([1 / t for t in times])


PALM = {"tokens_per_step": 4_194_304, "n_params": 540.35e9, "n_layers": 118, "d_attn": 12_288, "seq_len": 2048,
        "n_chips": 6144, "peak_flops": 275e12}
EXACT = {"tokens_per_step": 2**20, "n_params": 2**30, "n_layers": 16, "d_attn": 1024, "seq_len": 2048, "n_chips": 2,
         "peak_flops": 204.0 * 2**25 * 2**18}  # powers of two: with steps of 2 s exactly at the peak


def _draw_mfu(rng: np.random.Generator) -> Case:
    n_params, n_layers, seq_len = float(rng.uniform(1e8, 1e11)), int(rng.integers(8, 100)), int(2 ** rng.integers(9, 14))
    d_attn, tokens, n_chips = 128 * int(rng.integers(8, 100)), int(2 ** rng.integers(16, 23)), int(2 ** rng.integers(0, 12))
    warmup = int(rng.integers(0, 5))
    times = rng.uniform(1, 3) * rng.uniform(0.9, 1.1, int(rng.integers(4, 12)))
    times[rng.integers(len(times))] *= rng.uniform(2, 30)  # a step that waited for a checkpoint
    times = np.concatenate([rng.uniform(10, 60, warmup), times])
    work = tokens * (6 * n_params + 12 * n_layers * d_attn * seq_len) / float(np.median(times[warmup:]))
    peak = work / n_chips / rng.uniform(0.1, 0.45)
    given = {} if warmup == 3 else {"warmup": warmup}
    return Case([float(t) for t in times], tokens, n_params, n_layers, d_attn, seq_len, n_chips, float(peak), **given,
                label=f"{len(times)} steps, warm-up {warmup}, {n_params / 1e9:.1f} B parameters on {n_chips} chips")


mfu_from_log = Exercise(
    id="12.mfu_from_log", points=4, difficulty=3, minutes=20, idea="useful FLOPs over what the chips could do",
    reference=llm_flops.mfu_from_log,
    cases=[
        Case([17.6] * 8, **PALM, label="8 steps of 17.6 s, the numbers of PaLM"),
        Case([95.0, 31.0, 20.0, 17.6, 17.6, 240.0, 17.6, 17.6], **PALM, label="the same, slow start and one step of 240 s"),
    ],
    hidden=[
        Case([9.0, 9.0, 9.0, 17.0, 40.0, 18.2, 17.4], **PALM, label="an even number of steps"),
        Case([60.0, 17.6, 17.6], **PALM, warmup=1, label="warm-up of 1 step"),
        Case([17.6, 35.2], **PALM, warmup=0, label="no warm-up"),
        Case([60.0, 17.0, 18.0, 17.6], **PALM, label="one step left"),
        Case([2.0] * 5, **EXACT, label="exactly at the peak"),
    ],
    raises=[
        Case([17.6] * 3, **PALM, label="3 steps, all of them warm-up"),
        Case([17.6] * 2, **PALM, label="2 steps, warm-up of 3"),
        Case([], **PALM, warmup=0, label="no steps at all"),
        Case([4.0] * 8, **PALM, word="above peak", label="steps of 4 s: more than the chips can do"),
        Case([1.999] * 8, **EXACT, word="above peak", label="0.05 % above the peak"),
    ],
    draw=_draw_mfu, draws=40,
    compare=close(1e-9),
    misconceptions=[
        Misconception(
            "forward_only", partial(_mfu, weights=2),
            "2·N is the forward pass. Training also computes gradients for activations and for weights, each as dear "
            "as the forward pass.",
            "The backward pass is missing.", also=(partial(_mfu, weights=2, attention=4),)),
        Misconception(
            "recomputation", partial(_mfu, weights=8),
            "8·N counts the forward pass that is run again to save memory. That is hardware utilisation (HFU). MFU "
            "counts what the model needs, so that recomputation cannot make it look better.",
            "Recomputation was counted.",
            also=(partial(_mfu, weights=8, check=False), partial(_mfu, weights=8, attention=16),
                  partial(_mfu, weights=8, attention=16, check=False))),
        Misconception(
            "mean", partial(_mfu, middle=statistics.fmean),
            "One step that waited for a checkpoint pulls the mean (and so tokens over total time) far off. The task "
            "asks for the typical step: the median.",
            "The mean follows the outlier."),
        Misconception(
            "sparse_peak", partial(_mfu, peaks=2.0),
            "Your result is half of the right one. A data sheet's headline is often the sparse peak, twice the dense "
            "one. `peak_flops` is already the dense peak of one chip.",
            "Half of it is missing."),
        Misconception(
            "no_attention", partial(_mfu, attention=0),
            "6·N covers the matrices. The products of queries with keys and of scores with values have no weights, so "
            "they come on top: 12·L·d_attn·T a token.",
            "Attention is missing."),
        Misconception(
            "keeps_warmup", partial(_mfu, skip=False),
            "The first `warmup` steps compile kernels and fill caches. They are left out before the median is taken.",
            "The warm-up steps are still in."),
        Misconception(
            "one_chip", partial(_mfu, chips=False),
            "The log tells the tokens of the whole machine, `peak_flops` is the peak of one chip. Together they can do "
            "n_chips times as much.",
            "One chip was given all the work.", also=(partial(_mfu, chips=False, check=False),)),
        Misconception(
            "percent", partial(_mfu, scale=100.0),
            "The number is right as a percentage. The task asks for the fraction.",
            "That is in percent.", also=(partial(_mfu, scale=100.0, check=False),)),
        Misconception(
            "upper_middle", partial(_mfu, middle=_upper_middle),
            "With an odd number of steps this is right. With an even number the median is the mean of the two in the "
            "middle.",
            "This is not the median of an even number."),
        Misconception(
            "median_of_rates", partial(_mfu, middle=_of_rates),
            "You took the median of tokens per second. With an even number of steps that is not the same as the rate "
            "of the median step, which the task asks for.",
            "Take the median of the times."),
    ],
    alternatives=[_mfu, _mfu_numpy, _mfu_sorted],
    hints=(
        "Tokens per second: `tokens_per_step` over the median of `step_seconds[warmup:]` (`statistics.median` or "
        "`np.median`).",
        "Multiply by the FLOPs of one token, 6·N + 12·L·d_attn·T, and divide by `n_chips * peak_flops`.",
        "Check for an empty list before you take the median, and look at the result before you return it.",
    ),
    worth_knowing="PaLM's paper reports 46.2 % MFU and 57.8 % HFU for the same run: the difference is recomputation.",
)
