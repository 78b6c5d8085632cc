"""The command line of ortexec: trtexec's options, read by trtexec's rules, on ONNX Runtime."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from utils.engines.ortexec import Run, make_feeds, ortexec
from utils.engines.trtexec.findings import lint
from utils.engines.trtexec.log import format_report
from utils.engines.trtexec.parser import ParsedCommand, parse_command
from utils.engines.trtexec.shapes import leading_float, leading_int, split_argument, split_list, split_name
from utils.graphs.onnx_tools import make_session

RELEASE = "11.1"
# options that have a meaning here: (form of the value, what it is)
USED = {
    "onnx": ("file", "the model"),
    "shapes": ("spec", "shapes of the inputs, name:d0xd1x...,...; a dimension left open is 1"),
    "loadInputs": ("spec", "raw binary files, name:file,...; random values otherwise"),
    "iterations": ("N", "at least N queries a stream after the warm-up (10)"),
    "duration": ("s", "and at least so many seconds (3)"),
    "warmUp": ("ms", "queries before this time do not count (200)"),
    "infStreams": ("N", "streams, each with a thread and a session (1)"),
    "percentile": ("P", "percentiles of the report (90,95,99)"),
    "avgRuns": ("N", "queries averaged in a line of the trace details (10)"),
    "exportTimes": ("file", "write the trace as JSON"),
    "threadsPerStream": ("N", "threads of ONNX Runtime in each session (1); trtexec has no such option"),
    "verbose": ("", "print the trace details"),
    "help": ("", "this text"),
}
# accepted, because they describe what happens here anyway
NEUTRAL = {
    *("minShapes", "optShapes", "maxShapes", "streams", "threads"),
    *("includeDataTransfers", "noCudaGraph", "noSpinWait", "stronglyTyped"),
}


def usage() -> str:
    """The help text."""
    options = {f"--{name}=<{form}>" if form else f"--{name}": text for name, (form, text) in USED.items()}
    width = max(map(len, options))
    head = """usage: python -m utils.engines.ortexec --onnx=<file> [options]
Benchmark an ONNX model on ONNX Runtime's CPU provider; options and report are trtexec's.
"""
    return "\n".join([head, *(f"  {option:<{width}}  {text}" for option, text in options.items())])


def main(argv: Sequence[str] | None = None, out: TextIO | None = None, err: TextIO | None = None) -> int:
    """Run the command line; 0 when the benchmark ran (or help was asked for), 1 with a message otherwise."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    out, err = out or sys.stdout, err or sys.stderr
    if not arguments or "--help" in arguments or "-h" in arguments:
        out.write(usage() + "\n")
        return 0
    try:
        run, parsed = run_command(arguments)
    except (ValueError, OSError, RuntimeError) as error:
        err.write(f"[E] {error}\n&&&& FAILED ortexec # {' '.join(arguments)}\n")
        return 1
    for message in parsed.warnings:
        err.write(f"[W] {message}\n")
    report = run.report() if "verbose" in parsed.options else format_report(run.summary)
    out.write(f"{report}\n&&&& PASSED ortexec # {' '.join(arguments)}\n")
    return 0


def run_command(arguments: Sequence[str]) -> tuple[Run, ParsedCommand]:
    """Parse the arguments as trtexec does and run the benchmark.

    Raises ValueError for options that trtexec or ortexec does not take, FileNotFoundError for missing
    files, and RuntimeError when ONNX Runtime cannot load or run the model.
    """
    own = [arg for arg in arguments if split_argument(arg)[0] == "--threadsPerStream"]
    parsed = _parse([arg for arg in arguments if arg not in own])
    path = Path(parsed.options["onnx"][0]).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"--onnx={path}: no such file")
    inputs = _load_inputs(parsed, path)
    streams = _integer(parsed, "infStreams", _integer(parsed, "streams", 1))
    percentiles = [leading_float(p) for p in split_list(_text(parsed, "percentile"), ",")]
    try:
        run = ortexec(
            path,
            parsed.run_shapes,
            iterations=_integer(parsed, "iterations", 10),
            duration_s=_number(parsed, "duration", 3.0),
            warm_up_ms=_number(parsed, "warmUp", 200.0),
            streams=streams,
            avg_runs=_integer(parsed, "avgRuns", 10),
            percentile=percentiles or (90.0, 95.0, 99.0),
            export_times=_text(parsed, "exportTimes") or None,
            threads_per_stream=leading_int(split_argument(own[-1])[1]) if own else 1,
            inputs=inputs,
        )
    except Exception as error:  # onnxruntime's exceptions share no base class with each other
        if isinstance(error, ValueError | OSError):
            raise
        raise RuntimeError(f"--onnx={path}: {error}") from error
    return run, parsed


def _parse(arguments: Sequence[str]) -> ParsedCommand:
    parsed = parse_command(arguments, RELEASE)
    if not parsed.ok:
        raise ValueError("; ".join(f"{f.flag}: {f.message}" for f in lint(arguments, RELEASE) if f.level == "error"))
    foreign = [name for name in parsed.options if name not in USED and name not in NEUTRAL]
    if foreign:
        raise ValueError(f"--{foreign[0]}: needs TensorRT, ortexec has nothing like it")
    return parsed


def _text(parsed: ParsedCommand, name: str) -> str:
    return parsed.options.get(name, [""])[0]


def _integer(parsed: ParsedCommand, name: str, default: int) -> int:
    return leading_int(_text(parsed, name)) if name in parsed.options else default


def _number(parsed: ParsedCommand, name: str, default: float) -> float:
    return leading_float(_text(parsed, name)) if name in parsed.options else default


def _load_inputs(parsed: ParsedCommand, model: Path) -> dict[str, np.ndarray]:
    """Raw binary inputs, with the dtype of the model and the shape of the command line."""
    items = [split_name(item) for item in split_list(_text(parsed, "loadInputs"), ",")]
    if not items:
        return {}
    templates = make_feeds(make_session(model), parsed.run_shapes)
    loaded = {}
    for name, file in items:
        if name not in templates:
            raise ValueError(f"--loadInputs must name inputs of the model ({', '.join(templates)}), got {name!r}")
        if not Path(file).is_file():
            raise FileNotFoundError(f"--loadInputs={name}:{file}: no such file")
        want = templates[name]
        data = Path(file).read_bytes()
        if len(data) != want.nbytes:
            raise ValueError(f"--loadInputs must hold {want.nbytes} bytes for {name!r}, got {len(data)} in {file}")
        loaded[name] = np.frombuffer(data, want.dtype).reshape(want.shape)
    return loaded
