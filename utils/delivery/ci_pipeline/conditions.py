"""Which blocks of `post` run after a build, and in which order."""

from __future__ import annotations

# From best to worst, as Jenkins orders its results (hudson.model.Result).
RESULTS = ("SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED")

# In the order in which the blocks run: the ordinals of the condition classes of
# jenkinsci/pipeline-model-definition-plugin (model/conditions/*.groovy), from always = 1000 down; cleanup is last.
# The handbook (jenkins.io, Pipeline Syntax, post) lists failure before success, and unsuccessful after unstable. The
# plugin moved failure behind them in 2018 (JENKINS-50645), so that it also sees what fails in the blocks before it.
POST_ORDER = ("always", "changed", "fixed", "regression", "aborted", "success", "unsuccessful", "unstable", "failure",
              "notBuilt", "cleanup")


def post_conditions(current: str, previous: str | None) -> list[str]:
    """Names of the `post` blocks that run, in the order in which they run.

    `current` is the build's result, `previous` that of the last completed build, None for the first build: that one
    counts as changed, but neither as fixed nor as a regression. Raises ValueError for an unknown result.

    >>> post_conditions("SUCCESS", "ABORTED")
    ['always', 'changed', 'success', 'cleanup']
    """
    for name, result in (("current", current), ("previous", previous)):
        if result not in RESULTS and not (name == "previous" and result is None):
            raise ValueError(f"{name} must be a result, one of {', '.join(RESULTS)}, got {result!r}")
    runs = {
        "always": True, "cleanup": True,
        "changed": current != previous,
        "fixed": current == "SUCCESS" and previous in ("FAILURE", "UNSTABLE"),
        "regression": previous is not None and RESULTS.index(current) > RESULTS.index(previous),
        "success": current == "SUCCESS", "unsuccessful": current != "SUCCESS", "unstable": current == "UNSTABLE",
        "failure": current == "FAILURE", "notBuilt": current == "NOT_BUILT", "aborted": current == "ABORTED",
    }
    return [name for name in POST_ORDER if runs[name]]
