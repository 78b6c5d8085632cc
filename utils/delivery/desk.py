"""The deployment desk: five recorded variants, targets with their limits, and what they make of a pipeline.

The variants were trained and measured; the pipeline, the targets and the price of the machine are examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from utils.cost.roofline.speedup import amdahl
from utils.delivery.tradeoff.choice import ReleaseTarget, Variant, choose, explain_choice, variant_front
from utils.delivery.tradeoff.pipeline import pipeline_ms

STAGES = {"capture and crop": 4.0, "model": 12.0, "draw and send": 2.0}  # ms, with the wide FP32 network
STAGE = "model"

# `evaluate_variants` of utils.delivery.tradeoff.variants: seed 0, 540 test digits, ONNX Runtime 1.31, one thread of an
# AMD EPYC with AVX-512 VNNI, 2,000 (batch 1) and 200 (batch 64) interleaved rounds. Real-time priority
# (SCHED_FIFO): no other program took the core, but one on the other core shared caches and memory.
RECORDED: dict[int, tuple[Variant, ...]] = {
    1: (Variant("wide FP32", 527, 540, 0.0707, 0.1149, 4_505_975, 1),
        Variant("wide INT8", 527, 540, 0.0318, 0.0587, 1_134_089, 1),
        Variant("pruned FP32", 523, 540, 0.0147, 0.0275, 340_338, 1),
        Variant("pruned INT8", 523, 540, 0.0130, 0.0244, 88_073, 1),
        Variant("tiny FP32", 518, 540, 0.0075, 0.0143, 5_072, 1)),
    64: (Variant("wide FP32", 527, 540, 1.663, 2.089, 4_505_975, 64),
         Variant("wide INT8", 527, 540, 0.480, 0.653, 1_134_089, 64),
         Variant("pruned FP32", 523, 540, 0.141, 0.222, 340_338, 64),
         Variant("pruned INT8", 523, 540, 0.0689, 0.1196, 88_073, 64),
         Variant("tiny FP32", 518, 540, 0.0174, 0.0330, 5_072, 64)),
}
# (p50, p95) in ms of wide FP32 at batch 64, in one minute on one machine: at real-time priority, and at normal priority
# beside other programs.
ALONE_MS, SHARED_MS = (1.663, 2.089), (6.667, 22.461)

# (lost, gained) of 540 against wide FP32, same run.
FLIPS = {"wide INT8": (1, 1), "pruned FP32": (10, 6), "pruned INT8": (10, 6), "tiny FP32": (10, 1)}

# The phone's and the gateway's limits are held against times of a server's CPU, as an illustration.
TARGETS = {
    "phone": ReleaseTarget("phone", max_p95_ms=0.1, max_bytes=2_000_000, min_accuracy=0.97),
    "gateway": ReleaseTarget("gateway", max_p95_ms=0.05, max_bytes=50_000, min_accuracy=0.95),
    "cloud batch": ReleaseTarget("cloud batch", min_accuracy=0.965, max_usd_per_million=0.001, batch=64),
}


def desk_state(variants: Sequence[Variant], target: ReleaseTarget, stages: Mapping[str, float],
               speedup: float) -> dict:
    """What a desk shows of variants that were measured at the target's batch.

    front: names on the front of p95 and accuracy. broken: limits broken, by name. choice: the chosen variant's name or
    None. speedups: by name, how many times faster the median is than that of the first variant. total_ms: the pipeline
    with its model stage `speedup` times faster; overall: by what factor that is faster; floor_ms: the other stages
    alone. usd: US dollars for a million results, by name.
    Raises ValueError when a variant was measured at another batch.
    """
    for v in variants:
        if v.batch != target.batch:
            raise ValueError(f"variants must be measured at batch {target.batch}, got {v.name!r} at {v.batch}")
    chosen = choose(variants, target)
    total = pipeline_ms(stages)
    return {
        "front": [v.name for v in variant_front(variants)], "broken": explain_choice(variants, target),
        "choice": None if chosen is None else chosen.name,
        "speedups": {v.name: variants[0].p50_ms / v.p50_ms for v in variants},
        "total_ms": pipeline_ms(stages, {STAGE: speedup}), "overall": amdahl(stages[STAGE] / total, speedup),
        "floor_ms": total - stages[STAGE],
        "usd": {v.name: v.usd_per_million(target.usd_per_hour, target.utilization) for v in variants},
    }
