"""Exercise 30.rank_frameworks: requirements against a table."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from utils.engines import llm_serving

from ...exercise import Case, Exercise, Misconception

KEYS = {"hardware", "must", "any_quant", "allow_status"}


def _refuse_unknown(needs: dict) -> None:
    if set(needs) - KEYS:
        raise ValueError("unknown key")


def _status(row: dict, needs: dict) -> list[str]:
    wanted = needs.get("allow_status")
    return [f"status: {row['status']}"] if wanted and row["status"] not in wanted else []


def _hardware(row: dict, needs: dict) -> list[str]:
    wanted = needs.get("hardware")
    return ["hardware"] if wanted and wanted not in row["hardware"] else []


def _missing(row: dict, needs: dict) -> list[str]:
    return [f"missing: {m}" for m in sorted(needs.get("must") or []) if m not in row["mechanisms"]]


def _quant(row: dict, needs: dict) -> list[str]:
    wanted = needs.get("any_quant")
    return ["quantisation"] if wanted and not any(q in row["quantisation"] for q in wanted) else []


def _ranking(*, parts: Collection[Callable] = (_status, _hardware, _missing, _quant), unknown: Callable[[dict], Any] = _refuse_unknown,
             cut: int | None = None, order: Callable[[tuple], Any] = lambda pair: bool(pair[1]), keep: bool = True) -> Callable:
    """An answer from the tests, in their order, and from how the rows are sorted; with its defaults it is right."""

    def answer(table: list[dict], needs: dict) -> list[tuple[str, list[str]]]:
        unknown(needs)
        rated = [(row["name"], [r for part in parts for r in part(row, needs)][:cut]) for row in table]
        return [pair for pair in sorted(rated, key=order) if keep or not pair[1]]

    return answer


def _both(**rules: Any) -> dict:
    return {"answer": _ranking(**rules), "also": (_ranking(**rules, unknown=lambda needs: None),)}


def _any_missing(row: dict, needs: dict) -> list[str]:
    """One of the mechanisms is enough."""
    wanted = needs.get("must") or []
    return [] if not wanted or any(m in row["mechanisms"] for m in wanted) else [f"missing: {m}" for m in sorted(wanted)]


def _all_quant(row: dict, needs: dict) -> list[str]:
    return ["quantisation"] if any(q not in row["quantisation"] for q in needs.get("any_quant") or []) else []


def _inside(word: str, words: Collection[str]) -> bool:
    return word in " ".join(words)


def _hardware_inside(row: dict, needs: dict) -> list[str]:
    wanted = needs.get("hardware")
    return ["hardware"] if wanted and not _inside(wanted, row["hardware"]) else []


def _missing_inside(row: dict, needs: dict) -> list[str]:
    return [f"missing: {m}" for m in sorted(needs.get("must") or []) if not _inside(m, row["mechanisms"])]


def _quant_inside(row: dict, needs: dict) -> list[str]:
    wanted = needs.get("any_quant")
    return ["quantisation"] if wanted and not any(_inside(q, row["quantisation"]) for q in wanted) else []


def _missing_as_asked(row: dict, needs: dict) -> list[str]:
    return [f"missing: {m}" for m in needs.get("must") or [] if m not in row["mechanisms"]]


def _missing_in_one(row: dict, needs: dict) -> list[str]:
    names = [m for m in sorted(needs.get("must") or []) if m not in row["mechanisms"]]
    return ["missing: " + ", ".join(names)] if names else []


def _empty_status(row: dict, needs: dict) -> list[str]:
    return [f"status: {row['status']}"] if "allow_status" in needs and row["status"] not in needs["allow_status"] else []


def _empty_quant(row: dict, needs: dict) -> list[str]:
    return ["quantisation"] if "any_quant" in needs and not any(q in row["quantisation"] for q in needs["any_quant"]) else []


def _empty_hardware(row: dict, needs: dict) -> list[str]:
    return ["hardware"] if "hardware" in needs and needs["hardware"] not in row["hardware"] else []


def _active_only(row: dict, needs: dict) -> list[str]:
    return [f"status: {row['status']}"] if row["status"] not in (needs.get("allow_status") or ["active"]) else []


def _bare_status(row: dict, needs: dict) -> list[str]:
    return ["status"] if _status(row, needs) else []


def _by_loop(table: list[dict], needs: dict) -> list[tuple[str, list[str]]]:
    for key in needs:
        if key not in KEYS:
            raise ValueError(f"unknown key {key}")
    good, bad = [], []
    for row in table:
        reasons = []
        if needs.get("allow_status") and row["status"] not in needs["allow_status"]:
            reasons.append("status: " + row["status"])
        if needs.get("hardware") and row["hardware"].count(needs["hardware"]) == 0:
            reasons.append("hardware")
        for name in sorted(set(needs.get("must", [])).difference(row["mechanisms"])):
            reasons.append(f"missing: {name}")
        if needs.get("any_quant") and set(needs["any_quant"]).isdisjoint(row["quantisation"]):
            reasons.append("quantisation")
        (bad if reasons else good).append((row["name"], reasons))
    return good + bad


def _row(name: str, hardware: str, mechanisms: str, status: str, quantisation: str) -> dict:
    return {"name": name, "hardware": hardware.split(), "mechanisms": mechanisms.split(), "status": status, "quantisation": quantisation.split()}


_ABC = [_row("A", "cuda", "paged", "active", "fp8"), _row("B", "cuda cpu", "paged prefix", "archived", "int4"), _row("C", "cpu", "", "active", "int4")]
_NEEDS = {"hardware": "cuda", "must": ["paged", "prefix"], "any_quant": ["fp8"], "allow_status": ["active"]}
_MANY = [
    _row("Zeta", "cuda-lite", "paged-v1 prefix", "active", "int4-awq"), _row("Alpha", "cuda rocm", "prefix paged", "quiet", "fp8 int4"),
    _row("Mu", "rocm cpu", "paged offload", "maintenance", "int8"), _row("Beta", "cuda", "offload paged prefix", "active", "int4"),
    _row("Nu", "cpu", "", "archived", ""),
]
_HARDWARE, _MECHANISMS = ["cuda", "cuda-lite", "rocm", "cpu"], ["paged", "paged-v1", "prefix", "offload", "spec"]
_STATUS, _QUANT = ["active", "quiet", "maintenance", "archived"], ["fp8", "int8", "int4", "int4-awq"]


def _some(rng: np.random.Generator, words: list[str], p: float) -> list[str]:
    return rng.permutation([w for w in words if rng.random() < p]).tolist()


def _draw(rng: np.random.Generator) -> Case:
    names = rng.permutation([f"engine {c}" for c in "ABCDEFGH"])[: int(rng.integers(1, 9))]
    table = [{"name": str(n), "hardware": _some(rng, _HARDWARE, 0.6), "mechanisms": _some(rng, _MECHANISMS, 0.7), "status": str(rng.choice(_STATUS, p=[0.5, 0.2, 0.15, 0.15])),
              "quantisation": _some(rng, _QUANT, 0.5)} for n in names]
    needs = {"hardware": str(rng.choice(["", *_HARDWARE])), "must": _some(rng, _MECHANISMS, 0.3), "any_quant": _some(rng, _QUANT, 0.35),
             "allow_status": _some(rng, _STATUS, 0.5)}
    needs = {key: value for key, value in needs.items() if rng.random() < 0.75}
    return Case(table, needs, label=f"{len(table)} drawn frameworks, needs {needs}")


rank_frameworks = Exercise(
    id="30.rank_frameworks", points=4, difficulty=2, minutes=12, idea="write down what you need, then see every reason against",
    reference=llm_serving.rank_frameworks,
    cases=[Case(_ABC, _NEEDS, label="the table A, B, C and the four needs of the text"), Case(_ABC, {"hardware": "cpu"}, label="the same table, hardware \"cpu\"")],
    hidden=[
        Case(_ABC, {}, label="A, B, C, no needs"), Case([], _NEEDS, label="an empty table"),
        Case(_ABC, {"hardware": "", "must": [], "any_quant": [], "allow_status": []}, label="A, B, C, all needs empty"),
        Case(_MANY, {"hardware": "cuda"}, label="five frameworks, hardware \"cuda\""), Case(_MANY, {"must": ["prefix", "paged"]}, label="five frameworks, must prefix, paged"),
        Case(_MANY, {"any_quant": ["int4", "int8"]}, label="five frameworks, int4 or int8"),
        Case(_MANY, {"allow_status": ["active", "quiet"]}, label="five frameworks, active or quiet"),
        Case(_MANY, {**_NEEDS, "must": ["spec", "prefix", "offload", "paged"]}, label="five frameworks, four mechanisms"),
        Case(_MANY, {"hardware": "tpu", "must": ["spec"], "any_quant": ["fp4"], "allow_status": ["none"]}, label="five frameworks, nothing fits"),
        Case(_MANY, {"hardware": "lite", "any_quant": ["awq"]}, label="five frameworks, parts of words"),
        Case(_MANY, {"must": ["paged", "prefix", "offload"], "allow_status": []}, label="five frameworks, must three, any status"),
    ],
    draw=_draw, draws=40,
    raises=[Case(_ABC, {"gpu": "cuda"}, label="a need \"gpu\""), Case(_ABC, {**_NEEDS, "license": "MIT"}, label="a need \"license\""),
            Case([], {"Hardware": "cuda"}, label="an empty table, a need \"Hardware\""), Case(_ABC, {"mechanisms": []}, label="a need \"mechanisms\"")],
    misconceptions=[
        Misconception(
            "first_reason", **_both(cut=1),
            message="You stop at the first reason. Who has to choose wants to see all of them: one missing feature is another matter than four.",
            title="There may be several reasons."),
        Misconception(
            "any_must", **_both(parts=(_status, _hardware, _any_missing, _quant)),
            message="One mechanism of `must` is enough in your answer. All of them are needed; `any_quant` is the list of which one is enough.",
            title="All of `must` is needed."),
        Misconception(
            "all_quant", **_both(parts=(_status, _hardware, _missing, _all_quant)),
            message="You ask for every format in `any_quant`. One of them is enough.",
            title="One format is enough."),
        Misconception(
            "parts_of_words", _ranking(parts=(_status, _hardware_inside, _missing_inside, _quant_inside)),
            "You look for a word inside another: \"cuda\" is found in \"cuda-lite\". Compare whole entries of the list.",
            "Part of a word is not the word.", also=(_ranking(parts=(_status, _hardware_inside, _missing, _quant)),)),
        Misconception(
            "drops_the_rejected", **_both(keep=False),
            message="The rejected frameworks are gone from your list. They are asked for too, with their reasons, after the accepted ones.",
            title="The rejected ones belong to the answer."),
        Misconception(
            "table_order", **_both(order=lambda pair: 0),
            message="You return the rows in the order of the table. The accepted ones come first.",
            title="Accepted frameworks come first."),
        Misconception(
            "fewest_reasons", _ranking(order=lambda pair: len(pair[1])),
            "You sort by something more than acceptance: the number of reasons, or the name. Within the accepted and within the rejected ones the "
            "table's order stays.",
            "The table's order stays.", also=(_ranking(order=lambda pair: (bool(pair[1]), pair[0])), _ranking(order=lambda pair: (bool(pair[1]), pair[1])))),
        Misconception(
            "as_asked", **_both(parts=(_status, _hardware, _missing_as_asked, _quant)),
            message="The missing mechanisms come in the order in which they were asked for. They are wanted in alphabetical order.",
            title="The mechanisms are not sorted."),
        Misconception(
            "other_order", _ranking(parts=(_hardware, _status, _missing, _quant)),
            "The reasons are right, but in another order. Asked is: status, hardware, missing mechanisms, quantisation.",
            "The reasons are in another order.", also=(_ranking(parts=(_status, _hardware, _quant, _missing)), _ranking(parts=(_hardware, _missing, _quant, _status)))),
        Misconception(
            "one_line", _ranking(parts=(_status, _hardware, _missing_in_one, _quant)),
            "The text of a reason differs. Each missing mechanism has a reason of its own, and the status says which one it is: \"status: archived\".",
            "The reasons read otherwise.", also=(_ranking(parts=(_bare_status, _hardware, _missing, _quant)),)),
        Misconception(
            "empty_demands", **_both(parts=(_empty_status, _empty_hardware, _missing, _empty_quant)),
            message="An empty list rejects everything in your answer. An absent or empty need demands nothing.",
            title="An empty need demands nothing."),
        Misconception(
            "active_by_default", **_both(parts=(_active_only, _hardware, _missing, _quant)),
            message="Without `allow_status` you accept only active frameworks. An absent need demands nothing; whoever wants only active ones says so.",
            title="An absent need demands nothing."),
        Misconception(
            "ignores_unknown", _ranking(unknown=lambda needs: None),
            "You ignore a key that you do not know. A misspelt need would be lost without a word: refuse it with a ValueError.",
            "Unknown needs go unnoticed."),
    ],
    alternatives=[_ranking(), _by_loop],
    hints=(
        "Refuse unknown keys first. `needs.get(\"must\", [])` treats an absent key like an empty one.",
        "Collect a list of reasons for each row, in the order of the text. A row is accepted when its list is empty.",
        "`sorted(rows, key=...)` keeps the order of equals. What must the key be, so that accepted rows come first and nothing else changes?",
    ),
    worth_knowing="A table of product facts needs a date on each row: one of the four frameworks that the source names has been archived since.",
)
