"""The simulation: a clock, a queue, a batch, and a step after a step until every answer is complete."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np

from utils.engines.tensorrt_llm import blocks_for
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
    totals,
)
from utils.serving.llm_simulator.server import Policy, Server
from utils.serving.llm_simulator.step_cost import Chunk, RooflineCost, StepCost, StepWork
from utils.serving.llm_simulator.workload import Request, Workload, make_requests


@dataclass(eq=False)
class _Live:
    """A request on its way. `computed` positions have keys and values now, `known` had them at some time."""

    request: Request
    index: int
    context: int            # tokens of its prompt and its answer so far
    since: float            # when its present phase began
    phase: str = WAITING
    generated: int = 0
    computed: int = 0
    known: int = 0
    cached: int | None = None  # prompt tokens found in the cache at the first start
    preemptions: int = 0
    first_s: float = inf
    last_s: float = inf
    stall_s: float = 0.0
    segments: list[Segment] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return self.generated == self.request.output_tokens

    @property
    def decodes(self) -> bool:
        """Whether only the last token is missing, as after every step that made one."""
        return self.generated > 0 and self.computed == self.context - 1

    def turn(self, phase: str, now: float) -> None:
        """Begin a phase; the same one goes on."""
        if phase != self.phase:
            if now > self.since:
                self.segments.append(Segment(self.phase, self.since, now))
            self.phase, self.since = phase, now

    def compute(self, tokens: int) -> None:
        """Keys and values of its next positions."""
        self.computed += tokens
        self.known = max(self.known, self.computed)

    def gain(self, now: float) -> None:
        """A new token."""
        if self.generated:
            self.stall_s = max(self.stall_s, now - self.last_s)
        else:
            self.first_s = now
        self.generated, self.context, self.last_s = self.generated + 1, self.context + 1, now

    def result(self, end_s: float) -> RequestResult:
        arrival, tokens = self.request.arrival_s, self.request.output_tokens
        tpot = (self.last_s - self.first_s) / (tokens - 1) if tokens > 1 else None
        segments = (*self.segments, Segment(self.phase, self.since, end_s))
        return RequestResult(arrival, len(self.request.prompt), tokens, self.cached or 0, self.preemptions,
                             self.first_s - arrival, tpot, self.stall_s, end_s - arrival, segments)


def simulate_llm_serving(workload: Workload, server: Server, seed: int = 0) -> SimulationResult:
    """Serve a workload. Times are roofline bounds (`RooflineCost`): a real server is slower.

    Raises ValueError "weights do not fit", or "can never fit" for a request that is longer than the pool.
    """
    requests = make_requests(workload, seed)
    return simulate_requests(requests, server.policy, RooflineCost(server), server.blocks(), server.block_size,
                             load_s=server.load_s, peak_flop_s=server.peak_tflop_s * 1e12)


def simulate_requests(requests: Sequence[Request], policy: Policy, cost: StepCost, blocks: int, block_size: int, *,
                      load_s: float = 0.0, peak_flop_s: float | None = None) -> SimulationResult:
    """Serve `requests` (sorted by arrival) from a pool of `blocks` KV blocks, with any model of a step's cost.

    A step takes everybody's next tokens together: prompt chunks and one token for each decoding request. A step that
    completes a prompt makes the first token. A preempted request goes back to the head of the queue and computes its
    whole context again. The weights are on the GPU when the first request arrives; with `policy.keep_alive_s` they
    leave after that long without work, and the next request waits `load_s` for them.
    """
    _check(requests, blocks, block_size)
    pool = KvBlocks(blocks, block_size, prefix_caching=policy.prefix_caching, reserve_all=policy.reserves_all)
    run = _Run(requests, policy, cost, pool, load_s)
    while run.coming or run.waiting or run.running:
        run.step()
    results = tuple(run.results[i] for i in range(len(requests)))
    series = Series(*(np.array(column) for column in zip(*run.steps)))
    return SimulationResult(results, series, totals(results, series, peak_flop_s, run.recomputed, run.loads), blocks)


def _check(requests: Sequence[Request], blocks: int, block_size: int) -> None:
    if not requests:
        raise ValueError("requests must not be empty, got none")
    for i, r in enumerate(requests):
        if i and r.arrival_s < requests[i - 1].arrival_s:
            raise ValueError("requests must be sorted by arrival, got one before the one ahead of it")
        if not (r.prompt and 1 <= r.output_tokens <= r.max_new):
            raise ValueError(f"requests must have a prompt and 1 <= output_tokens <= max_new, got {len(r.prompt)}, "
                             f"{r.output_tokens}, {r.max_new}")
        if blocks_for(len(r.prompt) + r.max_new, block_size) > blocks:
            raise ValueError(f"request {i} can never fit: it may grow to {len(r.prompt) + r.max_new} tokens and must "
                             f"fit the pool, got {blocks * block_size} slots")


class _Run:
    """The state of a simulation."""

    def __init__(self, requests: Sequence[Request], policy: Policy, cost: StepCost, pool: KvBlocks,
                 load_s: float) -> None:
        self.policy, self.cost, self.pool, self.load_s = policy, cost, pool, load_s
        self.coming = deque(_Live(r, i, len(r.prompt), r.arrival_s) for i, r in enumerate(requests))
        self.waiting: deque[_Live] = deque()
        self.running: list[_Live] = []  # oldest first
        self.now = self.idle_since = requests[0].arrival_s
        self.results: dict[int, RequestResult] = {}
        self.steps: list[tuple] = []
        self.recomputed = self.loads = 0

    def step(self) -> None:
        """From one boundary to the next."""
        self._arrive(self.now)
        if not self.running:
            self._wake()
        paused = self._make_room()
        self._admit()
        chunks, decodes = self._plan()
        time = self.cost(self._work(chunks, decodes))
        start, launch = self.now, self.now + time.host_s
        end = launch + time.kernel_s
        pool, before = self.pool, (len(self.running), len(self.waiting), paused)
        blocks = pool.used, pool.shared, pool.idle
        gained = self._advance(chunks, decodes, end)
        prompt_tokens = sum(n for _, n in chunks)
        self.steps.append((start, launch, end, *before, gained, prompt_tokens, *blocks, time.useful_flops))
        self.now = self.idle_since = end
        self._leave()

    # --- who runs -------------------------------------------------------------------------------

    def _arrive(self, now: float) -> None:
        """Move the clock; who has arrived by then waits."""
        self.now = now
        while self.coming and self.coming[0].request.arrival_s <= now:
            self.waiting.append(self.coming.popleft())

    def _wake(self) -> None:
        """An idle server: wait for a request, for the weights if they have left, for a fuller batch if told to."""
        if not self.waiting:
            self._arrive(max(self.now, self.coming[0].request.arrival_s))
        keep = self.policy.keep_alive_s
        if keep is not None and self.now - self.idle_since > keep:
            self.loads += 1
            self._arrive(self.now + self.load_s)
        if self.policy.batching == "dynamic":
            self._arrive(max(self.now, self._batch_start()))

    def _batch_start(self) -> float:
        """When the oldest request has waited long enough, or the batch is full if that is earlier."""
        missing = self.policy.max_batch - len(self.waiting)
        if missing <= 0:
            return self.now
        full = self.coming[missing - 1].request.arrival_s if missing <= len(self.coming) else inf
        return min(self.waiting[0].request.arrival_s + self.policy.max_delay_s, full)

    def _make_room(self) -> int:
        """Blocks for the next token of everybody who runs; the newest are put back while there are too few."""
        paused = 0
        growing = [live for live in self.running if not live.done and live.context >= self.pool.slots(live.index)]
        while len(growing) > self.pool.available:  # one block each
            victim = self.running.pop()
            if growing[-1] is victim:
                growing.pop()
            self.pool.release(victim.index)
            victim.preemptions += 1
            victim.turn(PREEMPTED, self.now)
            self.waiting.appendleft(victim)
            paused += 1
        for live in growing:
            self.pool.grow(live.index, live.context + 1)
        return paused

    def _admit(self) -> None:
        """Start requests from the head of the queue while they fit; nobody overtakes."""
        if self.policy.batching != "continuous" and self.running:
            return
        while self.waiting and len(self.running) < self.policy.max_batch:
            live = self.waiting[0]
            prompt = live.request.prompt
            cached = self.pool.admit(live.index, prompt, live.context, len(prompt) + live.request.max_new)
            if cached is None:
                return
            live.computed = cached
            if live.cached is None:
                live.cached = cached
            self.running.append(self.waiting.popleft())

    # --- what a step does -----------------------------------------------------------------------

    def _plan(self) -> tuple[list[tuple[_Live, int]], list[_Live]]:
        """Prompt chunks with their tokens, and who decodes; decoding comes first when a step's tokens are limited."""
        decodes = [live for live in self.running if live.decodes and not live.done]
        budget = inf if self.policy.chunk_tokens is None else self.policy.chunk_tokens - len(decodes)
        chunks = []
        for live in self.running:
            if budget > 0 and not live.done and not live.decodes:
                tokens = min(live.context - live.computed, budget)
                chunks.append((live, tokens))
                budget -= tokens
        return chunks, decodes

    def _work(self, chunks: list[tuple[_Live, int]], decodes: list[_Live]) -> StepWork:
        padding = [live.context for live in self.running if live.done]
        return StepWork(tuple(Chunk(live.computed, live.computed + n, live.known) for live, n in chunks),
                        len(decodes), sum(live.context for live in decodes), len(padding), sum(padding))

    def _advance(self, chunks: list[tuple[_Live, int]], decodes: list[_Live], end: float) -> int:
        """Put the step into effect; the new tokens."""
        gained = len(decodes)
        for live in self.running:
            live.turn(PADDING if live.done else DECODE if live.decodes else PREFILL, self.now)
        for live in decodes:
            live.compute(1)
            live.gain(end)
        for live, n in chunks:
            self.recomputed += max(0, min(live.computed + n, live.known) - live.computed)
            live.compute(n)
            if live.computed == live.context:
                live.gain(end)
                self.pool.remember(live.index, live.request.prompt)
                gained += 1
        return gained

    def _leave(self) -> None:
        """Hand over finished answers: each at once, or all of a batch when the last is complete."""
        done = [live for live in self.running if live.done]
        if not done or (self.policy.batching != "continuous" and len(done) < len(self.running)):
            return
        self.running = [live for live in self.running if not live.done]
        for live in done:
            self.pool.release(live.index)
            self.results[live.index] = live.result(self.now)
