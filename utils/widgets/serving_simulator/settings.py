"""The simulator's knobs: their names, the values they start from, and the workload and server that they describe."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import inf
from typing import Any

from utils.serving.llm_simulator import (
    SERVING_GPUS,
    Policy,
    Server,
    SimulationResult,
    Workload,
    simulate_llm_serving,
)

Settings = Mapping[str, Any]

DEFAULTS: dict[str, Any] = {
    "requests": 80, "rate_per_s": 1.0, "prompt_mean": 300, "prompt_spread": 0.5, "output_mean": 150,
    "output_spread": 0.7, "max_new": 1024, "system_tokens": 0, "system_share": 0.8,
    "model": "Llama-3-8B", "gpu": "L4", "tp": 1, "kv_bits": 16, "memory_fraction": 0.9, "pool_blocks": None,
    "block_size": 16, "attention": "flash", "overhead_ms": 1.0, "load_gb_s": 2.0,
    "batching": "continuous", "capacity": "MAX_UTILIZATION", "max_batch": 64, "max_delay_s": 0.0,
    "chunk_tokens": None, "prefix_caching": False, "keep_alive_s": None,
    "slo_ttft_s": 1.0, "slo_tpot_ms": 100, "seed": 0,
}

MODELS = ("Llama-3.2-1B", "Llama-3-8B", "Llama-2-13B", "Mixtral-8x7B", "Llama-2-70B", "Llama-3-70B")
RATES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, inf)


def complete(values: Settings) -> dict[str, Any]:
    """`DEFAULTS` with some values replaced. Raises KeyError for a name that is no knob."""
    for name in values:
        if name not in DEFAULTS:
            raise KeyError(name)
    return {**DEFAULTS, **values}


def workload_and_server(values: Settings) -> tuple[Workload, Server]:
    """What the knobs describe. Raises what `Workload`, `Policy` and `Server` raise."""
    v = complete(values)
    workload = Workload(v["requests"], v["rate_per_s"], v["prompt_mean"], v["prompt_spread"], v["output_mean"],
                        v["output_spread"], v["max_new"], v["system_tokens"], v["system_share"])
    policy = Policy(v["batching"], v["capacity"], v["max_batch"], v["max_delay_s"], v["chunk_tokens"],
                    v["prefix_caching"], v["keep_alive_s"])
    server = Server(v["model"], v["gpu"], v["tp"], kv_bits=v["kv_bits"], memory_fraction=v["memory_fraction"],
                    block_size=v["block_size"], pool_blocks=v["pool_blocks"], attention=v["attention"],
                    overhead_s=v["overhead_ms"] / 1e3, load_gb_s=v["load_gb_s"], policy=policy)
    return workload, server


def run(values: Settings) -> SimulationResult:
    """The simulated run of a setting; the last few are kept, so that a comparison costs nothing."""
    return _run(*workload_and_server(values), complete(values)["seed"])


@lru_cache(maxsize=32)
def _run(workload: Workload, server: Server, seed: int) -> SimulationResult:
    return simulate_llm_serving(workload, server, seed)


def make_knobs(values: Settings) -> dict[str, Any]:
    """A widget for each knob at its value, in the order of `DEFAULTS`."""
    import ipywidgets as widgets

    v = complete(values)

    wide = widgets.Layout(width="97%")  # of its cell in the grid

    def pick(name: str, text: str, options: Any) -> Any:
        pairs = [o if isinstance(o, tuple) else (f"{o:,}", o) for o in options]
        if v[name] not in [value for _, value in pairs]:
            pairs.append((f"{v[name]:,}", v[name]))
        known = [value for _, value in pairs]
        # by index: to the widget a value of None would mean that nothing is chosen
        return widgets.SelectionSlider(options=pairs, index=known.index(v[name]), description=text,
                                       layout=wide)

    def drop(name: str, text: str, options: Any) -> Any:
        return widgets.Dropdown(options=options, value=v[name], description=text, layout=wide)

    def number(name: str, text: str, low: float, high: float, step: float) -> Any:
        kind = widgets.IntSlider if isinstance(DEFAULTS[name], int) else widgets.FloatSlider
        return kind(value=v[name], min=low, max=high, step=step, description=text, layout=wide)

    knobs = {
        "requests": number("requests", "requests", 20, 200, 20),
        "rate_per_s": pick("rate_per_s", "requests per s",
                           [(f"{r:g}" if r < inf else "all at once", r) for r in RATES]),
        "prompt_mean": pick("prompt_mean", "own prompt tokens, mean",
                            [50, 100, 200, 300, 500, 1000, 2000, 4000, 8000, 16_000]),
        "prompt_spread": number("prompt_spread", "spread of prompts (0: equal)", 0, 1.5, 0.1),
        "output_mean": pick("output_mean", "answer tokens, mean", [20, 50, 100, 120, 150, 200, 300, 400, 600]),
        "output_spread": number("output_spread", "spread of answers (0: equal)", 0, 1.5, 0.1),
        "max_new": pick("max_new", "max_new_tokens", [256, 512, 1024, 2048, 4096]),
        "system_tokens": pick("system_tokens", "system prompt (tokens)", [0, 128, 256, 512, 1024, 2048]),
        "system_share": number("system_share", "share with a common system prompt", 0, 1, 0.1),
        "model": drop("model", "model", MODELS),
        "gpu": drop("gpu", "GPU", SERVING_GPUS),
        "tp": pick("tp", "tensor parallel (GPUs)", [1, 2, 4, 8]),
        "kv_bits": pick("kv_bits", "KV cache", [("BF16", 16), ("FP8", 8), ("4 bit", 4)]),
        "memory_fraction": number("memory_fraction", "share of the free memory for KV", 0.1, 0.95, 0.05),
        "pool_blocks": pick("pool_blocks", "KV pool (blocks)",
                            [200, 300, 400, 600, 800, 1200, 2400, ("from the memory", None)]),
        "block_size": pick("block_size", "block size (tokens)", [4, 8, 16, 32, 64, 128, 256]),
        "attention": drop("attention", "attention of prompts", [("FlashAttention", "flash"),
                                                                ("standard (stores S and P)", "standard")]),
        "overhead_ms": number("overhead_ms", "host time of a step (ms)", 0, 10, 0.5),
        "load_gb_s": pick("load_gb_s", "loading weights (GB/s)", [0.5, 1.0, 2.0, 6.0, 12.0, 25.0]),
        "batching": drop("batching", "batching", [("static: whoever waits, until all end", "static"),
                                                  ("dynamic: waits for more, until all end", "dynamic"),
                                                  ("continuous: decides every step", "continuous")]),
        "capacity": drop("capacity", "capacity policy", ["GUARANTEED_NO_EVICT", "MAX_UTILIZATION"]),
        "max_batch": pick("max_batch", "largest batch", [1, 2, 4, 8, 16, 32, 64, 128]),
        "max_delay_s": pick("max_delay_s", "longest delay for a fuller batch (s)", [0.0, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0]),
        "chunk_tokens": pick("chunk_tokens", "tokens a step, at most",
                             [256, 512, 1024, 2048, 4096, ("no limit", None)]),
        "prefix_caching": widgets.Checkbox(value=v["prefix_caching"], description="prefix sharing", indent=False),
        "keep_alive_s": pick("keep_alive_s", "weights leave after idle (s)",
                             [0, 5, 10, 20, 30, 45, 60, 120, ("never", None)]),
        "slo_ttft_s": pick("slo_ttft_s", "objective: first token within (s)", [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0]),
        "slo_tpot_ms": pick("slo_tpot_ms", "objective: time per token (ms)", [10, 20, 50, 100, 200]),
        "seed": number("seed", "seed", 0, 20, 1),
    }
    return {name: knobs[name] for name in DEFAULTS}
