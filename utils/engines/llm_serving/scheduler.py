"""Static and continuous batching: who shares a decode step, and what that does to latency.

Orca (Yu et al., OSDI 2022) calls continuous batching *iteration-level scheduling*: the batch is put together
anew before every step, in place of once for a whole batch. Everything here is simulated time; prompts cost nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass
from math import inf
from typing import Literal, NamedTuple

from utils.cost.checks import non_negative, positive

Policy = Literal["static", "continuous"]


class Request(NamedTuple):
    """When a request arrives (s) and how many tokens it will generate."""

    arrival_s: float
    output_tokens: int


class Step(NamedTuple):
    """One decode step: its start and end (s), the request in each slot, and whether that slot gains a token.

    A slot without a request holds None. Under static batching a finished request keeps its slot, without gaining.
    """

    start_s: float
    end_s: float
    slots: tuple[Hashable | None, ...]
    gains: tuple[bool, ...]


@dataclass(frozen=True)
class ServingResult:
    """Times from arrival in input order (s), the end of the last step (s), steps, and mean tokens a step."""

    ttft_s: tuple[float, ...]
    latency_s: tuple[float, ...]
    makespan_s: float
    steps: int
    mean_batch: float
    preemptions: int
    timeline: tuple[Step, ...]

    def as_dict(self) -> dict[str, object]:
        """The fields as a plain dict."""
        return asdict(self)


@dataclass
class _Slot:
    name: Hashable
    left: int
    produced: int = 0


class IterationScheduler:
    """A first-come-first-served batch of at most `max_batch` requests, without a clock.

    Before each step call `admit`, then `step`. "continuous" refills a slot as soon as its request has its last
    token; "static" waits until every request of the batch has. Raises ValueError for a max_batch that is not
    positive or an unknown policy.

    >>> s = IterationScheduler(2)
    >>> s.submit("a", 1); s.submit("b", 2); s.submit("c", 1)
    >>> s.admit(), s.step(), s.admit(), s.step()
    (['a', 'b'], ['a'], ['c'], ['c', 'b'])
    """

    def __init__(self, max_batch: int, policy: Policy = "continuous") -> None:
        positive(max_batch=max_batch)
        if policy not in ("static", "continuous"):
            raise ValueError(f"policy must be 'static' or 'continuous', got {policy!r}")
        self.policy = policy
        self.waiting: deque[_Slot] = deque()
        self._slots: list[_Slot | None] = [None] * max_batch

    @property
    def slots(self) -> tuple[Hashable | None, ...]:
        """The request in each slot; None where there is none."""
        return tuple(slot and slot.name for slot in self._slots)

    @property
    def gains(self) -> tuple[bool, ...]:
        """Whether each slot gains a token in the next step."""
        return tuple(slot is not None and slot.left > 0 for slot in self._slots)

    @property
    def running(self) -> list[Hashable]:
        """The requests that occupy a slot: what the next step computes."""
        return [slot.name for slot in self._slots if slot is not None]

    def submit(self, name: Hashable, output_tokens: int) -> None:
        """Queue a request of `output_tokens` tokens, 1 or more (else ValueError)."""
        positive(output_tokens=output_tokens)
        self.waiting.append(_Slot(name, output_tokens))

    def admit(self, fits: Callable[[Hashable], bool] = lambda name: True) -> list[Hashable]:
        """Move waiting requests into free slots, in their order; names of the new ones.

        `fits` is asked about the request at the head (is there memory for it?); when it says no, nobody overtakes.
        """
        if self.policy == "static" and self.running:
            return []
        admitted = []
        for i, slot in enumerate(self._slots):
            if slot is None and self.waiting and fits(self.waiting[0].name):
                self._slots[i] = self.waiting.popleft()
                admitted.append(self._slots[i].name)
        return admitted

    def step(self) -> list[Hashable]:
        """Give every running request a token; names of those that leave the batch, in the order of their slots."""
        for slot in self._slots:
            if slot is not None and slot.left:
                slot.left, slot.produced = slot.left - 1, slot.produced + 1
        if self.policy == "static" and any(self.gains):
            return []
        done = [i for i, slot in enumerate(self._slots) if slot is not None and not slot.left]
        names = [self._slots[i].name for i in done]
        for i in done:
            self._slots[i] = None
        return names

    def produced(self, name: Hashable) -> int:
        """Tokens that a running request has so far. Raises KeyError when it is not running."""
        for slot in self._slots:
            if slot is not None and slot.name == name:
                return slot.produced
        raise KeyError(name)


def simulate_serving(requests: Sequence[Request | tuple[float, int]], max_batch: int, step_base_s: float,
                     step_per_seq_s: float, policy: Policy = "continuous") -> ServingResult:
    """Serve (arrival_s, output_tokens) requests; a step lasts step_base_s + step_per_seq_s · occupied slots.

    At each step boundary the requests that have arrived by then may enter, first come first served, equal arrivals
    in input order. Static batching starts with whoever is there, and answers all of a batch when its longest
    request ends; a first token is seen when it is made under both policies. An idle server waits for the next
    arrival. Raises ValueError for max_batch < 1, output tokens < 1, or a time that is negative or not finite.

    >>> r = simulate_serving([(0, 3), (0, 8), (1, 2), (2, 4)], 2, 1.0, 0.5)
    >>> r.ttft_s, r.latency_s
    ((2.0, 2.0, 7.0, 10.0), (6.0, 16.0, 9.0, 15.5))
    """
    _check(requests, step_base_s, step_per_seq_s)
    scheduler = IterationScheduler(max_batch, policy)
    coming = deque(sorted(range(len(requests)), key=lambda i: requests[i][0]))  # stable: ties keep their order
    first, end, timeline, now = {}, {}, [], 0.0
    while coming or scheduler.waiting or scheduler.running:
        if not scheduler.waiting and not scheduler.running:
            now = max(now, float(requests[coming[0]][0]))
        while coming and requests[coming[0]][0] <= now:
            i = coming.popleft()
            scheduler.submit(i, requests[i][1])
        scheduler.admit()
        slots, gains = scheduler.slots, scheduler.gains
        start, now = now, now + step_base_s + step_per_seq_s * len(scheduler.running)
        timeline.append(Step(start, now, slots, gains))
        for i in scheduler.running:
            first.setdefault(i, now)
        end.update(dict.fromkeys(scheduler.step(), now))
    tokens = sum(tokens for _, tokens in requests)
    order = range(len(requests))
    return ServingResult(tuple(first[i] - requests[i][0] for i in order), tuple(end[i] - requests[i][0] for i in order),
                         now, len(timeline), tokens / max(1, len(timeline)), 0, tuple(timeline))


def _check(requests: Sequence[tuple[float, int]], step_base_s: float, step_per_seq_s: float) -> None:
    non_negative(step_base_s=step_base_s, step_per_seq_s=step_per_seq_s)
    for arrival_s, tokens in requests:
        positive(output_tokens=tokens)
        non_negative(arrival_s=arrival_s)
    if max([step_base_s, step_per_seq_s, *(r[0] for r in requests)]) == inf:
        raise ValueError("times must be finite, got inf")


def serve_continuous(arrivals: list[float], outputs: list[int], max_batch: int, step_base: float,
                     step_per_seq: float) -> tuple[list, list]:
    """Time to first token and latency of each request under continuous batching, both from its arrival."""
    if len(arrivals) != len(outputs):
        raise ValueError(f"outputs must have one count an arrival, got {len(outputs)} for {len(arrivals)}")
    result = simulate_serving(list(zip(arrivals, outputs)), max_batch, step_base, step_per_seq)
    return list(result.ttft_s), list(result.latency_s)


def static_steps(outputs: Sequence[int], max_batch: int) -> int:
    """Decode steps of static batching when all requests wait at the start: the longest of each batch.

    >>> static_steps([3, 8, 2, 4], 2)
    12
    """
    positive(max_batch=max_batch)
    return sum(max(outputs[i:i + max_batch]) for i in range(0, len(outputs), max_batch))
