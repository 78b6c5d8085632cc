"""Exercise 31.lint_trtexec: what is wrong with a trtexec command line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from utils.engines import trtexec
from utils.widgets.ch31_trtexec import SOURCE_COMMANDS

from ...compare import brief
from ...exercise import Case, Exercise, Misconception


def _lint(argv: list[str], known: set[str], deprecated: dict[str, str], *, merge: bool = False,
          flag_of: Callable[[str], str] = lambda t: t.partition("=")[0], prefix: bool = False,
          unknown_twice: str = "", deprecated_first: bool = False, all_of_them: bool = False,
          stray: str = "not-a-flag", stray_cut: bool = False, plain_switch: bool = False,
          any_value: bool = False, most: int = 1) -> list[tuple[str, str]]:
    """A parametrised linter; with its defaults it is right (an independent formulation)."""
    found: list[tuple[str, str]] = []
    count = Counter(flag_of(token) for token in argv)
    seen: set[str] = set()
    for token in {flag_of(t): t for t in argv}.values() if merge else argv:
        flag = flag_of(token)
        exists = flag in known or (prefix and any(k.startswith(flag) for k in known))
        checks = [
            ("unknown", not exists),
            ("duplicate", flag in seen or (all_of_them and count[flag] > 1)),
            ("always-true", (flag in trtexec.BOOL or any_value) and "=" in token and not plain_switch),
            ("deprecated", flag in deprecated),
        ]
        if deprecated_first:
            checks.insert(2, checks.pop())
        if unknown_twice == "instead" and flag in seen:
            checks[0] = ("unknown", False)
        if not token.startswith("--"):
            found.append((stray, flag if stray_cut else token))
            if most == 1:
                continue
        found += [(kind, flag) for kind, holds in checks if holds][:most]
        if unknown_twice == "both" and not exists and flag in seen:
            found.append(("duplicate", flag))
        seen.add(flag)
    return found


def _last_equals(token: str) -> str:
    return token.rpartition("=")[0] or token


def _unpacked(token: str) -> str:
    flag, _ = token.split("=") if "=" in token else (token, "")
    return flag


def _strictly_unpacked(token: str) -> str:
    flag, _ = token.split("=")
    return flag


def _lint_with_counter(argv: list[str], known: set[str], deprecated: dict[str, str]) -> list[tuple[str, str]]:
    """Counts what has come before, and decides with a chain of conditions."""
    before: Counter = Counter()
    out = []
    for token in argv:
        flag, has_value = token.split("=", 1)[0], "=" in token
        kind = ("not-a-flag" if token[:2] != "--" else "unknown" if flag not in known
                else "duplicate" if before[flag] else "always-true" if has_value and flag in trtexec.BOOL
                else "deprecated" if flag in deprecated else None)
        before[flag] += 1
        if kind:
            out.append((kind, token if kind == "not-a-flag" else flag))
    return out


def _lint_by_index(argv: list[str], known: set[str], deprecated: dict[str, str]) -> list[tuple[str, str]]:
    flags = [re.match(r"[^=]*", token)[0] for token in argv]
    rules: Sequence[tuple[str, Callable[[int], bool]]] = (
        ("not-a-flag", lambda i: not flags[i].startswith("--")),
        ("unknown", lambda i: flags[i] not in known),
        ("duplicate", lambda i: flags.index(flags[i]) < i),
        ("always-true", lambda i: flags[i] in trtexec.BOOL and len(argv[i]) > len(flags[i])),
        ("deprecated", lambda i: flags[i] in deprecated),
    )
    kinds = [next((kind for kind, rule in rules if rule(i)), "") for i in range(len(argv))]
    return [(kind, argv[i] if kind == "not-a-flag" else flags[i]) for i, kind in enumerate(kinds) if kind]


def _ask_lint(command: str | list[str], known: str | set[str], deprecated: dict[str, str] | None = None,
              label: str = "") -> Case:
    argv = command.split() if isinstance(command, str) else command
    names = sorted(known.split() if isinstance(known, str) else known)
    shown = f"{' '.join(argv)}   known: {' '.join(names)}"
    if deprecated:
        shown += f"   deprecated: {' '.join(deprecated)}"
    return Case(argv=list(argv), known=names, deprecated=deprecated or {}, label=label or shown)


def _show_findings(value: Any) -> str:
    return ", ".join(f"{kind} {flag}" for kind, flag in value) if value else brief(value)


_OLD = {"--streams": "use --infStreams", "--explicitBatch": "it has no effect", "--heuristic": "use a level"}
_POOL = ("--onnx", "--best", "--fp16", "--streams", "--infStreams", "--explicitBatch", "--saveEngine", "--shapes",
         "--verbose", "--skipInference", "--tuneBuildRoutes", "--heuristic", "--useDLACore")
_TOKENS = (*_POOL, *(f"{flag}=v" for flag in _POOL), "--onnx=a=b", "--stream=2", "--best=true", "--fp16=false", "m.onnx",
           "-onnx=m", "--nosuch", "--nosuch=1", "--shapes=x:1x3", "--tuneBuildRoutes=a=b,c=d", "=", "--", "16")


def _draw_lint(rng: np.random.Generator) -> Case:
    known = [flag for flag in _POOL if rng.random() < 0.75]
    deprecated = {flag: _OLD.get(flag, "old") for flag in known if rng.random() < 0.3}
    argv = [str(t) for t in rng.choice(_TOKENS, int(rng.integers(0, 9)))]
    return _ask_lint(argv, set(known), deprecated)


lint_trtexec = Exercise(
    id="31.lint_trtexec", points=4, difficulty=2, minutes=20, idea="a second occurrence is left over",
    reference=trtexec.lint_trtexec, probe="ch31_trtexec.lint",
    cases=[
        _ask_lint("--onnx=m --best --workspace=1 --best", "--onnx --best"),
        _ask_lint("--onnx m.onnx", "--onnx"),
        _ask_lint("--onnx=m --fp16=false", "--onnx --fp16"),
        _ask_lint("--onnx=m --streams=2", "--onnx --streams", {"--streams": "use --infStreams"}),
    ],
    hidden=[
        _ask_lint("--onnx=dir/run=3/m.onnx --shapes=x:1x3", "--onnx --shapes"),
        _ask_lint("--loadEngine=e --tuneBuildRoutes=a=b,c=d", "--loadEngine --tuneBuildRoutes"),
        _ask_lint("--onnx=m --stream=2", "--onnx --streams --infStreams"),
        _ask_lint("--workspace=1 --workspace=2 --workspace", "--onnx"),
        _ask_lint("--onnx=m --explicitBatch=true", "--onnx --explicitBatch", {"--explicitBatch": "no effect"}),
        _ask_lint("--streams=2 --streams=3 --streams", "--onnx --streams", {"--streams": "use --infStreams"}),
        _ask_lint("--best --best=1 --best", "--best"),
        _ask_lint("--best=1 --best", "--best"),
        _ask_lint("m.onnx m.onnx -onnx=m", "--onnx"),
        _ask_lint("--fp16= --useDLACore=0", "--fp16 --useDLACore"),
        _ask_lint("--onnx=m --onnx=n --verbose", "--onnx --verbose"),
        _ask_lint([], "--onnx", label="an empty command line"),
        *(_ask_lint(command.split(), trtexec.known_flags(release), trtexec.deprecated_flags(release),
                    label=f"{command}   (TensorRT {release})")
          for command in SOURCE_COMMANDS for release in trtexec.RELEASES),
    ],
    draw=_draw_lint, draws=60, time_limit_s=2,
    show=_show_findings,
    misconceptions=[
        Misconception(
            "dict_first", lambda a, k, d: _lint(a, k, d, merge=True),
            "The arguments went into a dict before anybody looked at them. A dict has each key once, so the second "
            "`--best` was gone. Walk over the list itself.",
            "Duplicates vanished in a dict.",
            also=(lambda a, k, d: _lint([t for i, t in enumerate(a) if t.partition("=")[0]
                                         not in [u.partition("=")[0] for u in a[:i]]], k, d),)),
        Misconception(
            "every_equals", lambda a, k, d: _lint(a, k, d, flag_of=_last_equals),
            "A value may hold `=` itself, as a path does or `--tuneBuildRoutes=a=b`. The flag is what stands before the "
            "first one; split once.",
            "The token was split at the wrong =.",
            also=(lambda a, k, d: _lint(a, k, d, flag_of=_unpacked),
                  lambda a, k, d: _lint(a, k, d, flag_of=_strictly_unpacked))),
        Misconception(
            "abbreviations", lambda a, k, d: _lint(a, k, d, prefix=True),
            "trtexec has no abbreviations: `--stream` is not `--streams`. A flag is known only if it is in the set as it "
            "stands.",
            "A beginning is not a flag."),
        Misconception(
            "unknown_is_duplicate", lambda a, k, d: _lint(a, k, d, unknown_twice="instead"),
            "The kinds have an order, and the first that fits ends the matter: an unknown flag is unknown each time it comes, "
            "and never a duplicate as well.",
            "One finding a token.",
            also=(lambda a, k, d: _lint(a, k, d, unknown_twice="both"), lambda a, k, d: _lint(a, k, d, most=4))),
        Misconception(
            "first_one_too", lambda a, k, d: _lint(a, k, d, all_of_them=True),
            "trtexec takes the first occurrence and trips over the second. So only the second and later ones are "
            "findings. Count what has come before, not what comes in all.",
            "The first occurrence is fine."),
        Misconception(
            "deprecated_first", lambda a, k, d: _lint(a, k, d, deprecated_first=True),
            "`--explicitBatch=true` is deprecated and always true. The kinds have an order, and `always-true` comes "
            "before `deprecated`.",
            "Two kinds changed places."),
        Misconception(
            "stray_is_unknown", lambda a, k, d: _lint(a, k, d, stray="unknown"),
            "A token without `--` is the kind of its own: most often the value behind `--onnx` and a blank. Look at the "
            "two dashes before you look into the set.",
            "A stray value is not a flag."),
        Misconception(
            "stray_is_cut", lambda a, k, d: _lint(a, k, d, stray_cut=True),
            "For `not-a-flag` the whole token is reported, also when it holds a `=`: `-onnx=m` stays `-onnx=m`.",
            "A stray token is reported whole."),
        Misconception(
            "switches_not_checked", lambda a, k, d: _lint(a, k, d, plain_switch=True),
            "`--fp16=false` turns FP16 on: a switch is true whatever follows. `BOOL` holds the switches; report the ones "
            "that come with a `=`.",
            "--fp16=false got through."),
        Misconception(
            "values_not_allowed", lambda a, k, d: _lint(a, k, d, any_value=True),
            "Most flags need their value: `--onnx=m` is right. Only the flags in `BOOL` are switches.",
            "Not every flag is a switch."),
    ],
    alternatives=[_lint, _lint_with_counter, _lint_by_index],
    hints=(
        "One loop over `argv`, one if/elif chain in the order of the kinds, and a set of the flags that you have seen.",
        "`token.split(\"=\", 1)[0]` is the flag. Whether there was a `=` you see in the token.",
        "Add the flag to the set of seen ones at the end of the loop body, after you have decided.",
    ),
    worth_knowing="The real parser takes each known flag out of a bag once; whatever is left in the bag is an unknown option.",
)
