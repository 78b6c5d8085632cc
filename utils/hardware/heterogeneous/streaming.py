"""Frame after frame: stages on engines that work at the same time on different frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from utils.cost.checks import positive
from utils.cost.rates import pipeline_rate


@dataclass(frozen=True)
class PipelineReport:
    """A pipeline in the steady state: ms of one frame through all stages, frames/s, and the busiest device."""

    latency_ms: float
    frames_per_s: float
    bottleneck: str

    def as_dict(self) -> dict[str, float | str]:
        """The fields as plain data."""
        return asdict(self)


def busy_ms(stage_ms: Sequence[float], device_of_stage: Sequence[str]) -> dict[str, float]:
    """How long each device works for one frame, in the order in which the stages name the devices.

    Raises ValueError "length" unless there is one device a stage and at least one stage.

    >>> busy_ms([4, 9, 5], ["video", "NPU", "video"])
    {'video': 9, 'NPU': 9}
    """
    if len(stage_ms) != len(device_of_stage) or not stage_ms:
        raise ValueError(f"stage_ms and device_of_stage must have one length above 0, got {len(stage_ms)} "
                         f"and {len(device_of_stage)}")
    busy: dict[str, float] = {}
    for ms, device in zip(stage_ms, device_of_stage):
        positive(stage_ms=ms)
        busy[device] = busy.get(device, 0) + ms
    return busy


def pipeline(stage_ms: Sequence[float], device_of_stage: Sequence[str]) -> PipelineReport:
    """Latency, frame rate and bottleneck of stages that run on devices; stages on one device take turns.

    The busiest device sets the pace; the first of equals is named. Copies are stages of their own, or left out.
    Raises ValueError "length" as `busy_ms`.

    >>> pipeline([4, 9, 6], ["video", "NPU", "video"])
    PipelineReport(latency_ms=19, frames_per_s=100.0, bottleneck='video')
    """
    busy = busy_ms(stage_ms, device_of_stage)
    rate = pipeline_rate(list(busy.values())).throughput_per_s
    return PipelineReport(sum(stage_ms), rate, max(busy, key=busy.__getitem__))


def threads_frames_per_s(stage_ms: Sequence[float], cores: int) -> float:
    """The most frames/s of stages that are threads on `cores` equal cores: neither a stage nor the cores can do more.

    Raises ValueError for no stages, a stage that takes no time or fewer than one core.

    >>> threads_frames_per_s([5, 5, 5], 3), round(threads_frames_per_s([5, 5, 5], 2), 1)
    (200.0, 133.3)
    """
    positive(cores=cores)
    return min(pipeline_rate(stage_ms).throughput_per_s, 1000 * cores / sum(stage_ms))
