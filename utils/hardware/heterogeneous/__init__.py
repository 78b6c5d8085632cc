"""Heterogeneous computing: when an accelerator pays, where a chain is cut, who runs what when, and at which pace.

The door of the package, without heavy imports. `examples` holds the graphs, `threads` a real pipeline on this
machine, `camera_stages` its three stages.
"""

from utils.hardware.heterogeneous.chain import Split, all_plans, best_split, plan_ms, split_chain
from utils.hardware.heterogeneous.gantt import SCHEDULERS, Copy, Row, copies, gantt_rows
from utils.hardware.heterogeneous.offload import (
    SharedMemory,
    amdahl_limit,
    break_even,
    break_even_batch,
    copy_ms,
    offload_speedup,
    offload_time_ms,
    shared_memory,
)
from utils.hardware.heterogeneous.rivals import (
    brute_force_schedule,
    chain_optimum,
    fastest_device,
    optimal,
    place_in_order,
    single_device,
)
from utils.hardware.heterogeneous.scheduling import (
    Placement,
    Schedule,
    earliest_slot,
    heft,
    heft_makespan,
    ready_ms,
    validate_schedule,
)
from utils.hardware.heterogeneous.streaming import PipelineReport, busy_ms, pipeline, threads_frames_per_s
from utils.hardware.heterogeneous.task_graph import Task, TaskGraph, graph_from_lists, heft_ranks, upward_rank
from utils.hardware.heterogeneous.threads import PipelineRun, RealPipeline

__all__ = [
    "SCHEDULERS", "Copy", "PipelineReport", "PipelineRun", "Placement", "RealPipeline", "Row", "Schedule",
    "SharedMemory", "Split", "Task", "TaskGraph", "all_plans", "amdahl_limit", "best_split", "break_even",
    "break_even_batch", "brute_force_schedule", "busy_ms", "chain_optimum", "copies", "copy_ms", "earliest_slot",
    "fastest_device", "gantt_rows", "graph_from_lists", "heft", "heft_makespan", "heft_ranks", "offload_speedup",
    "offload_time_ms", "optimal", "pipeline", "place_in_order", "plan_ms", "ready_ms", "shared_memory",
    "single_device", "split_chain", "threads_frames_per_s", "upward_rank", "validate_schedule",
]
