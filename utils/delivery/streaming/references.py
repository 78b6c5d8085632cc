"""Which frames of a coded video survive a loss: frames copy from frames, so damage travels along the references."""

from __future__ import annotations


def decodable(refs: list[tuple[int, ...]], lost: set[int]) -> list[bool]:
    """Whether each frame can be decoded without damage: it arrived, and all frames that it copies from are good.

    refs[i] holds the frames that frame i copies from; frames are numbered in decode order.
    Raises ValueError for a reference that is not earlier than its frame.

    >>> decodable([(), (0,), (1,), (2,), (), (4,)], {1})
    [True, False, False, False, True, True]
    """
    good: list[bool] = []
    for i, needs in enumerate(refs):
        if any(not 0 <= r < i for r in needs):
            raise ValueError(f"refs must name earlier frames, got {needs} for frame {i}")
        good.append(i not in lost and all(good[r] for r in needs))
    return good


def gop_refs(types: str) -> list[tuple[int, ...]]:
    """References of frames of the types I, P and B, in decode order, with one reference in each direction.

    An I frame has none. A P frame copies from the last I or P frame. A B frame copies from the last two of them (one
    lies before it in time, the other behind), and nothing copies from a B frame. Real encoders may use more.
    Raises ValueError for another letter, a P or B frame without a frame to copy from.

    >>> gop_refs("IPBBP")
    [(), (0,), (0, 1), (0, 1), (1,)]
    """
    refs: list[tuple[int, ...]] = []
    anchors: list[int] = []
    for i, kind in enumerate(types):
        if kind not in "IPB":
            raise ValueError(f"types must be made of I, P and B, got {kind!r}")
        if kind != "I" and not anchors:
            raise ValueError(f"types must begin with I, got {types[:4]!r}")
        refs.append(() if kind == "I" else tuple(anchors[-1:] if kind == "P" else anchors[-2:]))
        if kind != "B":
            anchors.append(i)
    return refs


def damage_lengths(types: str) -> list[int]:
    """How many frames are spoiled when each frame alone is lost, itself included."""
    refs = gop_refs(types)
    return [decodable(refs, {i}).count(False) for i in range(len(types))]
