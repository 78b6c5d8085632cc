"""Where the simulator starts in each chapter: values, the knobs in view, a question to answer first.

The numbers in the answers are those of the simulation at the starting values with the change that the question names;
a test runs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from utils.widgets.shell import Prediction


@dataclass(frozen=True)
class Preset:
    """Starting values that differ from the defaults, knobs in view, the question, and the change that answers it."""

    title: str
    values: Mapping[str, Any]
    knobs: tuple[str, ...]
    predict: Prediction
    change: Mapping[str, Any] = field(default_factory=dict)
    gpu: bool = False


PRESETS: dict[str, Preset] = {
    "04": Preset(
        "Memory used and GPU-Util, simulated",
        {"requests": 60, "rate_per_s": 0.1, "prompt_mean": 500, "output_mean": 200, "gpu": "A100 80GB"},
        ("rate_per_s", "prompt_mean", "output_mean", "memory_fraction", "gpu", "model"),
        Prediction(
            "An 8B model waits on an A100 with 80 GB for a request every ten seconds. Now they come eight times as "
            "often. What happens to the memory that nvidia-smi shows, and to GPU-Util?",
            ("both rise", "memory stays, GPU-Util rises", "memory rises, GPU-Util stays", "both stay"), 1,
            "The server took weights and KV pool when it started, 73.7 GB, and hands out blocks inside them. "
            "GPU-Util rises from 11 % to 58 %. Set 0.8 requests per s, then change the share of the free memory: "
            "only that moves the memory."),
        {"rate_per_s": 0.8}, gpu=True),
    "21": Preset(
        "Three batchings, simulated",
        {"prompt_mean": 300, "output_mean": 120, "output_spread": 0.8, "max_new": 512, "batching": "dynamic",
         "max_batch": 16, "max_delay_s": 1.0},
        ("batching", "max_delay_s", "max_batch", "rate_per_s", "output_spread"),
        Prediction(
            "A batcher merges up to 16 requests and waits at most 1 s for them. A prompt takes less than 0.1 s, yet "
            "half of the requests wait more than 7 s for their first token. What do they wait for?",
            ("their batch to fill", "their prompts", "the batch before theirs", "free memory"), 2,
            "A full batch runs until its longest answer ends, 12 to 28 s, and who comes meanwhile waits for it. "
            "Without the delay it is still 7.5 s. With continuous batching it is 74 ms: a request enters at the "
            "next step."),
        {"batching": "continuous"}),
    "30": Preset(
        "Static and continuous batching, simulated",
        {"requests": 96, "rate_per_s": inf, "prompt_mean": 200, "prompt_spread": 0.0, "output_mean": 120,
         "output_spread": 0.0, "gpu": "A100 80GB", "batching": "static", "max_batch": 16},
        ("batching", "output_spread", "output_mean", "max_batch", "rate_per_s"),
        Prediction(
            "96 requests wait, and 16 at a time run as a static batch. All answers have 120 tokens, and the last "
            "one ends after 7.0 s. Now the answers differ, with the same mean: a spread of 0.8. When does the last "
            "one end?",
            ("after about 7 s", "after about 9 s", "after about 18 s", "after about 60 s"), 2,
            "Each batch lasts as long as the longest of its 16 answers: 17.6 s in all. With continuous batching it "
            "is 8.6 s, and with equal answers both take 7.0 s: the spread is the whole gain."),
        {"output_spread": 0.8}),
    "32": Preset(
        "Two capacity policies, simulated",
        {"requests": 100, "rate_per_s": 3.0, "max_new": 2048, "memory_fraction": 0.3,
         "capacity": "GUARANTEED_NO_EVICT", "max_batch": 128},
        ("capacity", "max_new", "output_mean", "memory_fraction", "kv_bits", "rate_per_s"),
        Prediction(
            "GUARANTEED_NO_EVICT counts a prompt of 300 tokens and max_new_tokens = 2,048 for each request. The "
            "answers have 150 tokens on average, and there is a queue nearly all the time. How much of the pool is in "
            "use when it is fullest?",
            ("all of it", "three quarters", "about a quarter", "a hundredth"), 2,
            "It keeps room for 2,348 tokens a request, and a finished one has some 450. So the pool counts as full at "
            "27 %. MAX_UTILIZATION fills it with real tokens. Raise the rate to 6 there, and it has to preempt."),
        {"capacity": "MAX_UTILIZATION"}),
    "42": Preset(
        "A mixture of experts under load, simulated",
        {"rate_per_s": 0.2, "prompt_mean": 200, "output_spread": 0.6, "model": "Mixtral-8x7B", "gpu": "H100 SXM",
         "tp": 2, "max_batch": 128},
        ("model", "rate_per_s", "max_batch", "gpu", "tp", "kv_bits"),
        Prediction(
            "Mixtral computes with 12.9 of its 46.7 billion parameters for a token. Alone on the server a request "
            "gets a token every 4.8 ms. At 16 requests per s, 13 run at once. How long does a token take now?",
            ("about 5 ms", "about 15 ms", "about 60 ms"), 1,
            "13 tokens choose their experts independently and touch nearly all of them, so a step reads nearly all "
            "the weights: 15 ms. A dense model of 13 billion goes from 4.9 to 5.3 ms: it reads the same weights for"
            " one request or for eight. Choose Llama-2-13B."),
        {"rate_per_s": 16.0}, gpu=True),
    "45": Preset(
        "Blocks, preemption, prefix sharing, simulated",
        {"requests": 100, "rate_per_s": 2.0, "prompt_mean": 100, "max_new": 512, "system_tokens": 512,
         "system_share": 0.8, "pool_blocks": 600},
        ("prefix_caching", "pool_blocks", "block_size", "system_share", "rate_per_s", "output_mean"),
        Prediction(
            "A prompt has 512 tokens of instructions and some 100 of its own. Eight of ten requests have one of two"
            " common instructions. With prefix sharing, what share of all prompt tokens need not be computed?",
            ("about 15 %", "a bit more than half", "80 %", "nearly all"), 1,
            "0.8 · 512 / 612 is 67 %. In this run it is 57 %: 72 of the 100 requests have common instructions, and the "
            "first ones to bring a text compute it. The first token comes after 93 ms instead of 3.9 s, because more "
            "requests fit into 600 blocks."),
        {"prefix_caching": True}),
    "46": Preset(
        "Long prompts with and without FlashAttention, simulated",
        {"requests": 40, "rate_per_s": 0.2, "prompt_mean": 16_000, "prompt_spread": 0.2, "output_spread": 0.5,
         "max_new": 512, "gpu": "A100 80GB"},
        ("attention", "prompt_mean", "chunk_tokens", "rate_per_s", "gpu"),
        Prediction(
            "With prompts of 16,000 tokens the first token comes after 0.9 s with FlashAttention and after 1.7 s "
            "with standard attention, which stores the scores. How much later does it come with prompts of 500 "
            "tokens?",
            ("also about twice as late", "1 ms later, of 23 ms", "30 times as late"), 1,
            "The scores are N × N, everything else grows with N. At 500 tokens the linear layers take nearly all "
            "the time. The time per token hardly changes either: a decode step has one row of scores."),
        {"attention": "standard"}),
    "47": Preset(
        "Weights that leave, simulated",
        {"requests": 40, "rate_per_s": 0.05, "output_spread": 0.6, "max_new": 512, "keep_alive_s": 10},
        ("keep_alive_s", "rate_per_s", "load_gb_s", "output_mean", "model"),
        Prediction(
            "A request every 20 s on average, independently of each other. Weights leave the GPU after 10 s without "
            "work and take 8 s to load. 18 of 40 requests find them gone. Which is the shortest of these times after "
            "which fewer than 8 of 40 do?",
            ("12 s", "30 s", "120 s"), 1,
            "Gaps between independent requests are longer than t with probability exp(−t / 20 s): 0.55 at 12 s, "
            "0.22 at 30 s, and a bit less because answers take time too. Here it is 7 of 40 at 30 s."),
        {"keep_alive_s": 30}),
    "49": Preset(
        "What 98 % GPU-Util leaves free, simulated",
        {"requests": 100, "output_spread": 0.6, "max_new": 512, "max_batch": 128},
        ("rate_per_s", "gpu", "max_batch", "overhead_ms", "prompt_mean", "output_mean"),
        Prediction(
            "An L4 serves one request per second, and GPU-Util says 98 %. How much more traffic can it take?",
            ("none: it is busy", "2 % more", "several times as much"), 2,
            "At 8 requests per s it makes 3.4 times the tokens per second, and a token takes 60 ms instead of 52. A"
            " step reads all the weights, for few requests or many, and GPU-Util says only that it runs. MFU, the "
            "share of the peak FLOPs, goes from 4 to 14 %."),
        {"rate_per_s": 8.0}, gpu=True),
}
