"""LLM inference engines by their mechanisms: the scheduler, the prefix tree, offloading, and the frameworks' table."""

from utils.engines.llm_serving.frameworks import (
    FRAMEWORKS,
    Framework,
    Requirements,
    Verdict,
    choose_framework,
    list_installed_engines,
    rank_frameworks,
    run_vllm_smoke,
)
from utils.engines.llm_serving.memory_plan import Plan, fit_grid, max_bits_that_fit, memory_plan, memory_verdict
from utils.engines.llm_serving.offload import (
    EngineTimes,
    OffloadedMLP,
    ResidentMLP,
    cuda_link_gb_s,
    decode_bound_tokens_per_s,
    measure_offload,
    offload_pair,
    offload_tokens_per_s,
)
from utils.engines.llm_serving.radix_cache import RadixCache, radix_cache_hits
from utils.engines.llm_serving.scheduler import (
    IterationScheduler,
    Request,
    ServingResult,
    Step,
    serve_continuous,
    simulate_serving,
    static_steps,
)

__all__ = [
    "FRAMEWORKS", "EngineTimes", "Framework", "IterationScheduler", "OffloadedMLP", "Plan", "RadixCache", "Request",
    "Requirements", "ResidentMLP", "ServingResult", "Step", "Verdict", "choose_framework", "cuda_link_gb_s",
    "decode_bound_tokens_per_s", "fit_grid", "list_installed_engines", "max_bits_that_fit", "measure_offload",
    "memory_plan", "memory_verdict", "offload_pair", "offload_tokens_per_s", "radix_cache_hits", "rank_frameworks",
    "run_vllm_smoke", "serve_continuous", "simulate_serving", "static_steps",
]
