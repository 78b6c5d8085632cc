"""EXPECT: 0. Errors that are called like the grader's own change nothing."""

KIND = "cell"
CAUSE = r"NotRun|AnswerGone|ended"
CELL = r"""
class NotRun(ValueError):
    pass

class AnswerGone(NotRun):
    pass

def ANSWER(*args, **kwargs):
    raise AnswerGone("not run: right all the same")
"""
