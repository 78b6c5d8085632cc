"""Exercises of chapter 17: edge AI platforms, made comparable."""

from .dense_equiv import dense_equiv
from .fps_on import fps_on
from .lpddr_gb_s import lpddr_gb_s
from .shortlist import shortlist

EXERCISES = [dense_equiv, lpddr_gb_s, fps_on, shortlist]
