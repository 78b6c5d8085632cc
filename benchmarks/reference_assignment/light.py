"""The exercise of the light assignment."""

from __future__ import annotations

from autograder.exercise import Case, Exercise, Misconception


def double(x: int) -> int:
    return 2 * x


def _square(x: int) -> int:
    return x * x


EXERCISES = [Exercise(
    id="91.double", points=1, difficulty=1, minutes=2, idea="a function returns",
    reference=double, cases=[Case(2), Case(5)],
    misconceptions=[Misconception("squares", _square, "This multiplies the number by itself.")],
    hints=("Add the number to itself.",), time_limit_s=2,
)]
