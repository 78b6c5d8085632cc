"""The capacity scheduler: which requests may run in the next step, given a pool of KV blocks.

TensorRT-LLM's three policies, as documented; the simulation gives every running request one token a step.

Source: NVIDIA/TensorRT-LLM, `CapacitySchedulerPolicy` (GUARANTEED_NO_EVICT, MAX_UTILIZATION, STATIC_BATCH) and
docs/source/legacy/performance/performance-tuning-guide/useful-runtime-flags.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

Policy = Literal["GUARANTEED_NO_EVICT", "MAX_UTILIZATION", "STATIC_BATCH"]
POLICIES: tuple[Policy, ...] = get_args(Policy)


@dataclass(frozen=True)
class Load:
    """What a scheduler knows about a request, in tokens; when it will stop is not among it."""

    prompt: int
    max_new: int
    generated: int = 0

    @property
    def context(self) -> int:
        """Tokens whose keys and values are in the cache."""
        return self.prompt + self.generated


def blocks_for(tokens: int, block_size: int) -> int:
    """Blocks that hold `tokens` tokens: the last one may be partly filled."""
    return -(-tokens // block_size)


def budget_blocks(load: Load, block_size: int, policy: Policy) -> int:
    """Blocks that a policy counts for one request.

    MAX_UTILIZATION counts the context and the next token; the others the longest that the request may become.
    Raises ValueError for an unknown policy.
    """
    if policy not in POLICIES:
        raise ValueError(f"policy must be one of {', '.join(POLICIES)}, got {policy!r}")
    tokens = load.context + 1 if policy == "MAX_UTILIZATION" else load.prompt + load.max_new
    return blocks_for(tokens, block_size)


def admit_count(running: Sequence[Load], waiting: Iterable[Load], blocks: int, block_size: int,
                policy: Policy) -> int:
    """How many requests at the head of the queue may start now; the first that does not fit stops the count.

    STATIC_BATCH starts nothing while anything runs. `waiting` is read no further than needed.
    """
    if policy == "STATIC_BATCH" and running:
        return 0
    used, count = sum(budget_blocks(load, block_size, policy) for load in running), 0
    for load in waiting:
        used += budget_blocks(load, block_size, policy)
        if used > blocks:
            break
        count += 1
    return count


def pause_count(running: Sequence[Load], blocks: int, block_size: int, policy: Policy) -> int:
    """How many of the newest running requests must pause before the next step; `running` is oldest first."""
    used = [budget_blocks(load, block_size, policy) for load in running]
    over, count = sum(used) - blocks, 0
    while over > 0:
        over -= used.pop()
        count += 1
    return count


@dataclass(frozen=True)
class Step:
    """One step: requests that ran (by number, oldest first), those paused before it, blocks that hold tokens."""

    running: tuple[int, ...]
    paused: tuple[int, ...]
    waiting: int
    used_blocks: int


@dataclass(frozen=True)
class SchedulerResult:
    """A whole schedule; `preemptions` counts pauses, `recomputed_tokens` what paused requests must compute again."""

    steps: int
    mean_batch: float
    preemptions: int
    peak_running: int
    recomputed_tokens: int
    history: tuple[Step, ...]

    @property
    def pauses(self) -> int:
        """TensorRT-LLM's word for preemptions."""
        return self.preemptions

    def as_dict(self) -> dict:
        """The fields as a plain dict."""
        return asdict(self)


def _check(prompts: Sequence[int], max_new: Sequence[int], actual_new: Sequence[int], blocks: int,
           block_size: int, policy: str) -> None:
    if not len(prompts) == len(max_new) == len(actual_new):
        raise ValueError("prompts, max_new and actual_new must be equally long, got "
                         f"{len(prompts)}, {len(max_new)}, {len(actual_new)}")
    if policy not in POLICIES:
        raise ValueError(f"policy must be one of {', '.join(POLICIES)}, got {policy!r}")
    if min(blocks, block_size) < 1:
        raise ValueError(f"blocks and block_size must be positive, got {blocks} and {block_size}")
    for i, (prompt, most, actual) in enumerate(zip(prompts, max_new, actual_new, strict=True)):
        if prompt < 1 or not 1 <= actual <= most:
            raise ValueError(f"request {i} must have prompt >= 1 and 1 <= actual_new <= max_new, "
                             f"got {prompt}, {actual}, {most}")
        if blocks_for(prompt + most, block_size) > blocks:
            raise ValueError(f"request {i} can never fit: its {prompt + most} tokens must fit {blocks} blocks, "
                             f"got {blocks_for(prompt + most, block_size)}")


def simulate_capacity_scheduler(prompts: Sequence[int], max_new: Sequence[int], actual_new: Sequence[int],
                                blocks: int, block_size: int, policy: Policy) -> SchedulerResult:
    """Run all requests, waiting at step 0, to their end; `actual_new` is hidden from the policy.

    Before each step: pause the newest while the step would not fit (they go to the queue's front and keep their
    tokens), then admit from the queue's head. In a step every running request gains one token. Raises ValueError
    for lists of different length, unknown policies, or a request that can never fit.

    >>> run = simulate_capacity_scheduler([4] * 4, [12] * 4, [2, 4, 12, 3], 8, 4, "GUARANTEED_NO_EVICT")
    >>> run.steps, run.peak_running, run.pauses
    (14, 2, 0)
    """
    _check(prompts, max_new, actual_new, blocks, block_size, policy)
    generated = [0] * len(prompts)
    waiting, running = deque(range(len(prompts))), []
    history, recomputed = [], 0

    def load(i: int) -> Load:
        return Load(prompts[i], max_new[i], generated[i])

    while waiting or running:
        keep = len(running) - pause_count([load(i) for i in running], blocks, block_size, policy)
        running, paused = running[:keep], running[keep:]
        waiting.extendleft(reversed(paused))
        for _ in range(admit_count([load(i) for i in running], map(load, waiting), blocks, block_size, policy)):
            i = waiting.popleft()
            recomputed += load(i).context if generated[i] else 0
            running.append(i)
        for i in running:
            generated[i] += 1
        used = sum(blocks_for(load(i).context, block_size) for i in running)
        history.append(Step(tuple(running), tuple(paused), len(waiting), used))
        running = [i for i in running if generated[i] < actual_new[i]]
    return _result(history, recomputed)


def _result(history: list[Step], recomputed: int) -> SchedulerResult:
    batches = [len(step.running) for step in history]
    mean = sum(batches) / len(batches) if batches else 0.0
    return SchedulerResult(len(history), mean, sum(len(step.paused) for step in history), max(batches, default=0),
                           recomputed, tuple(history))


_BY_SHORT_NAME: dict[str, Policy] = {"guaranteed": "GUARANTEED_NO_EVICT", "max_utilization": "MAX_UTILIZATION"}


def capacity_schedule(prompts: list[int], max_new: list[int], actual_new: list[int], blocks: int, block_size: int,
                      policy: str) -> tuple[int, int, int]:
    """(steps, peak running, pauses) of a first-come-first-served schedule over a pool of `blocks` KV blocks.

    policy: "guaranteed" or "max_utilization". Raises ValueError when a request can never fit.

    >>> capacity_schedule([4] * 4, [12] * 4, [2, 4, 12, 3], 8, 4, "max_utilization")
    (12, 4, 0)
    """
    run = simulate_capacity_scheduler(prompts, max_new, actual_new, blocks, block_size,
                                      _BY_SHORT_NAME.get(policy, policy))
    return run.steps, run.peak_running, run.preemptions
