"""Exercises of chapter 18: a camera chip's budget."""

from .buffers_needed import buffers_needed
from .chain_gb_s import chain_gb_s
from .frame_bytes import frame_bytes
from .max_streams import max_streams
from .pipeline_finish import pipeline_finish

EXERCISES = [frame_bytes, chain_gb_s, max_streams, pipeline_finish, buffers_needed]
