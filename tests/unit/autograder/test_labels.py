"""What the practice says stands in both languages: every template that is used, with the same fields, and no other."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from string import Formatter

import pytest

import autograder.drill
from autograder.chapters import PARTS
from autograder.drill import answers
from autograder.drill.answers import Unreadable
from autograder.drill.deck import KINDS
from autograder.drill.labels import PARTS_ZH, ZH, part_title, say
from autograder.drill.units import parse_unit

FOLDER = Path(autograder.drill.__file__).parent
LANGUAGES = {"en", "zh"}


@cache
def trees() -> dict[Path, ast.Module]:
    """The syntax trees of the practice, without the questions and the labels themselves."""
    files = [f for f in sorted(FOLDER.rglob("*.py")) if not f.relative_to(FOLDER).parts[0].startswith("questions")]
    return {f: ast.parse(f.read_text(encoding="utf-8")) for f in files if f.name != "labels.py"}


def constants(node: ast.AST | None, names: dict[str, str]) -> list[str]:
    """The strings that an expression may be: a constant, a name of one, either branch of a choice."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.IfExp):
        return constants(node.body, names) + constants(node.orelse, names)
    if isinstance(node, ast.BoolOp):
        return [text for value in node.values for text in constants(value, names)]
    if isinstance(node, ast.Name):
        return [names[node.id]] if node.id in names else []
    return []


@cache
def module_names(file: Path) -> dict[str, str]:
    """The module's names of strings, and those of `answers` that others import."""
    found = {}
    for node in trees()[file].body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found |= {target.id: node.value.value for target in node.targets if isinstance(target, ast.Name)}
        if isinstance(node, ast.ImportFrom) and node.module and node.module.endswith("answers"):
            found |= {a.asname or a.name: getattr(answers, a.name) for a in node.names
                      if isinstance(getattr(answers, a.name, None), str)}
    return found


def name_of(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else call.func.attr if isinstance(call.func, ast.Attribute) else ""


@cache
def said() -> tuple[tuple[str, str, frozenset[str] | None], ...]:
    """(where, template, names of the values or None where they are not written out) of every call of say and of
    Unreadable, whose template `judge_number` says."""
    found = []
    for file, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and name_of(node) in ("say", "Unreadable"):
                values = None if any(k.arg is None for k in node.keywords) else frozenset(k.arg for k in node.keywords)
                for argument in node.args[:2]:
                    for template in constants(argument, module_names(file)):
                        if template not in LANGUAGES:
                            found.append((f"{file.name}:{node.lineno}", template, values))
    return tuple(found)


def betraying() -> set[str]:
    """The mistakes that a factor betrays, for units that bring all of them."""
    return {template for unit in ("B/s", "FLOP", "s") for _, template, _ in answers._betraying(parse_unit(unit))}


def fields(template: str) -> dict[str, tuple[str | None, str | None]]:
    return {name: (conversion, spec) for _, name, spec, conversion in Formatter().parse(template) if name is not None}


def test_the_walk_finds_what_is_said():
    assert len({template for _, template, _ in said()}) > 60
    assert {"answers.py", "panel.py", "reports.py", "round.py"} <= {where.split(":")[0] for where, _, _ in said()}


def test_every_template_that_is_said_has_its_chinese():
    missing = sorted({f"{where}: {template!r}" for where, template, _ in said() if template not in ZH})
    assert not missing, "; ".join(missing)
    assert betraying() | set(KINDS) <= set(ZH)


def test_no_chinese_is_left_over():
    used = {template for _, template, _ in said()} | betraying() | set(KINDS)
    assert sorted(set(ZH) - used) == []


def test_what_is_said_gets_the_values_that_it_names():
    wrong = [f"{where}: {template!r} with {sorted(values)}" for where, template, values in said()
             if values is not None and set(fields(template)) != values]
    assert not wrong, "; ".join(wrong)


@pytest.mark.parametrize("template", ZH)
def test_both_languages_have_the_same_fields(template):
    assert fields(template) == fields(ZH[template])


@pytest.mark.parametrize("template", ZH)
def test_the_chinese_is_chinese(template):
    plain = re.sub(r"\{[^}]*\}", "", ZH[template])
    assert re.search(r"[\u4e00-\u9fff]", plain), template
    assert not re.search(r"[\u4e00-\u9fff] ?[,?!;](?:\s|$)|[\u4e00-\u9fff]\.(?:\s|$)", plain), f"half-width punctuation: {plain}"


def test_say_fills_in_both_languages():
    assert say("en", "{left} to go", left=3) == "3 to go" and say("zh", "{left} to go", left=3) == "还剩 3 题"
    assert say("en", "Right.") == "Right." and say("zh", "Right.") == "正确。"
    assert say("en", " plus ") == " plus "  # nothing is stripped


def test_a_value_may_hold_braces():
    assert say("zh", "This answer was not kept: {error}.", error="{x}") == "这次回答没有保存：{x}。"
    assert "{x}" in str(Unreadable(answers.NO_NUMBER, typed="{x}"))


def test_every_part_has_a_title_in_both_languages():
    assert list(PARTS_ZH) == list(PARTS)
    for part, title in PARTS.items():
        assert part_title(part) == title and re.search(r"[\u4e00-\u9fff]", part_title(part, "zh"))
