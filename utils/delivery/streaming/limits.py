"""How many cameras a box carries: the smallest of the limits of decoder, copy and model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

from utils.cost.checks import non_negative, positive

BYTES_PER_PIXEL = {"NV12": 1.5, "RGB": 3.0, "RGBA": 4.0}
RESOURCES = ("infer", "decode", "copy")
MOST = 100_000  # cameras; a search that gets there has no limit


@dataclass(frozen=True)
class CapacityReport:
    """Cameras that fit, the resource that runs out first, and each resource's own limit (None: unlimited)."""

    max_streams: int
    bottleneck: str
    limits: dict[str, int | None]

    def as_dict(self) -> dict:
        """The fields as plain data."""
        return asdict(self)


def frame_mb(width: int, height: int, fmt: str = "NV12") -> float:
    """Megabytes (1e6) of a decoded frame. KeyError for a format that is not in BYTES_PER_PIXEL.

    >>> round(frame_mb(1920, 1080), 2)
    3.11
    """
    return width * height * BYTES_PER_PIXEL[fmt] / 1e6


def stream_capacity(fps: float, decode_fps: float, infer_ms: Callable[[int], float], interval: int, frame_bytes: int,
                    copy_bytes_s: float) -> CapacityReport:
    """The largest n for which every resource keeps up with n cameras of `fps` frames per second.

    infer_ms(n): time in ms of a batch with a frame from each of n cameras; it must not fall with n. One batch in
    interval + 1 runs. The decoder manages `decode_fps` frames per second, the copy n fps frame_bytes bytes per second;
    `math.inf` for no limit. Among equal limits the first of RESOURCES is named.
    Raises ValueError for fps or frame_bytes that are not positive, a negative interval, or no limit at all.
    """
    positive(fps=fps, frame_bytes=frame_bytes)
    non_negative(interval=interval)
    budget_ms = 1000 * (interval + 1) / fps
    limits = {
        "infer": _last(lambda n: infer_ms(n) <= budget_ms),
        "decode": _whole(decode_fps / fps),
        "copy": _whole(copy_bytes_s / (fps * frame_bytes)),
    }
    finite = {name: limit for name, limit in limits.items() if limit is not None}
    if not finite:
        raise ValueError("at least one resource must have a limit, got none")
    bottleneck = min(finite, key=finite.__getitem__)  # the first among equals, in the order of RESOURCES
    return CapacityReport(finite[bottleneck], bottleneck, limits)


def _whole(limit: float) -> int | None:
    return None if limit == math.inf else max(0, math.floor(limit))


def _last(fits: Callable[[int], bool]) -> int | None:
    """The largest n with fits(1), …, fits(n), for a condition that stays false once it is; None without limit."""
    if not fits(1):
        return 0
    low, high = 1, 2
    while fits(high):
        low, high = high, 2 * high
        if high > MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def max_streams(fps: float, a_ms: float, b_ms: float, interval: int, decode_fps: float, frame_bytes: int,
                copy_bytes_s: float) -> tuple[int, str]:
    """Cameras that fit, and the resource that limits them: "infer", "decode" or "copy" (in this order among equals).

    >>> max_streams(30, 4, 1.5, 2, 1000, 3110400, float("inf"))
    (33, 'decode')
    """
    report = stream_capacity(fps, decode_fps, lambda n: a_ms + b_ms * n, interval, frame_bytes, copy_bytes_s)
    return report.max_streams, report.bottleneck
