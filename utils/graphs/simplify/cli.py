"""The command line: read a model, simplify it, prove the result, write it whole or not at all."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TextIO

import onnx
from onnx import ModelProto

from utils.graphs.onnx_export import write_atomically
from utils.graphs.simplify.folding import fold_constants
from utils.graphs.simplify.rewriting import Pass
from utils.graphs.simplify.schedule import PASSES, SimplifyReport, simplify
from utils.graphs.simplify.verification import VerifyReport, verify

DONE, FINDING, BAD_ARGUMENTS = 0, 1, 2
ON_REQUEST = "dynamic_reshape"


def parser() -> argparse.ArgumentParser:
    """The options."""
    p = argparse.ArgumentParser(
        prog="python -m utils.graphs.simplify",
        description="Simplify an ONNX model and check that it still computes the same.",
        epilog="Exit status: 0 written, 1 a finding (the result differs, grew too much or did not settle; nothing is "
        "written unless --force), 2 bad arguments or an unreadable file.",
    )
    p.add_argument("model", type=Path, help="the .onnx file to read")
    p.add_argument("output", type=Path, nargs="?", help="where to write; without it only the report is printed")
    p.add_argument("--input-shape", metavar="NAME:D0,D1,…", action="append", default=[], type=_named_shape,
                   help="fix the dimensions of an input in the written model; may be repeated")
    p.add_argument("--skip", metavar="PASS", action="append", default=[], choices=list(PASSES),
                   help=f"leave a pass out: {', '.join(PASSES)}; may be repeated")
    p.add_argument("--dynamic-reshape", action="store_true",
                   help="also replace computed Reshape targets by constants with 0 and -1 where that is the same")
    p.add_argument("--max-tensor-bytes", type=_natural, default=1 << 20, metavar="N",
                   help="do not fold into constants larger than this (1048576)")
    p.add_argument("--max-growth", type=_positive, metavar="F",
                   help="refuse a result of more than F times the bytes of the input file's model")
    p.add_argument("--max-rounds", type=_natural, default=15, metavar="N", help="rounds of all passes at most (15)")
    p.add_argument("--check", type=_natural, default=3, metavar="N",
                   help="compare on N random inputs for each batch size (3), the runtime's optimisations off; 0: not")
    p.add_argument("--check-shape", metavar="NAME:D0,D1,…", action="append", default=[], type=_named_shape,
                   help="dimensions of an input for the comparison only")
    p.add_argument("--check-range", metavar="NAME:LOW,HIGH", action="append", default=[], type=_named_range,
                   help="values of an input for the comparison, for example ids:0,999")
    p.add_argument("--seed", type=int, default=0, help="seed of the random inputs (0)")
    p.add_argument("--force", action="store_true", help="write in spite of a finding")
    p.add_argument("--json", action="store_true", help="print the report as JSON")
    return p


def main(argv: Sequence[str] | None = None, out: TextIO | None = None, err: TextIO | None = None) -> int:
    """Run the command line; the exit status."""
    out, err = out or sys.stdout, err or sys.stderr
    arguments = parser().parse_args(argv)
    try:
        model = _load(arguments.model)
        report = simplify(model, _passes(arguments), dict(arguments.input_shape) or None, arguments.max_rounds)
        checked = _check(arguments, model, report)
        findings = _findings(arguments, report, checked)
        written = arguments.output is not None and (not findings or arguments.force)
        if written:
            write_atomically(arguments.output, _serialized(report.model))
    except (ValueError, OSError, RuntimeError) as error:
        err.write(f"error: {error}\n")
        return BAD_ARGUMENTS
    out.write(_told(arguments, model, report, checked, findings, written))
    for finding in findings:
        err.write(f"finding: {finding}\n")
    if findings and not written and arguments.output is not None:
        err.write(f"{arguments.output} was not written; --force writes it all the same\n")
    return FINDING if findings else DONE


def _load(path: Path) -> ModelProto:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        return onnx.load(str(path))
    except OSError:
        raise
    except Exception as error:  # protobuf's and onnx's own, which share no base class
        raise ValueError(f"{path} must be an ONNX model, got: {str(error).strip() or type(error).__name__}") from error


def _passes(arguments: argparse.Namespace) -> tuple[Pass, ...]:
    chosen = dict(PASSES)
    chosen["fold"] = partial(fold_constants, max_tensor_bytes=arguments.max_tensor_bytes)
    left_out = {*arguments.skip, *(() if arguments.dynamic_reshape else (ON_REQUEST,))}
    return tuple(apply for name, apply in chosen.items() if name not in left_out)


def _check(arguments: argparse.Namespace, model: ModelProto, report: SimplifyReport) -> VerifyReport | None:
    if not arguments.check:
        return None
    return verify(model, report.model, arguments.check, arguments.seed, ranges=dict(arguments.check_range),
                  shapes=dict(arguments.check_shape))


def _findings(arguments: argparse.Namespace, report: SimplifyReport, checked: VerifyReport | None) -> list[str]:
    found = []
    if checked is not None and not checked.ok:
        found.append(f"the simplified model computes something else: {checked.reason}")
    if not report.converged:
        found.append(f"the passes did not settle in {arguments.max_rounds} rounds: raise --max-rounds or --skip one")
    if arguments.max_growth is not None and report.bytes_after > arguments.max_growth * report.bytes_before:
        found.append(f"the model has {report.bytes_after / report.bytes_before:.2f} times the bytes it had, "
                     f"more than --max-growth {arguments.max_growth:g}")
    return found


def _serialized(model: ModelProto) -> bytes:
    try:
        return model.SerializeToString()
    except Exception as error:  # protobuf's EncodeError
        raise ValueError("the result must fit one file of 2 GiB, got more: lower --max-tensor-bytes") from error


# -- telling -----------------------------------------------------------------------------------------


def _told(arguments: argparse.Namespace, model: ModelProto, report: SimplifyReport, checked: VerifyReport | None,
          findings: list[str], written: bool) -> str:
    if arguments.json:
        told = report.as_dict() | {"check": checked.as_dict() if checked else None, "findings": findings,
                                   "written": str(arguments.output) if written else None}
        return json.dumps(told, indent=2) + "\n"
    lines = [*_table(model, report), "", *(f"note: {note}" for note in report.notes), _told_check(checked)]
    if written:
        lines.append(f"wrote {arguments.output}")
    return "\n".join(lines) + "\n"


def _table(model: ModelProto, report: SimplifyReport) -> list[str]:
    before, after = (Counter(node.op_type for node in m.graph.node) for m in (model, report.model))
    rows = [(op, f"{before[op]:,}", f"{after[op]:,}") for op in sorted(before | after)]
    rows += [("nodes", f"{report.nodes_before:,}", f"{report.nodes_after:,}"),
             ("bytes", f"{report.bytes_before:,}", f"{report.bytes_after:,}")]
    rows.insert(0, ("", "before", "after"))
    wide = [max(len(row[i]) for row in rows) for i in range(3)]
    return [f"{a:<{wide[0]}}  {b:>{wide[1]}}  {c:>{wide[2]}}" for a, b, c in rows]


def _told_check(checked: VerifyReport | None) -> str:
    if checked is None:
        return "check: none was made (--check 0)"
    if not checked.ok:
        return f"check: failed, {checked.reason}"
    return f"check: equal on {checked.runs} random inputs, largest difference {checked.max_abs:.2g}"


# -- reading arguments -------------------------------------------------------------------------------


def _named(text: str) -> tuple[str, list[str]]:
    name, colon, values = text.rpartition(":")
    if not colon or not name or not values:
        raise argparse.ArgumentTypeError(f"{text!r} must have the form NAME:NUMBER,NUMBER,…")
    return name, values.split(",")


def _named_shape(text: str) -> tuple[str, list[int]]:
    name, values = _named(text)
    return name, [_natural(value) for value in values]


def _named_range(text: str) -> tuple[str, tuple[float, float]]:
    name, values = _named(text)
    try:
        low, high = map(float, values)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} must have the form NAME:LOW,HIGH") from None
    if not low <= high:
        raise argparse.ArgumentTypeError(f"{text!r} must have LOW no larger than HIGH")
    return name, (low, high)


def _natural(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number of 0 or more")
    return int(text)


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text!r} must be a number above 0")
    return number
