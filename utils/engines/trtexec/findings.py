"""Explaining a trtexec command line: what fails and why, and what runs but means something else."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from utils.engines.trtexec.flags import FLAGS, PRECISION_FLAGS, RELEASES, known_flags, switches
from utils.engines.trtexec.parser import SHAPE_FLAGS, ParsedCommand, Token, parse_command, tokenize
from utils.engines.trtexec.shapes import leading_int, profile_errors, split_argument

BOOL = switches()

# What to write instead of a flag that a later release no longer knows
REPLACEMENTS = {
    "batch": "the batch is the first number of --shapes",
    "maxBatch": "the largest batch is the first number of --maxShapes",
    "minTiming": "--avgTiming is what is left",
    "weightless": "use --stripWeights",
    **dict.fromkeys(("deploy", "model", "output"), "Caffe models are not read any more: convert to ONNX"),
    **dict.fromkeys(("uff", "uffInput", "uffNHWC"), "UFF models are not read any more: convert to ONNX"),
    **dict.fromkeys(PRECISION_FLAGS, "every network is strongly typed: put the precision into the ONNX model"),
}


@dataclass(frozen=True)
class Finding:
    """One remark: "error" does not run, "warning" means something else than it seems, "info" is worth knowing."""

    level: Literal["error", "warning", "info"]
    flag: str
    message: str


def lint(argv: Sequence[str] | str, release: str) -> list[Finding]:
    """Everything worth saying about a command line for one release, errors first.

    Adds to trtexec's own complaints what trtexec does not check: shapes that the builder will refuse,
    values given to switches, values after a blank, "X" between dimensions, sizes that 8.6 misreads,
    latencies of several streams, defaults that 11 changed. Raises ValueError for an unknown release.

    >>> [f.level for f in lint("--onnx=m --fp16=false", "10.16")]
    ['warning', 'warning']
    """
    parsed, tokens = parse_command(argv, release), tokenize(argv)
    findings = [Finding("error", key, _why_unknown(key, tokens, release)) for key in parsed.unknown]
    if parsed.error:
        flag = re.search(r"--\w+", parsed.error)
        findings.append(Finding("error", flag[0] if flag else "", parsed.error))
    for message in parsed.warnings:
        flag = re.search(r"--\w+", message)
        findings.append(Finding("warning", flag[0] if flag else "", message))
    findings += [finding for token in tokens for finding in _of_token(token, release)]
    findings += [] if parsed.error else _of_shapes(parsed) + _of_measurement(parsed)
    return sorted(findings, key=lambda finding: ("error", "warning", "info").index(finding.level))


def _why_unknown(key: str, tokens: Sequence[Token], release: str) -> str:
    name = key.removeprefix("--")
    if not key.startswith("--"):
        before = next(t for t in tokens if t.key == key).position - 1
        owner = next((t for t in tokens if t.position == before and t.name in FLAGS and not t.value), None)
        hint = f": write {owner.key}={key}" if owner and FLAGS[owner.name].takes_value else ""
        return f"not an option{hint}"
    if name in FLAGS and release in FLAGS[name].releases:
        again = sum(token.name == name for token in tokens) > 1
        return "given twice: one occurrence is taken, the second is left over" if again else "not used here"
    if name in FLAGS:
        others = [r for r in RELEASES if r in FLAGS[name].releases]
        later = RELEASES.index(others[-1]) < RELEASES.index(release)
        advice = REPLACEMENTS.get(name) or next(iter(FLAGS[name].deprecated_in.values()), "")
        return f"exists in {' and '.join(others)}, not in {release}" + (f": {advice}" if later and advice else "")
    close = difflib.get_close_matches(key, sorted(known_flags(release)), n=1)
    return "no such option in any release" + (f": did you mean {close[0]}?" if close else "")


def _of_token(token: Token, release: str) -> list[Finding]:
    flag = FLAGS.get(token.name)
    if flag is None or release not in flag.releases:
        return []
    findings = []
    if not flag.takes_value and token.value:
        findings.append(Finding("warning", token.key, f"a switch: it is on whatever follows, also {token.value!r}"))
    if flag.takes_value and not token.value and token.name != "helpBuildRoute":
        findings.append(Finding("warning", token.key, "its value is empty: write --flag=value, without a blank"))
    if token.name in (*SHAPE_FLAGS, "shapes") and re.search(r"\dX", token.value):
        findings.append(Finding("warning", token.key, '"X" ends a number: dimensions are separated by a small "x"'))
    if release == "8.6" and token.name == "memPoolSize" and re.search(r":[\d.]+[A-Za-z]", token.value):
        findings.append(Finding("warning", token.key, "sizes are MiB here and a letter behind them is ignored"))
    return findings


def _of_shapes(parsed: ParsedCommand) -> list[Finding]:
    findings = [
        Finding("error", "--minShapes/--optShapes/--maxShapes", f"the builder will refuse this: {error}")
        for profile in parsed.profiles
        for error in profile_errors(profile)
    ]
    index = leading_int(parsed.options.get("useProfile", ["0"])[0])
    chosen = parsed.profiles[index] if 0 <= index < len(parsed.profiles) else {}
    for name, shape in parsed.run_shapes.items():
        low, _, high = chosen.get(name, (shape,) * 3)
        inside = len(low) == len(shape) == len(high) and all(a <= b <= c for a, b, c in zip(low, shape, high))
        if not inside:
            message = f"{name!r} is run at {shape}, outside its profile {low} to {high}"
            findings.append(Finding("error", "--shapes", message))
    return findings


def _of_measurement(parsed: ParsedCommand) -> list[Finding]:
    options, findings = parsed.options, []
    if "skipInference" in options or "buildOnly" in options:
        return []
    streams = [name for name in ("infStreams", "streams") if name in options and leading_int(options[name][0]) > 1]
    if streams:
        message = "with several streams only the throughput means something: the latencies overlap"
        findings.append(Finding("warning", f"--{streams[0]}", message))
    overrides = {"includeDataTransfers", "noCudaGraph", "noSpinWait"}
    if parsed.release == "11.1" and options and not overrides & set(options):
        message = "transfers are off, CUDA graphs and spin wait on by default: not comparable with 10.x"
        findings.append(Finding("info", "--includeDataTransfers", message))
    return findings


def lint_trtexec(argv: list[str], known: set[str], deprecated: dict[str, str]) -> list[tuple[str, str]]:
    """(kind, flag) for every argument at fault, in the order of `argv`, one finding an argument.

    Kinds, the first that fits: "not-a-flag" (no "--"), "unknown" (not in `known`), "duplicate" (a known flag
    seen before), "always-true" (a switch with "=value"), "deprecated" (a key of `deprecated`).
    """
    findings: list[tuple[str, str]] = []
    seen: set[str] = set()
    for arg in argv:
        flag, _ = split_argument(arg)
        if not arg.startswith("--"):
            findings.append(("not-a-flag", arg))
        elif flag not in known:
            findings.append(("unknown", flag))
        elif flag in seen:
            findings.append(("duplicate", flag))
        elif flag in BOOL and "=" in arg:
            findings.append(("always-true", flag))
        elif flag in deprecated:
            findings.append(("deprecated", flag))
        seen.add(flag)
    return findings


def command_matrix(
    argv: Sequence[str] | str, releases: Sequence[str] = RELEASES
) -> list[tuple[str, dict[str, tuple[str, str]]]]:
    """Rows (argument, release -> (state, reason)) of the release x flag figure.

    States are "ok", "deprecated", "unknown"; a last row "command" says "runs" or "refused" for the whole.
    """
    tokens = tokenize(argv)
    rows: list[tuple[str, dict[str, tuple[str, str]]]] = [(token.key, {}) for token in tokens]
    verdict: dict[str, tuple[str, str]] = {}
    for release in releases:
        parsed = parse_command(argv, release)
        left = Counter(parsed.unknown)  # of equal arguments the last ones are left over
        for token, (_, cells) in zip(reversed(tokens), reversed(rows)):
            flag = FLAGS.get(token.name)
            exists = flag is not None and release in flag.releases
            if left[token.key] or not exists:
                left[token.key] -= 1
                cells[release] = ("unknown", _why_unknown(token.key, tokens, release))
            elif release in flag.deprecated_in:
                cells[release] = ("deprecated", flag.deprecated_in[release])
            else:
                cells[release] = ("ok", "")
        reason = parsed.error or (f"unknown options: {', '.join(parsed.unknown)}" if parsed.unknown else "")
        verdict[release] = ("runs" if parsed.ok else "refused", reason)
    return [*rows, ("command", verdict)]
