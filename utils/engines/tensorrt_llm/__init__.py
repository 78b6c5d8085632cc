"""What an LLM runtime such as TensorRT-LLM must do, in plain Python: shard, budget, schedule, verify.

This module only gathers names; each lives in the file that its import line says.
"""

from utils.engines.tensorrt_llm.all_reduce import all_reduce_bytes, ring_all_reduce
from utils.engines.tensorrt_llm.capacity import (
    POLICIES,
    Load,
    SchedulerResult,
    Step,
    admit_count,
    blocks_for,
    budget_blocks,
    capacity_schedule,
    pause_count,
    simulate_capacity_scheduler,
)
from utils.engines.tensorrt_llm.int4_groups import dequantize_weight_int4, quantize_weight_int4
from utils.engines.tensorrt_llm.migrate import MigrationAdvice, migrate_command
from utils.engines.tensorrt_llm.pool import KvPool, kv_pool, kv_pool_of, kv_pool_tokens
from utils.engines.tensorrt_llm.ranks import RanksResult, run_ranks
from utils.engines.tensorrt_llm.releases import AS_OF, RELEASES, Release
from utils.engines.tensorrt_llm.shards import (
    ShardedResult,
    shard_column,
    shard_row,
    silu,
    swiglu,
    tp_attention,
    tp_mlp,
    tp_mlp_rank,
)
from utils.engines.tensorrt_llm.sizer import chat_workload, deployment_memory, deployment_summary
from utils.engines.tensorrt_llm.smoke import run_trtllm_smoke
from utils.engines.tensorrt_llm.speculative import (
    SpeculativeRun,
    acceptance_rate,
    expected_tokens_per_step,
    simulate_speculation,
    speculative_accept,
    speculative_speedup,
)

__all__ = [
    "AS_OF", "POLICIES", "RELEASES", "KvPool", "Load", "MigrationAdvice", "RanksResult", "Release", "SchedulerResult",
    "ShardedResult", "SpeculativeRun", "Step", "acceptance_rate", "admit_count", "all_reduce_bytes", "blocks_for",
    "budget_blocks", "capacity_schedule", "chat_workload", "deployment_memory", "deployment_summary",
    "dequantize_weight_int4", "expected_tokens_per_step", "kv_pool", "kv_pool_of", "kv_pool_tokens", "migrate_command",
    "pause_count", "quantize_weight_int4", "ring_all_reduce", "run_ranks", "run_trtllm_smoke", "shard_column",
    "shard_row", "silu", "simulate_capacity_scheduler", "simulate_speculation", "speculative_accept",
    "speculative_speedup", "swiglu", "tp_attention", "tp_mlp", "tp_mlp_rank",
]
