"""TensorRT's optimisation profiles as arithmetic: which one takes n rows, and what memory a context reserves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# tensorrt.ExecutionContextAllocationStrategy; USER_MANAGED leaves the size to the caller
STRATEGIES = ("STATIC", "ON_PROFILE_CHANGE")


@dataclass(frozen=True)
class Profile:
    """Batch sizes from `min_batch` to `max_batch` are allowed, and the kernels are chosen for `opt_batch`.

    Raises ValueError unless 1 <= min <= opt <= max.
    """

    min_batch: int
    opt_batch: int
    max_batch: int

    def __post_init__(self) -> None:
        if not 1 <= self.min_batch <= self.opt_batch <= self.max_batch:
            got = (self.min_batch, self.opt_batch, self.max_batch)
            raise ValueError(f"a profile must have 1 <= min <= opt <= max, got {got}")

    def covers(self, n: int) -> bool:
        """Whether a batch of n is allowed."""
        return self.min_batch <= n <= self.max_batch


def select_profile(profiles: Sequence[Profile], n: int) -> int:
    """Index of the profile for n rows: of those that cover n the smallest max, then opt nearest to n, then the first.

    TensorRT itself does not choose: the application names a profile, and index 0 is used if it does not.
    Raises ValueError "no optimisation profile covers ..." if none does.
    """
    covering = [i for i, p in enumerate(profiles) if p.covers(n)]
    if not covering:
        raise ValueError(f"n must lie in a profile: no optimisation profile covers {n}")
    return min(covering, key=lambda i: (profiles[i].max_batch, abs(profiles[i].opt_batch - n), i))


def context_bytes(profiles: Sequence[Profile], bytes_per_sample: int, strategy: str, active: int | None = None) -> int:
    """Activation memory that an execution context reserves, in bytes.

    "STATIC", TensorRT's default, takes the largest of all profiles; "ON_PROFILE_CHANGE" what the `active` one needs.
    Raises ValueError for another strategy, no profile, or no active profile where it is needed.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}, got {strategy!r}")
    if not profiles:
        raise ValueError("profiles must not be empty")
    if strategy == "STATIC":
        return bytes_per_sample * max(p.max_batch for p in profiles)
    if active is None:
        raise ValueError("active must be the index of a profile under ON_PROFILE_CHANGE, got None")
    return bytes_per_sample * profiles[active].max_batch


def profile_plan(profiles: list[tuple[int, int, int]], n: int, bytes_per_sample: int, strategy: str) -> tuple[int, int]:
    """Index of the profile for a batch of n, and the bytes that its execution context reserves."""
    checked = [Profile(*p) for p in profiles]
    index = select_profile(checked, n)
    return index, context_bytes(checked, bytes_per_sample, strategy, index)
