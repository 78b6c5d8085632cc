"""Exercise 18.frame_bytes: a frame's size in memory, its rows rounded up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.hardware import soc

from ...exercise import Case, Exercise, Misconception


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _frame(*, nv12: Callable[[int, int, int], float] = lambda w, h, a: _up(w, a) * h * 3 // 2,
           rgb: Callable[[int, int, int], float] = lambda w, h, a: _up(3 * w, a) * h,
           raw: Callable[[int, int, int], float] = lambda w, h, a: _up(-(-10 * w // 8), a) * h, check: bool = True) -> Callable:
    """An answer from a rule for each format; right by default."""

    def answer(w: int, h: int, fmt: str, stride_align: int = 1) -> int:
        if check and (fmt not in ("nv12", "rgb24", "raw10") or (fmt == "nv12" and (w % 2 or h % 2))):
            raise ValueError("an unknown fmt, or sizes that are not even")
        return {"nv12": nv12, "rgb24": rgb}.get(fmt, raw)(w, h, stride_align)

    return answer


def _both(**rules: Callable) -> dict:
    return {"answer": _frame(**rules), "also": (_frame(**rules, check=False),)}


def _by_arrays(w: int, h: int, fmt: str, stride_align: int = 1) -> int:
    if fmt == "nv12" and (w % 2 or h % 2):
        raise ValueError("width and height of nv12 must be even")
    row = {"nv12": w, "rgb24": 3 * w, "raw10": (10 * w + 7) // 8}.get(fmt)
    if row is None:
        raise ValueError("unknown fmt")
    rows = h + (h // 2 if fmt == "nv12" else 0)
    return np.zeros(rows * ((row + stride_align - 1) // stride_align) * stride_align, np.uint8).nbytes


def _by_loops(w: int, h: int, fmt: str, stride_align: int = 1) -> int:
    bits = {"nv12": 8, "rgb24": 24, "raw10": 10}
    if fmt not in bits:
        raise ValueError("unknown fmt")
    stride = 0
    while 8 * stride < bits[fmt] * w:
        stride += stride_align
    if fmt != "nv12":
        return stride * h
    if w & 1 or h & 1:
        raise ValueError("width and height of nv12 must be even")
    return stride * h + stride * (h // 2)


def _draw(rng: np.random.Generator) -> Case:
    fmt = str(rng.choice(["nv12", "rgb24", "raw10"]))
    w, h = int(rng.integers(1, 1000)), int(rng.integers(1, 800))
    return Case(2 * w if fmt == "nv12" else w, 2 * h if fmt == "nv12" else h, fmt, int(rng.choice([1, 1, 2, 16, 64, 96, 256])))


frame_bytes = Exercise(
    id="18.frame_bytes", points=3, difficulty=1, minutes=10, idea="a row is what engines align",
    reference=soc.frame_bytes,
    cases=[Case(1920, 1080, "nv12"), Case(1366, 768, "nv12", 64), Case(1920, 1080, "raw10")],
    hidden=[
        Case(1, 1, "raw10"), Case(3, 2, "raw10"), Case(4, 1, "raw10"), Case(5, 4, "raw10", 4), Case(2, 2, "nv12"), Case(2, 2, "nv12", 64), Case(2, 6, "nv12", 4),
        Case(1, 1, "rgb24"), Case(5, 3, "rgb24", 4), Case(1366, 768, "rgb24", 64), Case(640, 640, "rgb24"), Case(33, 5, "rgb24", 32), Case(1366, 767, "raw10", 64),
        Case(1920, 1080, "rgb24", 256), Case(100, 100, "nv12", 96),
    ],
    draw=_draw, draws=40,
    raises=[Case(3, 2, "nv12", word="even"), Case(2, 3, "nv12", word="even"), Case(1, 1, "nv12", 64, word="even"), Case(640, 480, "yuyv"), Case(640, 480, "NV12"), Case(2, 2, "")],
    misconceptions=[
        Misconception(
            "three_bytes", **_both(nv12=lambda w, h, a: _up(w, a) * h * 3),
            message="You count three bytes a pixel for nv12. It stores a byte of Y for each pixel, but one pair of U and V for each square of four: count what a pixel needs on average.",
            title="NV12 is smaller than RGB."),
        Misconception(
            "luma_only", **_both(nv12=lambda w, h, a: _up(w, a) * h),
            message="You count the plane of Y alone. Behind it lies the plane of U and V, with half as many rows.",
            title="The colours are missing."),
        Misconception(
            "quarter", **_both(nv12=lambda w, h, a: _up(w, a) * h * 5 // 4),
            message="You count the second plane as a quarter of the first. A quarter is what U needs, and V needs another one.",
            title="U and V are two values."),
        Misconception(
            "align_total",
            **_both(nv12=lambda w, h, a: _up(w * h * 3 // 2, a), rgb=lambda w, h, a: _up(3 * w * h, a), raw=lambda w, h, a: _up(-(-10 * w // 8) * h, a)),
            message="You round the size of the whole frame up. An engine jumps from row to row by the stride: it is each row's bytes that are rounded.",
            title="Rows are aligned, not frames."),
        Misconception(
            "align_area",
            **_both(nv12=lambda w, h, a: _up(w * h, a) * 3 // 2, rgb=lambda w, h, a: _up(w * h, a) * 3, raw=lambda w, h, a: -(-_up(w * h, a) * 10 // 8)),
            message="You round width times height up. The stride belongs to one row: round that row's bytes, then multiply by the rows.",
            title="Rows are aligned, not areas."),
        Misconception(
            "two_bytes", **_both(raw=lambda w, h, a: _up(2 * w, a) * h),
            message="You give each 10-bit sample 16 bits. Packed samples share bytes: four of them fit into five.",
            title="Packed is not padded to 16 bits."),
        Misconception(
            "align_pixels", **_both(rgb=lambda w, h, a: 3 * _up(w, a) * h),
            message="You round the pixels of an RGB row. The stride is counted in bytes: multiply by 3 first, then round.",
            title="The stride is in bytes."),
        Misconception(
            "raw_floor", **_both(raw=lambda w, h, a: _up(10 * w // 8, a) * h),
            message="Your raw rows are cut: when the bits do not fill the last byte, the row still needs that byte.",
            title="The last byte of a raw row is lost."),
        Misconception(
            "raw_whole", _frame(raw=lambda w, h, a: _up(-(-10 * w * h // 8), a)),
            message="You pack the whole raw frame without a break. Every row begins at a new byte.",
            title="A raw row begins at a byte.",
            also=(_frame(raw=lambda w, h, a: -(-10 * w * h // 8)), _frame(raw=lambda w, h, a: -(-10 * w * h // 8), check=False))),
        Misconception(
            "luma_stride", **_both(nv12=lambda w, h, a: _up(w, a) * h + w * h // 2),
            message="Only your first plane has aligned rows. A row of U and V in turns is as wide as a row of Y, and gets the same stride.",
            title="Both planes have the stride."),
        Misconception(
            "no_stride",
            **_both(nv12=lambda w, h, a: w * h * 3 // 2, rgb=lambda w, h, a: 3 * w * h, raw=lambda w, h, a: -(-10 * w // 8) * h),
            message="`stride_align` has no effect in your answer. Round the bytes of a row up to a multiple of it.",
            title="The stride is not aligned."),
        Misconception(
            "one_more",
            **_both(nv12=lambda w, h, a: (w // a + 1) * a * h * 3 // 2, rgb=lambda w, h, a: (3 * w // a + 1) * a * h,
                    raw=lambda w, h, a: (-(-10 * w // 8) // a + 1) * a * h),
            message="A row that is a multiple already grows in your answer. It should stay as it is.",
            title="Multiples need no rounding."),
    ],
    alternatives=[_by_arrays, _by_loops],
    hints=(
        "Begin with the bytes of one row without rounding: w for nv12, 3 w for rgb24, and 10 bits a sample for raw10.",
        "`-(-a // b) * b` is a rounded up to a multiple of b, in whole numbers.",
        "NV12 has h rows of Y and h / 2 rows of U and V in turns, all of the same stride.",
    ),
    worth_knowing="Decoders often round the height too, to 16 rows: a 1080p buffer then has 1,088 rows of Y.",
)
