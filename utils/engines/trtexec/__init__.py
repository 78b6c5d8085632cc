"""trtexec without a GPU: its options, its parser, its report, in one place.

| module | what it holds |
|---|---|
| flags | the option table of releases 8.6, 10.16 and 11.1 |
| shapes, values | how values are read: shapes, profiles, sizes, words |
| parser, rules | what a release makes of a command line |
| findings, migration | what is wrong with it, and how to carry it to a newer release |
| report, log | summaries of traces; their text, and real logs |
| timeline | a model of the loop |
"""

from utils.engines.trtexec.findings import BOOL, Finding, command_matrix, lint, lint_trtexec
from utils.engines.trtexec.flags import (
    AS_OF,
    FLAGS,
    RELEASES,
    SOURCE,
    FlagInfo,
    deprecated_flags,
    known_flags,
    switches,
)
from utils.engines.trtexec.log import format_averages, format_report, parse_log
from utils.engines.trtexec.migration import Migration, migrate, migrate_trtexec
from utils.engines.trtexec.parser import ParsedCommand, parse_command
from utils.engines.trtexec.report import (
    PerformanceSummary,
    Timing,
    summarize,
    summarize_trace,
    trace_json,
    trtexec_percentile_index,
)
from utils.engines.trtexec.shapes import complete_profile, fill_profile, parse_shape_spec, shape_spec, split_argument
from utils.engines.trtexec.timeline import simulate_timeline

__all__ = [
    "AS_OF",
    "BOOL",
    "FLAGS",
    "RELEASES",
    "SOURCE",
    "Finding",
    "FlagInfo",
    "Migration",
    "ParsedCommand",
    "PerformanceSummary",
    "Timing",
    "command_matrix",
    "complete_profile",
    "deprecated_flags",
    "fill_profile",
    "format_averages",
    "format_report",
    "known_flags",
    "lint",
    "lint_trtexec",
    "migrate",
    "migrate_trtexec",
    "parse_command",
    "parse_log",
    "parse_shape_spec",
    "shape_spec",
    "simulate_timeline",
    "split_argument",
    "summarize",
    "summarize_trace",
    "switches",
    "trace_json",
    "trtexec_percentile_index",
]
