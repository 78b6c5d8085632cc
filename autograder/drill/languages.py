"""The questions in another language: Chinese texts stand in `questions_zh/`; numbers, units and code are shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from .question import Choice, Numeric, Open, Question

LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Zh:
    """A question's texts in Chinese, part by part as in the English one.

    All kinds: text. Numeric: explain, and traps (the messages, in the order of the question's traps); words: what
    stands for English words that are drawn, and for a unit that is a word ({"tokens/s": "token/s", "steps": "步"}).
    Choice: right, wrong (text, why), why. Open: rubric, answer.
    """

    text: str
    explain: str = ""
    traps: Sequence[str] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    right: str = ""
    wrong: Sequence[tuple[str, str]] = ()
    why: str = ""
    rubric: Sequence[str] = ()
    answer: str = ""


def in_chinese(question: Question, zh: Zh) -> Question:
    """The question with its Chinese texts. Raises ValueError when a part is missing or there is one too many."""
    if isinstance(question, Numeric):
        _same(question, "traps", question.traps, zh.traps)
        _there(question, zh, "text", "explain")
        traps = tuple((wrong, told) for (wrong, _), told in zip(question.traps, zh.traps, strict=True))
        return replace(question, text=zh.text, explain=zh.explain, traps=traps, words=zh.words)
    if isinstance(question, Choice):
        _same(question, "wrong choices", question.wrong, zh.wrong)
        _there(question, zh, "text", "right", "why")
        return replace(question, text=zh.text, right=zh.right, wrong=tuple(zh.wrong), why=zh.why)
    assert isinstance(question, Open)
    _same(question, "points of the rubric", question.rubric, zh.rubric)
    _there(question, zh, "text", "answer")
    return replace(question, text=zh.text, rubric=tuple(zh.rubric), answer=zh.answer)


def _same(question: Question, what: str, here: Sequence, there: Sequence) -> None:
    if len(here) != len(there):
        raise ValueError(f"{question.id} has {len(here)} {what}, and {len(there)} in Chinese")


def _there(question: Question, zh: Zh, *names: str) -> None:
    for name in names:
        if not getattr(zh, name).strip():
            raise ValueError(f"{question.id} has no `{name}` in Chinese")
