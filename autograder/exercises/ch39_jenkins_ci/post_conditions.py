"""Exercise 39.post_conditions: which blocks of `post` run after a build, and in which order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.delivery import ci_pipeline as ci

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

RESULTS = ("SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED")
ORDER = ("always", "changed", "fixed", "regression", "aborted", "success", "unsuccessful", "unstable", "failure", "notBuilt",
         "cleanup")
# As one often finds them listed, with cleanup at the end.
WRITTEN = ("always", "changed", "fixed", "regression", "aborted", "failure", "success", "unstable", "unsuccessful", "notBuilt",
           "cleanup")
Rule = Callable[[str, "str | None"], bool]


def _rules(current: str, previous: str | None) -> dict[str, bool]:
    return {"always": True, "changed": current != previous,
            "fixed": current == "SUCCESS" and previous in ("FAILURE", "UNSTABLE"),
            "regression": previous is not None and RESULTS.index(current) > RESULTS.index(previous),
            "aborted": current == "ABORTED", "success": current == "SUCCESS", "unsuccessful": current != "SUCCESS",
            "unstable": current == "UNSTABLE", "failure": current == "FAILURE", "notBuilt": current == "NOT_BUILT",
            "cleanup": True}


def _answer(order: tuple = ORDER, check: bool = True, **other: Rule) -> Callable:
    """The answer with some rules replaced, in some order; with or without the refusal of unknown results."""

    def answer(current: str, previous: str | None) -> list[str]:
        known = current in RESULTS and (previous is None or previous in RESULTS)
        if check and not known:
            raise ValueError("unknown result")
        if not known:
            return ["always", "changed", "unsuccessful", "cleanup"]
        runs = _rules(current, previous) | {name: rule(current, previous) for name, rule in other.items()}
        return [name for name in order if runs[name]]

    return answer


def _both(order: tuple = ORDER, *more: dict, **other: Rule) -> dict:
    """`answer` and `also` of a misconception: with and without the refusal, and other forms of it."""
    forms = [other, *more]
    first, *rest = [_answer(order, check, **form) for form in forms for check in (True, False)]
    return {"answer": first, "also": tuple(rest)}


def _rank(result: str) -> int:
    return RESULTS.index(result)


# --- right answers ------------------------------------------------------------------------------


def _with_cases(current: str, previous: str | None) -> list[str]:
    """One block after the other."""
    own = {"SUCCESS": ["success"], "UNSTABLE": ["unsuccessful", "unstable"], "FAILURE": ["unsuccessful", "failure"],
           "NOT_BUILT": ["unsuccessful", "notBuilt"], "ABORTED": ["aborted", "unsuccessful"]}
    if current not in own or previous not in (None, *own):
        raise ValueError("this is not a result")
    found = ["always"]
    if previous is None or previous != current:
        found.append("changed")
    if previous is not None and current == "SUCCESS" and previous in {"UNSTABLE", "FAILURE"}:
        found.append("fixed")
    if previous is not None and list(own).index(current) > list(own).index(previous):
        found.append("regression")
    return found + own[current] + ["cleanup"]


def _with_ordinals(current: str, previous: str | None) -> list[str]:
    """As the plugin does: a number for each block, sorted from high to low."""
    rank = {"SUCCESS": 0, "UNSTABLE": 1, "FAILURE": 2, "NOT_BUILT": 3, "ABORTED": 4}
    try:
        now, before = rank[current], None if previous is None else rank[previous]
    except KeyError as error:
        raise ValueError(f"unknown result {error}") from error
    blocks = [(1000, "always"), (900, "changed"), (890, "fixed"), (880, "regression"), (800, "aborted"), (700, "success"),
              (650, "unsuccessful"), (600, "unstable"), (500, "failure"), (400, "notBuilt"), (-1, "cleanup")]
    runs = {"always", "cleanup", {0: "success", 1: "unstable", 2: "failure", 3: "notBuilt", 4: "aborted"}[now]}
    runs |= {"unsuccessful"} if now else set()
    runs |= {"changed"} if before is None or now != before else set()
    runs |= {"fixed"} if now == 0 and before in (1, 2) else set()
    runs |= {"regression"} if before is not None and now > before else set()
    return [name for _, name in sorted(blocks, reverse=True) if name in runs]


def _draw(rng: np.random.Generator) -> Case:
    return Case(str(rng.choice(RESULTS)), [None, *RESULTS][int(rng.integers(6))])


post_conditions = Exercise(
    id="39.post_conditions", points=3, difficulty=1, minutes=8, idea="`post` looks at this build and at the one before it",
    reference=ci.post_conditions,
    cases=[Case("SUCCESS", None), Case("ABORTED", "FAILURE"), Case("SUCCESS", "ABORTED"), Case("UNSTABLE", "SUCCESS")],
    hidden=[Case(current, previous) for current in RESULTS for previous in (None, *RESULTS)],
    draw=_draw, draws=5, compare=exact(),
    raises=[Case("GREEN", None, word="result"), Case("SUCCESS", "GREEN", word="result"),
            Case("success", "SUCCESS", word="result"), Case("SKIPPED", None, word="result"),
            Case("FAILURE", "", word="result")],
    misconceptions=[
        Misconception(
            "first_build_unchanged", **_both(ORDER, changed=lambda c, p: p is not None and c != p),
            message="On a first build you leave out `changed`. There is no last result that it could equal, so the plugin counts it as "
                    "changed.",
            title="No build before is a change."),
        Misconception(
            "fixed_after_anything", **_both(ORDER, {"fixed": lambda c, p: c == "SUCCESS" and p not in (None, "SUCCESS")},
                                            {"fixed": lambda c, p: c == "SUCCESS" and p == "FAILURE"},
                                            fixed=lambda c, p: c == "SUCCESS" and p != "SUCCESS"),
            message="Your `fixed` follows the wrong results. Only FAILURE and UNSTABLE say that something was broken: an aborted build, one "
                    "that was not built, and no build at all say nothing about that.",
            title="What can be fixed?"),
        Misconception(
            "regression_from_success_only",
            **_both(ORDER, {"regression": lambda c, p: p == "SUCCESS" and c in ("FAILURE", "UNSTABLE")},
                    {"regression": lambda c, p: p is not None and c in ("FAILURE", "UNSTABLE") and _rank(c) > _rank(p)},
                    {"regression": lambda c, p: c != "SUCCESS" and c != p and p is not None},
                    regression=lambda c, p: p == "SUCCESS" and c != "SUCCESS"),
            message="Your `regression` is not \"worse than the last one\". All five results have a rank: from UNSTABLE to FAILURE is worse as "
                    "well, so is from FAILURE to ABORTED, and from FAILURE to UNSTABLE is not.",
            title="Worse than before, by rank."),
        Misconception(
            "first_build_regresses", **_both(ORDER, regression=lambda c, p: _rank(c) > (0 if p is None else _rank(p))),
            message="On a first build that is not a success you report a regression. Without a build before there is nothing that it could "
                    "be worse than.",
            title="Worse than what?"),
        Misconception(
            "rank_of_aborted",
            **_both(ORDER, regression=lambda c, p: p is not None and (
                ("SUCCESS", "NOT_BUILT", "ABORTED", "UNSTABLE", "FAILURE").index(c)
                > ("SUCCESS", "NOT_BUILT", "ABORTED", "UNSTABLE", "FAILURE").index(p))),
            message="You rank ABORTED and NOT_BUILT below a failure. In Jenkins' order of results both are worse than FAILURE.",
            title="ABORTED ranks last."),
        Misconception(
            "another_order",
            _answer(tuple(sorted(ORDER))),
            "The blocks are the right ones, in another order. They don't run in alphabetical order, nor in the order in which a file "
            "lists them. The task has their order; `always` comes first and `cleanup` last.",
            "The order is fixed.",
            also=(_answer(tuple(sorted(ORDER)), False), _answer(WRITTEN), _answer(WRITTEN, False),
                  _answer(("always", "cleanup", *ORDER[1:-1])), _answer((*ORDER[1:-1], "always", "cleanup")))),
        Misconception(
            "aborted_not_unsuccessful", **_both(ORDER, {"unsuccessful": lambda c, p: c == "FAILURE"},
                                                {"unsuccessful": lambda c, p: c in ("UNSTABLE", "FAILURE")},
                                                {"unsuccessful": lambda c, p: c not in ("SUCCESS", "UNSTABLE")},
                                                unsuccessful=lambda c, p: c not in ("SUCCESS", "ABORTED")),
            message="Your `unsuccessful` misses a result. Everything but SUCCESS is unsuccessful, ABORTED and UNSTABLE too.",
            title="Anything but SUCCESS."),
        Misconception(
            "unknown_passes", _answer(check=False),
            "An unknown result passes, or ends in another error. A typing mistake in a result would then run the wrong blocks without a "
            "word.",
            "Unknown results must be refused."),
    ],
    alternatives=[_with_cases, _with_ordinals],
    hints=(
        "Give every block a condition of its own, a bool. Then go through the names in the fixed order.",
        "`regression` compares positions in the list SUCCESS, UNSTABLE, FAILURE, NOT_BUILT, ABORTED, and needs a previous result.",
        "`previous is None` makes `current != previous` true: that is just what `changed` needs.",
    ),
    worth_knowing="`cleanup` runs after all others whatever happened: delete the workspace there, not in `always`, which runs first.",
)
