"""What a shape and a set of named shapes are, for the exercises on trtexec's shape flags."""

from __future__ import annotations

Shape = tuple[int, ...]
Shapes = dict[str, Shape]
