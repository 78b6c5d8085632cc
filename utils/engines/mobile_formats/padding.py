"""SAME padding, and where the windows of a convolution land."""

from __future__ import annotations

from collections.abc import Sequence


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Padding (before, after) of TensorFlow's and TFLite's SAME along one axis, in pixels.

    The output has ceil(size / stride) positions; the padding is what its last window lacks, and never negative.
    Half of it, rounded down, goes before: an odd pixel goes after (ONNX calls this SAME_UPPER).
    Raises ValueError for arguments that are not positive. Source: TensorFlow's documentation, tf.nn, "Padding".

    >>> same_padding(28, 3, 2), same_padding(224, 7, 2)
    ((0, 1), (2, 3))
    """
    for name, value in (("size", size), ("kernel", kernel), ("stride", stride), ("dilation", dilation)):
        if value < 1:
            raise ValueError(f"{name} must be positive, got {value}")
    positions = -(-size // stride)
    window = (kernel - 1) * dilation + 1
    total = max((positions - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


same_pads = same_padding


def window_positions(size: int, kernel: int, stride: int, pads: Sequence[int]) -> list[tuple[int, int]]:
    """(first, last) pixel of each window along one axis, both inclusive; pixels outside [0, size) are padding.

    `pads` are the pixels (before, after). A window that does not fit any more is left out.
    Raises ValueError for a size, kernel or stride that is not positive, and for negative padding.
    """
    if min(size, kernel, stride) < 1:
        raise ValueError(f"size, kernel and stride must be positive, got {size}, {kernel}, {stride}")
    before, after = pads
    if min(before, after) < 0:
        raise ValueError(f"pads must not be negative, got {tuple(pads)}")
    starts = range(-before, size + after - kernel + 1, stride)
    return [(start, start + kernel - 1) for start in starts]
