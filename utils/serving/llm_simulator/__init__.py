"""A simulated server for language models: arrivals, a batch, a KV pool and a clock.

Built from the course's own parts: `BlockManager` and `PrefixCache` (chapter 45), the pool's size and the capacity
policies (32), Poisson arrivals (48), rooflines, FLOPs and bytes (07, 12, 42, 44, 46), GPU-Util as NVML defines it
(04). The parts are real; the step times are not measured. Simplifications, all in favour of the server:

- a step takes as long as its roofline says (see `step_cost`), plus a constant `overhead_s` for the host;
- everything a step needs is known at its start; tokenising, sampling and the network take no time;
- a request's blocks are taken for its whole context when it starts, also when its prompt is computed in chunks;
- only prompts are remembered for prefix sharing, once they are computed; blocks are evicted in small lots;
- preempted requests compute everything again; nothing is swapped to the host;
- the tensor-parallel ranks run in step, and an all-reduce costs its bytes and no latency;
- attention's matrices of scores ("standard") cost traffic and take no memory from the pool.

>>> run = simulate_llm_serving(Workload(requests=20), Server())
>>> len(run.requests), run.totals.preemptions
(20, 0)
"""

from utils.serving.llm_simulator.kv_blocks import KvBlocks
from utils.serving.llm_simulator.results import (
    DECODE,
    PADDING,
    PREEMPTED,
    PREFILL,
    WAITING,
    RequestResult,
    Segment,
    Series,
    SimulationResult,
    Totals,
)
from utils.serving.llm_simulator.server import SERVING_GPUS, Policy, Server
from utils.serving.llm_simulator.simulate import simulate_llm_serving, simulate_requests
from utils.serving.llm_simulator.step_cost import (
    Chunk,
    ConstantCost,
    RooflineCost,
    StepCost,
    StepTime,
    StepWork,
    chunk_elements,
)
from utils.serving.llm_simulator.workload import Request, Workload, make_requests

__all__ = [
    "DECODE", "PADDING", "PREEMPTED", "PREFILL", "SERVING_GPUS", "WAITING", "Chunk", "ConstantCost", "KvBlocks",
    "Policy", "Request", "RequestResult", "RooflineCost", "Segment", "Series", "Server", "SimulationResult",
    "StepCost", "StepTime", "StepWork", "Totals", "Workload", "chunk_elements", "make_requests",
    "simulate_llm_serving", "simulate_requests",
]
