"""How many requests fit at once: a scheduler that decides at every step, over four ways to reserve the cache."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Literal, Protocol

import numpy as np

from utils.cost.checks import positive

Policy = Literal["paged", "max", "pow2", "oracle"]


@dataclass(frozen=True)
class SimResult:
    """A whole run. `utilization` is tokens over slots held by requests, both summed over all steps."""

    steps: int
    mean_batch: float
    utilization: float
    preemptions: int
    recomputed_tokens: int
    batch_per_step: tuple[int, ...]
    utilization_per_step: tuple[float, ...]

    def as_dict(self) -> dict[str, object]:
        """The fields as a plain dict."""
        return asdict(self)


@dataclass
class _Request:
    prompt: int
    output: int
    length: int = 0     # tokens held; a preempted request keeps the count, since it must compute them again
    start: int = -1     # first slot of its interval, where the policy reserves intervals
    held: int = 0       # slots


class _Memory(Protocol):
    def most(self, request: _Request) -> int: ...           # slots that the request will need at the end
    def admit(self, request: _Request) -> bool: ...
    def grow(self, request: _Request) -> bool: ...
    def release(self, request: _Request) -> None: ...


class _Paged:
    """Blocks on demand; only the number of free blocks matters."""

    def __init__(self, num_blocks: int, block_size: int) -> None:
        self.free, self.block_size = num_blocks, block_size

    def most(self, request: _Request) -> int:
        return ceil((request.prompt + request.output) / self.block_size) * self.block_size

    def _hold(self, request: _Request, length: int) -> bool:
        more = ceil(length / self.block_size) - request.held // self.block_size
        if more > self.free:
            return False
        self.free -= more
        request.held += more * self.block_size
        return True

    def admit(self, request: _Request) -> bool:
        return self._hold(request, request.length)

    def grow(self, request: _Request) -> bool:
        return self._hold(request, request.length + 1)

    def release(self, request: _Request) -> None:
        self.free += request.held // self.block_size
        request.held = 0


class _Contiguous:
    """One interval a request, sized at admission and placed first-fit, so gaps between intervals stay unused."""

    def __init__(self, slots: int, size: Callable[[_Request], int]) -> None:
        self.slots, self.most = slots, size
        self.taken: list[_Request] = []  # by position

    def admit(self, request: _Request) -> bool:
        size, start = self.most(request), 0
        for index, other in enumerate([*self.taken, None]):
            stop = other.start if other else self.slots
            if stop - start >= size:
                request.start, request.held = start, size
                self.taken.insert(index, request)
                return True
            start = other.start + other.held if other else start
        return False

    def grow(self, request: _Request) -> bool:
        return request.length < request.held

    def release(self, request: _Request) -> None:
        self.taken = [other for other in self.taken if other is not request]
        request.held = 0


def _reservation(policy: Policy, max_len: int) -> Callable[[_Request], int]:
    """Slots that Orca's variants reserve (Kwon et al. 2023, section 6.1)."""
    sizes: dict[str, Callable[[_Request], int]] = {
        "max": lambda r: max_len,
        "pow2": lambda r: min(max_len, r.prompt + (1 << (r.output - 1).bit_length())),
        "oracle": lambda r: r.prompt + r.output,
    }
    if policy not in sizes:
        raise ValueError(f"policy must be one of paged, {', '.join(sizes)}, got {policy!r}")
    return sizes[policy]


def simulate_paging(prompt_lens: Sequence[int], output_lens: Sequence[int], block_size: int, num_blocks: int,
                    policy: Policy, max_len: int) -> SimResult:
    """Serve all requests, first come first served, from a pool of num_blocks * block_size slots.

    A request spends one step on its prompt, then one a token. "paged" admits when the prompt's blocks are free
    and grows block by block; out of blocks, it preempts the newest request, which starts again later by
    recomputing its tokens. The others reserve one interval for good: max_len slots, the prompt plus the output
    rounded up to a power of two, or the exact length. Raises ValueError for lengths below 1 or above max_len,
    MemoryError for a request that an empty pool cannot hold.
    """
    positive(block_size=block_size, num_blocks=num_blocks)
    slots = num_blocks * block_size
    memory: _Memory = (_Paged(num_blocks, block_size) if policy == "paged"
                       else _Contiguous(slots, _reservation(policy, max_len)))
    waiting, running = deque(_requests(prompt_lens, output_lens, max_len)), []
    if (most := max(map(memory.most, waiting))) > slots:
        raise MemoryError(f"out of KV blocks: a request needs {most} slots, the pool has {slots}")
    preemptions = recomputed = 0
    batches, live, held = [], [], []
    while waiting or running:
        victims = _grow_all(running, memory)
        for r in victims:
            waiting.appendleft(r)
            preemptions, recomputed = preemptions + 1, recomputed + r.length
        while waiting and not victims and memory.admit(waiting[0]):
            running.append(waiting.popleft())
        batches.append(len(running))
        live.append(sum(r.length for r in running))
        held.append(sum(r.held for r in running))
        for r in [r for r in running if r.length == r.prompt + r.output]:
            running.remove(r)
            memory.release(r)
    per_step = tuple(a / b for a, b in zip(live, held))
    return SimResult(len(batches), sum(batches) / len(batches), sum(live) / sum(held), preemptions, recomputed,
                     tuple(batches), per_step)


def _requests(prompt_lens: Sequence[int], output_lens: Sequence[int], max_len: int) -> list[_Request]:
    if not len(prompt_lens) or len(prompt_lens) != len(output_lens):
        raise ValueError(f"output_lens must match prompt_lens, got {len(output_lens)} and {len(prompt_lens)}")
    for prompt, output in zip(prompt_lens, output_lens):
        positive(prompt_lens=prompt, output_lens=output)
        if prompt + output > max_len:
            raise ValueError(f"max_len must hold every request, got {max_len} and a request of {prompt + output}")
    return [_Request(int(p), int(o), int(p)) for p, o in zip(prompt_lens, output_lens)]


def _grow_all(running: list[_Request], memory: _Memory) -> list[_Request]:
    """Give every running request one more token, oldest first; the newest make room and are returned."""
    victims, index = [], 0
    while index < len(running):
        if memory.grow(running[index]):
            running[index].length += 1
            index += 1
        else:
            victims.append(running.pop())
            memory.release(victims[-1])
    return victims


def lognormal_lengths(mean: float, n: int, max_len: int, rng: np.random.Generator, sigma: float = 0.9) -> np.ndarray:
    """n token counts of a lognormal distribution, rounded and clipped to [1, max_len].

    `mean` is the mean before clipping, `sigma` the standard deviation of the logarithm: lengths of chats are
    skewed, with a tail of long ones.
    """
    positive(mean=mean, n=n, max_len=max_len, sigma=sigma)
    lengths = rng.lognormal(np.log(mean) - sigma**2 / 2, sigma, n)
    return np.clip(np.rint(lengths), 1, max_len).astype(int)
