"""One question as it is asked: what is shown, and what comes of an answer. No screen is known here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from ..judging import NOT_ATTEMPTED, Judgement
from .answers import Verdict, judge_number, tolerance_told
from .coding import CodingTask, judge_code
from .deck import Item
from .question import Choice, Drawn, Numeric, Open


@dataclass(frozen=True)
class Asked:
    """A card with the numbers and the order of `seed`."""

    item: Item
    seed: int
    language: str = "en"

    @property
    def kind(self) -> str:
        return self.item.kind

    @property
    def text(self) -> str:
        """What is asked, with `code` in backticks; of a coding question its task in Markdown."""
        if self.item.task:
            return self.item.task.text
        return self.drawn.text if isinstance(self.item.question, Numeric) else self.item.question.text

    # --- a number ---------------------------------------------------------------------------------

    @cached_property
    def drawn(self) -> Drawn:
        assert isinstance(self.item.question, Numeric)
        return self.item.question.drawn(self.seed)

    @property
    def tolerance(self) -> str:
        """ "exact", "within 1 %" … """
        return tolerance_told(self.drawn, self.language)

    def answer_number(self, typed: str) -> Verdict:
        return judge_number(self.drawn, typed, self.language)

    # --- a choice ---------------------------------------------------------------------------------

    @cached_property
    def options(self) -> list[tuple[str, bool, str]]:
        """(text, whether it is right, what to tell of it) in the order shown."""
        assert isinstance(self.item.question, Choice)
        return self.item.question.options(self.seed)

    def choose(self, index: int) -> Verdict:
        """The verdict on one option. IndexError where there is none."""
        if index < 0:
            raise IndexError(index)
        _, good, why = self.options[index]
        return Verdict(good, why, float(good))

    # --- words ------------------------------------------------------------------------------------

    @property
    def rubric(self) -> tuple[str, ...]:
        assert isinstance(self.item.question, Open)
        return tuple(self.item.question.rubric)

    def grade(self, named: Collection[int]) -> Verdict:
        """The candidate's own grade: the points of the rubric that she named. Right means all of them."""
        share = len({i for i in named if 0 <= i < len(self.rubric)}) / len(self.rubric)
        return Verdict(share == 1.0, self.model_answer, share)

    # --- code -------------------------------------------------------------------------------------

    @property
    def task(self) -> CodingTask:
        assert self.item.task is not None
        return self.item.task

    def run_code(self, source: str) -> tuple[Verdict, Judgement, str]:
        """Judge code in the sandbox and keep the attempt: (verdict, the judgement in full, a notice or "")."""
        judgement, notice = judge_code(self.task, source)
        if judgement.outcome == NOT_ATTEMPTED:
            return Verdict(None, judgement.message), judgement, notice
        text = " ".join(filter(None, (judgement.title, judgement.message)))
        return Verdict(judgement.passed, text, judgement.points / judgement.max_points), judgement, notice

    # --- afterwards -------------------------------------------------------------------------------

    @property
    def model_answer(self) -> str:
        """What a good answer says; of a coding question the exercise to go to."""
        question = self.item.question
        if isinstance(question, Numeric):
            return self.drawn.explanation
        if isinstance(question, Choice):
            stop = "。" if self.language == "zh" else "."
            return f"{question.right.rstrip('.。')}{stop} {question.why}"
        if isinstance(question, Open):
            return question.answer
        return f"`{self.item.id}`"
