"""EXPECT: 0. A transformer that blanks cells blanks none of the grader's: it has none inside."""

KIND = "cell"
CAUSE = r"expected|It returns|Look at"
CELL = r"""
get_ipython().input_transformers_post.append(lambda lines: ["pass\n"])
get_ipython().input_transformers_cleanup.append(lambda lines: ["pass\n"])

def ANSWER(*args, **kwargs):
    return args[0]
"""
