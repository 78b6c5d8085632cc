"""What serves: a model on GPUs, the memory that this leaves for keys and values, and the batching policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from utils.cost.checks import non_negative, positive
from utils.cost.params import DECODERS, decoder_params
from utils.cost.params.decoder_config import DecoderConfig
from utils.engines.tensorrt_llm import KvPool, kv_pool_of
from utils.hardware.gpu_arch import GPUS, GpuSpec

Batching = Literal["static", "dynamic", "continuous"]
Capacity = Literal["GUARANTEED_NO_EVICT", "MAX_UTILIZATION"]
Attention = Literal["flash", "standard"]

# GPUs whose tensor cores take 16-bit floats; the older ones would need another peak
SERVING_GPUS = tuple(name for name, gpu in GPUS.items() if gpu.tensor_per_sm)


@dataclass(frozen=True)
class Policy:
    """Who runs in the next step.

    - "static": an idle server takes whoever waits; the batch stays until its longest answer ends.
    - "dynamic": as static, but the server first waits up to `max_delay_s` after the oldest arrival for a full batch.
    - "continuous": every step lets finished requests go and takes new ones. `capacity` says how: counting for each
      the longest that it may become (GUARANTEED_NO_EVICT), or only the next token (MAX_UTILIZATION, which preempts
      the newest when blocks run out). Static and dynamic batches always count the longest.

    `chunk_tokens` limits the tokens of a step: one for each decoding request, the rest for prompts, first come first
    served; None has no limit. Raises ValueError for values out of range.
    """

    batching: Batching = "continuous"
    capacity: Capacity = "MAX_UTILIZATION"
    max_batch: int = 64
    max_delay_s: float = 0.0
    chunk_tokens: int | None = None
    prefix_caching: bool = False
    keep_alive_s: float | None = None

    def __post_init__(self) -> None:
        for name, known in (("batching", ("static", "dynamic", "continuous")),
                            ("capacity", ("GUARANTEED_NO_EVICT", "MAX_UTILIZATION"))):
            if (value := getattr(self, name)) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
        positive(max_batch=self.max_batch)
        non_negative(max_delay_s=self.max_delay_s, keep_alive_s=self.keep_alive_s or 0)
        if self.chunk_tokens is not None and self.chunk_tokens <= self.max_batch:
            raise ValueError("chunk_tokens must be above max_batch, or prompts could wait for ever, got "
                             f"{self.chunk_tokens} and {self.max_batch}")

    @property
    def reserves_all(self) -> bool:
        """Whether a request starts only when its longest possible answer has room."""
        return self.batching != "continuous" or self.capacity == "GUARANTEED_NO_EVICT"


@dataclass(frozen=True)
class Server:
    """One replica of a model (a name of `DECODERS`) on `tp` GPUs (a name of `GPUS`), and its policy.

    `activation_gb` is per GPU; `memory_fraction` is the share of what weights and activations leave that becomes the
    KV pool, unless `pool_blocks` fixes the pool. `overhead_s`: time of a step in which the host prepares the next
    launch and no kernel runs; an assumption. `load_gb_s`: how fast weights come from disk or host memory to each GPU.
    """

    model: str = "Llama-3-8B"
    gpu: str = "L4"
    tp: int = 1
    weight_bits: float = 16
    kv_bits: float = 16
    activation_gb: float = 1.0
    memory_fraction: float = 0.9
    block_size: int = 16
    pool_blocks: int | None = None
    attention: Attention = "flash"
    overhead_s: float = 0.001
    load_gb_s: float = 6.0
    policy: Policy = Policy()

    def __post_init__(self) -> None:
        if self.model not in DECODERS:
            raise KeyError(self.model)
        if self.gpu not in SERVING_GPUS:
            raise ValueError(f"gpu must be one of {', '.join(SERVING_GPUS)}, got {self.gpu!r}")
        if self.attention not in ("flash", "standard"):
            raise ValueError(f"attention must be 'flash' or 'standard', got {self.attention!r}")
        positive(tp=self.tp, weight_bits=self.weight_bits, kv_bits=self.kv_bits, load_gb_s=self.load_gb_s)
        non_negative(overhead_s=self.overhead_s)
        if self.config.d_ff % self.tp or self.config.n_heads % self.tp:
            raise ValueError(f"tp must divide the heads and d_ff, got {self.tp}")

    @property
    def config(self) -> DecoderConfig:
        """The model's shape."""
        return DECODERS[self.model]

    @property
    def spec(self) -> GpuSpec:
        """The GPU's data sheet."""
        return GPUS[self.gpu]

    @property
    def peak_tflop_s(self) -> float:
        """Dense BF16 peak of all `tp` GPUs; FP16 where there is no BF16."""
        peaks = self.spec.peak_tflop_s
        return self.tp * peaks.get("bf16", peaks["fp16"])

    @property
    def weight_bytes(self) -> float:
        """Stored bytes of the whole model."""
        return decoder_params(self.config).total * self.weight_bits / 8

    @property
    def load_s(self) -> float:
        """Seconds to load the weights; each GPU loads its share at the same time."""
        return self.weight_bytes / self.tp / (self.load_gb_s * 1e9)

    def pool(self) -> KvPool:
        """The KV pool of one GPU. Raises ValueError when the weights do not fit."""
        return kv_pool_of(self.config, self.spec.mem_gb * 1e9, self.weight_bytes, self.activation_gb * 1e9,
                          fraction=self.memory_fraction, tp=self.tp, item_bytes=self.kv_bits / 8,
                          block=self.block_size)

    def blocks(self) -> int:
        """Blocks of the pool: `pool_blocks`, or what the memory allows; ValueError when that is none."""
        blocks = self.pool().blocks if self.pool_blocks is None else self.pool_blocks
        if blocks < 1:
            raise ValueError(f"weights do not fit: the memory left must hold a block of the KV pool, got {blocks}")
        return blocks
