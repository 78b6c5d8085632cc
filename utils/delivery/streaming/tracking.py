"""A tracker by overlap: boxes keep their names over frames, also over those that no detector saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0 where they do not overlap.

    >>> iou((0, 0, 2, 2), (1, 0, 3, 2))
    0.3333333333333333
    """
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (_area(a) + _area(b) - shared)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def match_greedy(prev: Sequence[Box], boxes: Sequence[Box], min_iou: float) -> list[tuple[int, int]]:
    """Pairs (index in prev, index in boxes), the largest overlap first; each box is used once.

    Overlaps below `min_iou` are no match. Among equal overlaps the smaller indices go first.
    """
    scored = sorted((-iou(a, b), i, j) for i, a in enumerate(prev) for j, b in enumerate(boxes))
    pairs: list[tuple[int, int]] = []
    for score, i, j in scored:
        if -score >= max(min_iou, 1e-12) and all(i != p and j != q for p, q in pairs):
            pairs.append((i, j))
    return sorted(pairs)


@dataclass
class Track:
    """An object: its name (a number), its box, and how far it moves in a frame."""

    number: int
    box: Box
    dx: float = 0.0
    dy: float = 0.0
    missed: int = 0


class IouTracker:
    """Follows the objects of one camera. `update` takes what a detector saw, `skip` moves on where none ran."""

    def __init__(self, min_iou: float = 0.2, patience: int = 3) -> None:
        self.min_iou, self.patience = min_iou, patience
        self.tracks: list[Track] = []
        self._next = 0
        self._frames = 1  # since the last update

    def update(self, boxes: Sequence[Box]) -> list[Track]:
        """Match, correct speed and place, begin new tracks, and forget those that were missed too often."""
        pairs = match_greedy([t.box for t in self.tracks], boxes, self.min_iou)
        for i, j in pairs:
            self._correct(self.tracks[i], boxes[j])
        seen = {i for i, _ in pairs}
        for i, track in enumerate(self.tracks):
            track.missed = 0 if i in seen else track.missed + 1
        self.tracks = [t for t in self.tracks if t.missed <= self.patience]
        for j in sorted(set(range(len(boxes))) - {j for _, j in pairs}):
            self.tracks.append(Track(self._next, boxes[j]))
            self._next += 1
        self._frames = 1
        return self.tracks

    def skip(self) -> list[Track]:
        """One frame later without a detector: every object moves on at its speed."""
        for track in self.tracks:
            track.box = _moved(track.box, track.dx, track.dy)
        self._frames += 1
        return self.tracks

    def _correct(self, track: Track, box: Box) -> None:
        # The predicted box already has moved (frames - 1) times, so what is left is an error of the speed.
        moved = self._frames - 1
        track.dx = (box[0] - track.box[0] + track.dx * moved) / self._frames
        track.dy = (box[1] - track.box[1] + track.dy * moved) / self._frames
        track.box = box


def _moved(box: Box, dx: float, dy: float) -> Box:
    return box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy
