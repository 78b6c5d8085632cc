"""Real video that the course renders itself: a digit that walks over a noisy background, as H.264 or MJPEG.

H.264 needs PyAV (package `av`, FFmpeg's libraries). Motion JPEG needs Pillow only, which comes with matplotlib: every
frame is a JPEG of its own, so it has neither P frames nor damage that spreads.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator, Set
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from utils.cost.checks import non_negative, positive
from utils.delivery.streaming.references import decodable, gop_refs
from utils.optional import EngineUnavailable, require

HINT = "pip install av"
# The container for JPEGs: this word, the length of a header, the header, then length and bytes of each frame.
MAGIC = b"MJPEGCLP"
DIGIT = 64  # pixels, 8 x 8 enlarged 8 times
BACKGROUND = (40, 90)  # brightness of the background's tiles
NOISE = 4  # brightness levels up and down, new in every frame
FRAME_TYPES = {1: "I", 2: "P", 3: "B"}  # FFmpeg's AVPictureType


@dataclass(frozen=True)
class Frame:
    """A decoded frame: when it is shown (us), whether it is a keyframe, I, P or B, its luma (height, width) uint8."""

    pts_us: int
    key: bool
    pict_type: str
    array: np.ndarray


@dataclass(frozen=True)
class PacketInfo:
    """A coded frame in decode order: when it is shown in us, whether it is a keyframe, and its bytes."""

    pts_us: int
    key: bool
    size_bytes: int


@dataclass(frozen=True)
class FrameFate:
    """What a loss did to a frame: "ok", "damaged" or "missing" (nothing came out of the decoder).

    error: mean absolute difference to the clean decode in brightness levels, NaN where the frame is missing.
    """

    pts_us: int
    fate: str
    error: float


def best_codec() -> str:
    """ "h264" where PyAV can be imported and has an H.264 encoder, else "mjpeg"."""
    try:
        _av().codec.Codec("libx264", "w")
    except (EngineUnavailable, ValueError):
        return "mjpeg"
    return "h264"


def _av() -> Any:
    return require("av", HINT)


# --- rendering --------------------------------------------------------------------------------


def digit_boxes(n_frames: int, size: tuple[int, int], seed: int) -> list[tuple[int, int, int, int]]:
    """Where the digit is in each frame: (left, top, right, bottom) in pixels. It bounces off the edges."""
    width, height = size
    rng = np.random.default_rng(seed)
    x, y = int(rng.integers(0, width - DIGIT)), int(rng.integers(0, height - DIGIT))
    dx, dy = (int(v) for v in rng.choice([-4, -3, 3, 4], 2))
    boxes = []
    for _ in range(n_frames):
        boxes.append((x, y, x + DIGIT, y + DIGIT))
        dx = -dx if not 0 <= x + dx <= width - DIGIT else dx
        dy = -dy if not 0 <= y + dy <= height - DIGIT else dy
        x, y = x + dx, y + dy
    return boxes


def render_frames(n_frames: int, size: tuple[int, int], seed: int) -> list[np.ndarray]:
    """Luma (height, width) uint8 of a scanned digit that moves over a background of grey tiles, with noise.

    Raises ValueError for a size that is not a multiple of 16 or smaller than the digit.
    """
    width, height = size
    if width % 16 or height % 16 or min(size) <= DIGIT:
        raise ValueError(f"size must be multiples of 16 above {DIGIT}, got {size}")
    rng = np.random.default_rng(seed)
    tiles = rng.integers(*BACKGROUND, (height // 16, width // 16)).repeat(16, 0).repeat(16, 1)  # (height, width)
    digit = _digit(seed)
    frames = []
    for left, top, right, bottom in digit_boxes(n_frames, size, seed):
        frame = tiles + rng.integers(-NOISE, NOISE + 1, tiles.shape)
        patch = frame[top:bottom, left:right]
        frame[top:bottom, left:right] = np.maximum(patch, digit)
        frames.append(frame.astype(np.uint8))
    return frames


@cache
def _images() -> np.ndarray:
    from sklearn.datasets import load_digits

    return load_digits().images  # (1797, 8, 8) float64, 0 to 16


def _digit(seed: int) -> np.ndarray:
    """One scanned digit (DIGIT, DIGIT), brightness 0 to 240."""
    images = _images()
    return (images[seed % len(images)] * 15).astype(np.int64).repeat(8, 0).repeat(8, 1)


def render_clip(n_frames: int, fps: int, size: tuple[int, int], seed: int, codec: str = "h264", gop: int = 30,
                b_frames: int = 0) -> bytes:
    """A coded clip of size (width, height) in memory: H.264 in an MP4 file, or JPEGs behind a small container.

    gop: frames from one keyframe to the next. Without B frames the encoder works without delay (`tune=zerolatency`).
    Raises EngineUnavailable for "h264" without PyAV, ValueError for another codec or size.
    """
    if codec not in ("h264", "mjpeg"):
        raise ValueError(f"codec must be 'h264' or 'mjpeg', got {codec!r}")
    positive(n_frames=n_frames, fps=fps, gop=gop)
    non_negative(b_frames=b_frames)
    if codec == "h264":
        _av()  # before the work of rendering
    frames = render_frames(n_frames, size, seed)
    return _h264(frames, fps, gop, b_frames) if codec == "h264" else _mjpeg(frames, fps)


def _h264(frames: list[np.ndarray], fps: int, gop: int, b_frames: int) -> bytes:
    av = _av()
    height, width = frames[0].shape
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.gop_size, context.thread_count, context.time_base = gop, 1, Fraction(1, fps)
        # One reference in each direction, keyframes where `gop` says and nowhere else.
        context.options = {"preset": "veryfast", "bf": str(b_frames), "refs": "1", "sc_threshold": "0",
                           "x264-params": "b-pyramid=none:weightp=0:open-gop=0:b-adapt=0"}
        if not b_frames:
            context.options = {**context.options, "tune": "zerolatency"}
        grey = np.full((height // 2, width), 128, np.uint8)
        for i, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.concatenate([frame, grey]), format="yuv420p")
            picture.pts = i
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return target.getvalue()


def _mjpeg(frames: list[np.ndarray], fps: int) -> bytes:
    from PIL import Image

    head = json.dumps({"fps": fps, "frames": len(frames)}).encode()
    parts = [MAGIC, struct.pack("<I", len(head)), head]
    for frame in frames:
        coded = io.BytesIO()
        Image.fromarray(frame).save(coded, "JPEG", quality=85)
        parts += [struct.pack("<I", coded.tell()), coded.getvalue()]
    return b"".join(parts)


# --- decoding ---------------------------------------------------------------------------------


def codec_of(clip: bytes) -> str:
    """ "mjpeg" for the container of this module, else "h264"."""
    return "mjpeg" if clip.startswith(MAGIC) else "h264"


def packets(clip: bytes) -> list[PacketInfo]:
    """The coded frames of a clip, in decode order. Raises what `decode` raises."""
    if codec_of(clip) == "mjpeg":
        fps, jpegs = _unpacked(clip)
        return [PacketInfo(_pts_us(i, fps), True, len(jpeg)) for i, jpeg in enumerate(jpegs)]
    with _opened(clip) as container:
        return [PacketInfo(_us(p.pts * p.time_base), bool(p.is_keyframe), p.size)
                for p in container.demux(video=0) if p.size]


def decode(clip: bytes, lost: Set[int] = frozenset(), keyframes_only: bool = False) -> Iterator[Frame]:
    """The frames of a clip in the order in which they are shown.

    lost: packets (numbers in decode order) that never reach the decoder. keyframes_only: FFmpeg's
    `skip_frame=nokey`: only keyframes are decoded. Raises EngineUnavailable for H.264 without PyAV.
    """
    if codec_of(clip) == "mjpeg":
        fps, jpegs = _unpacked(clip)
        yield from (_jpeg_frame(i, fps, jpeg) for i, jpeg in enumerate(jpegs) if i not in lost)
        return
    with _opened(clip) as container:
        context = container.streams.video[0].codec_context
        context.thread_count = 1  # one thread: no delay, and the same damage in every run
        if keyframes_only:
            context.skip_frame = "NONKEY"
        number = -1
        for packet in container.demux(video=0):
            number += 1
            if packet.size and number in lost:
                continue
            for picture in packet.decode():
                yield _h264_frame(picture)


def decode_on_gpu(clip: bytes) -> list[np.ndarray]:
    """The lumas of an H.264 clip, decoded by the video engine of an NVIDIA GPU and copied to the host.

    Raises EngineUnavailable without PyAV, without such a GPU or its driver, and where it can't decode the clip.
    """
    av = _av()
    try:
        device = av.codec.hwaccel.HWAccel(device_type="cuda", allow_software_fallback=False)
        with av.open(io.BytesIO(clip), hwaccel=device) as container:
            return [_h264_frame(picture).array for picture in container.decode(video=0)]
    except (av.error.FFmpegError, OSError, RuntimeError, ValueError) as error:
        raise EngineUnavailable("the GPU's decoder is not available: it needs an NVIDIA GPU and its driver") from error


def _opened(clip: bytes) -> Any:
    return _av().open(io.BytesIO(clip))


def _h264_frame(picture: Any) -> Frame:
    luma = picture.to_ndarray()[: picture.height]  # (height, width), then the chroma planes
    kind = FRAME_TYPES.get(int(picture.pict_type), "?")
    return Frame(_us(picture.pts * picture.time_base), bool(picture.key_frame), kind, luma)


def _jpeg_frame(i: int, fps: int, jpeg: bytes) -> Frame:
    from PIL import Image

    with Image.open(io.BytesIO(jpeg)) as image:
        return Frame(_pts_us(i, fps), True, "I", np.asarray(image))


def _unpacked(clip: bytes) -> tuple[int, list[bytes]]:
    """Frames per second and the JPEGs of the small container."""
    at = len(MAGIC) + 4
    (length,) = struct.unpack_from("<I", clip, len(MAGIC))
    head = json.loads(clip[at : at + length])
    at += length
    jpegs = []
    for _ in range(head["frames"]):
        (length,) = struct.unpack_from("<I", clip, at)
        jpegs.append(clip[at + 4 : at + 4 + length])
        at += 4 + length
    return head["fps"], jpegs


def _us(seconds: Fraction) -> int:
    return round(seconds * 1_000_000)


def _pts_us(i: int, fps: int) -> int:
    return _us(Fraction(i, fps))


# --- loss -------------------------------------------------------------------------------------


def decode_with_loss(clip: bytes, lost: Set[int]) -> list[FrameFate]:
    """What happens to each frame, in the order of showing, when the packets `lost` (decode order) never arrive.

    A frame is damaged when any pixel differs from the clean decode: the standard defines decoding bit for bit, and the
    decoder runs on one thread.
    """
    broken = {frame.pts_us: frame.array for frame in decode(clip, lost)}
    fates = []
    for frame in decode(clip):
        got = broken.get(frame.pts_us)
        if got is None:
            fates.append(FrameFate(frame.pts_us, "missing", float("nan")))
            continue
        error = float(np.abs(frame.array.astype(np.int64) - got).mean())
        fates.append(FrameFate(frame.pts_us, "damaged" if error > 0 else "ok", error))
    return fates


def frame_types(clip: bytes) -> str:
    """The types of the frames in decode order, for example "IPBBP"."""
    kinds = {frame.pts_us: frame.pict_type for frame in decode(clip)}
    return "".join(kinds[packet.pts_us] for packet in packets(clip))


def predicted_good(clip: bytes, lost: Set[int]) -> list[bool]:
    """Which frames the references say stay good after a loss, in the order of showing."""
    good = decodable(gop_refs(frame_types(clip)), set(lost))
    order = sorted(range(len(good)), key=[packet.pts_us for packet in packets(clip)].__getitem__)
    return [good[i] for i in order]
