"""Exercises of chapter 31: trtexec."""

from .fill_profile import fill_profile
from .lint_trtexec import lint_trtexec
from .migrate_trtexec import migrate_trtexec
from .shape_spec import shape_spec
from .summarize_trace import summarize_trace

EXERCISES = [shape_spec, fill_profile, lint_trtexec, summarize_trace, migrate_trtexec]
