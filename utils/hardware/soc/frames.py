"""Bytes of a video frame. A row may be longer than its pixels: engines ask for a stride that is a round number."""

from __future__ import annotations

from utils.cost.checks import positive

FORMATS = ("nv12", "rgb24", "raw10")


def nv12_bytes(width: int, height: int, stride_align: int = 1, height_align: int = 1) -> int:
    """Bytes of an NV12 frame: a plane of Y, then one of U and V in turns with half the rows and the same stride.

    `stride_align` rounds the bytes of a row up to a multiple, `height_align` the rows of Y (some decoders write
    whole blocks of 16). Raises ValueError "even" for odd sizes (4:2:0 shares one U and V among 2 x 2 pixels).

    >>> nv12_bytes(1920, 1080), nv12_bytes(1366, 768, 64), nv12_bytes(1920, 1080, height_align=16)
    (3110400, 1622016, 3133440)
    """
    positive(width=width, height=height, stride_align=stride_align, height_align=height_align)
    if width % 2 or height % 2:
        raise ValueError(f"width and height must be even for NV12, got {width} x {height}")
    rows = _up(height, height_align)
    return _up(width, stride_align) * (rows + (rows + 1) // 2)


def rgb_bytes(width: int, height: int, stride_align: int = 1) -> int:
    """Bytes of a packed RGB frame, 3 bytes a pixel; the stride is rounded up in bytes.

    >>> rgb_bytes(640, 640), rgb_bytes(1366, 768, 64)
    (1228800, 3194880)
    """
    positive(width=width, height=height, stride_align=stride_align)
    return _up(3 * width, stride_align) * height


def raw10_bytes(width: int, height: int, stride_align: int = 1) -> int:
    """Bytes of a sensor's frame with packed 10-bit samples (MIPI RAW10: 4 pixels in 5 bytes).

    >>> raw10_bytes(1920, 1080), raw10_bytes(1, 1)
    (2592000, 2)
    """
    positive(width=width, height=height, stride_align=stride_align)
    return _up(-(-10 * width // 8), stride_align) * height


def frame_bytes(w: int, h: int, fmt: str, stride_align: int = 1) -> int:
    """Bytes of a frame of w x h pixels in "nv12", "rgb24" or "raw10", each row rounded up to `stride_align` bytes.

    Raises ValueError for another format, for sizes below 1, and "even" for odd sizes of nv12.
    """
    kinds = {"nv12": nv12_bytes, "rgb24": rgb_bytes, "raw10": raw10_bytes}
    if fmt not in kinds:
        raise ValueError(f"fmt must be one of {', '.join(FORMATS)}, got {fmt!r}")
    return kinds[fmt](w, h, stride_align)


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
