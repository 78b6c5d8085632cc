"""Who moves a frame over the DDR bus. Engines of a chip hand frames on through memory: one writes, the next reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from utils.cost.checks import non_negative, positive
from utils.hardware.soc.frames import nv12_bytes, rgb_bytes

# An encoder reads parts of earlier pictures to predict from, and writes the reconstructed picture that the next
# ones will read. One write and half a read (caches serve the rest) is an assumption; search and codec change it.
REFERENCE_READS, REFERENCE_WRITES = 0.5, 1.0


@dataclass(frozen=True)
class Pass:
    """What one module reads from and writes to DRAM for one frame, in bytes."""

    module: str
    reads_bytes: int
    writes_bytes: int

    @property
    def total_bytes(self) -> int:
        return self.reads_bytes + self.writes_bytes


def camera_chain(width: int, height: int, nn_size: int, encode: bool = True, display: bool = False,
                 spill_bytes: int = 0) -> list[Pass]:
    """The passes of one frame from a camera: ISP, scaler, NPU, and as asked encoder and display.

    Frames are NV12, the network's input is nn_size x nn_size RGB in uint8. The sensor's raw data go into the ISP
    without touching DRAM. `spill_bytes` is what the NPU writes and reads again because its own memory is too small.
    Raises ValueError for odd or non-positive sizes.
    """
    frame, tensor = nv12_bytes(width, height), rgb_bytes(nn_size, nn_size)
    non_negative(spill_bytes=spill_bytes)
    chain = [Pass("ISP", 0, frame), Pass("scaler", frame, tensor), Pass("NPU", tensor + spill_bytes, spill_bytes)]
    if encode:
        chain.append(Pass("encoder", frame + round(REFERENCE_READS * frame), round(REFERENCE_WRITES * frame)))
    if display:
        chain.append(Pass("display", frame, 0))
    return chain


def frame_traffic(passes: Iterable[Pass]) -> int:
    """Bytes that all passes of one frame move."""
    return sum(p.total_bytes for p in passes)


def ddr_gb_s(passes: Iterable[Pass], fps: float, streams: int = 1) -> float:
    """Decimal GB/s on the bus. Raises ValueError for a negative rate or count."""
    non_negative(fps=fps, streams=streams)
    return frame_traffic(passes) * fps * streams / 1e9


def ddr_utilization(passes: Iterable[Pass], fps: float, streams: int, peak_gb_s: float) -> float:
    """The share of the bus's peak that the streams need; above 1 they do not fit."""
    positive(peak_gb_s=peak_gb_s)
    return ddr_gb_s(passes, fps, streams) / peak_gb_s


def chain_gb_s(passes: Sequence[tuple[int, int]], fps: float, streams: int = 1) -> float:
    """Decimal GB/s of passes given as (bytes read, bytes written) a frame."""
    return ddr_gb_s((Pass("", reads, writes) for reads, writes in passes), fps, streams)
