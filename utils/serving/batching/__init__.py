"""Batching: models of a fixed or free batch size, and servers that merge requests. The door to the rooms beside it.

Three things are called dynamic batch. A *model* has a free first dimension, or a fixed one (`fixed`, `models`,
`buckets`, `profiles`). A *server* merges requests (`batcher` simulates one, `live` is one with real threads).
Continuous batching, per decode step, is `utils.engines.llm_serving`'s.
"""

from utils.serving.batching.batcher import (
    Batch,
    BatcherResult,
    batcher_schedule,
    simulate_batcher,
    simulate_full_batches,
)
from utils.serving.batching.buckets import (
    BucketPlan,
    assign_bucket,
    best_buckets,
    bucket_curve,
    padding_waste,
    plan_buckets,
)
from utils.serving.batching.fixed import FixedBatchRunner, run_fixed_batch
from utils.serving.batching.live import LiveBatcher
from utils.serving.batching.models import (
    export_pair,
    fix_batch,
    make_run,
    run_onnx,
    shrink_after_run,
    small_cnn,
    wide_mlp,
)
from utils.serving.batching.profiles import (
    STRATEGIES,
    Profile,
    context_bytes,
    profile_plan,
    select_profile,
)
from utils.serving.batching.service import (
    AffineService,
    capacity_per_s,
    fit_service_time,
    measure_latency,
    padded_service,
)
from utils.serving.batching.trt import TensorRTRunner, build_tensorrt_engine, run_tensorrt

__all__ = [
    "STRATEGIES", "AffineService", "Batch", "BatcherResult", "BucketPlan", "FixedBatchRunner", "LiveBatcher",
    "Profile", "TensorRTRunner", "assign_bucket", "batcher_schedule", "best_buckets", "bucket_curve",
    "build_tensorrt_engine", "capacity_per_s", "context_bytes", "export_pair", "fit_service_time", "fix_batch",
    "make_run", "measure_latency", "padded_service", "padding_waste", "plan_buckets", "profile_plan",
    "run_fixed_batch", "run_onnx", "run_tensorrt", "select_profile", "shrink_after_run", "simulate_batcher",
    "simulate_full_batches", "small_cnn", "wide_mlp",
]
