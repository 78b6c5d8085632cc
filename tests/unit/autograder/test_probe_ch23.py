"""Chapter 23's probe: a ValueError goes on if it names one fault; one that names several is no right refusal."""

import pytest

from autograder.exercises import find_exercise
from autograder.judging import judge_answer
from autograder.probes.ask import ask
from autograder.probes.ch23_onnx import SeveralWords, one_word
from utils.graphs.order import topological_order

EXERCISE = find_exercise("23.topo_sort")
CYCLE = [[(["y"], ["y"])], ["x"]]


def refusing(error):
    def answer(nodes, available):
        raise error

    return answer


def judged(answer):
    return judge_answer(EXERCISE, lambda question: ask(answer, question), seed=1)


def test_a_value_and_a_refusal_with_one_word_go_on():
    assert one_word(topological_order, [[(["x"], ["y"])], ["x"]]) == [0]
    with pytest.raises(ValueError, match="Cycle"):
        one_word(refusing(ValueError("Cycle: y waits for itself")), CYCLE)
    with pytest.raises(ValueError, match=r"^$"):
        one_word(refusing(ValueError()), CYCLE)


@pytest.mark.parametrize("message", ["undefined, twice or cycle", "UNDEFINED or a cycle"])
def test_several_words_are_no_right_refusal(message):
    with pytest.raises(SeveralWords, match=r"undefined and (twice and )?cycle"):
        one_word(refusing(ValueError(message)), CYCLE)
    assert not issubclass(SeveralWords, ValueError)


@pytest.mark.parametrize("error", [TypeError("cycle, twice"), NotImplementedError("cycle, twice")])
def test_other_errors_go_on(error):
    with pytest.raises(type(error)):
        one_word(refusing(error), CYCLE)


def test_the_check_tells_an_answer_that_always_says_everything():
    def says_everything(nodes, available):
        try:
            return topological_order(nodes, available)
        except ValueError as error:
            raise ValueError("twice / undefined / cycle") from error

    assert judged(topological_order).passed
    verdict = judged(says_everything)
    assert not verdict.passed and verdict.misconception == "every_word"
