"""Write a declarative Jenkinsfile for a pipeline that is given as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

QUOTES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def to_jenkinsfile(spec: Mapping[str, Any]) -> str:
    """The Jenkinsfile of a pipeline: parsed again it has the same stages.

    `spec` is a stage of `run_tree` or of `run_local_pipeline`. Of the top: `agent` ("any" unless given), `options` (a
    list of lines) and `post` (a dict from conditions to commands). A leaf runs its `sh` (a string), or a `call` as
    the local pipeline would; `when` False becomes an expression that is false. A top that is no sequence of stages
    becomes the only stage.
    """
    lines = ["pipeline {", f"    agent {spec.get('agent', 'any')}"]
    if spec.get("options"):
        lines += ["    options {", *(f"        {option}" for option in spec["options"]), "    }"]
    stages = spec.get("stages", [spec])
    lines += ["    stages {", *(f"        {line}" for stage in stages for line in _stage(stage)), "    }"]
    if spec.get("post"):
        blocks = [f"        {name} {{ sh {quoted(command)} }}" for name, command in spec["post"].items()]
        lines += ["    post {", *blocks, "    }"]
    return "\n".join([*lines, "}", ""])


def quoted(text: str) -> str:
    """A Groovy string in single quotes, in which nothing is interpolated.

    >>> print(quoted("it's"))
    'it\\'s'
    """
    return "'" + "".join(QUOTES.get(char, char) for char in text) + "'"


def _stage(stage: Mapping[str, Any]) -> Iterator[str]:
    yield f"stage({quoted(stage['name'])}) {{"
    if stage.get("failFast"):
        yield "    failFast true"
    if not stage.get("when", True):
        yield "    when { expression { false } }"
    for kind in ("stages", "parallel"):
        if kind in stage:
            yield f"    {kind} {{"
            yield from (f"        {line}" for child in stage[kind] for line in _stage(child))
            yield "    }"
    if not ("stages" in stage or "parallel" in stage):
        yield f"    steps {{ {_step(stage)} }}"
    yield "}"


def _step(stage: Mapping[str, Any]) -> str:
    if "sh" in stage:
        return f"sh {quoted(stage['sh'])}"
    if "call" in stage:
        from .local_run import command

        shown = " ".join(_shell(word) for word in ["python", *command(stage)[1:]])
        step = f"sh {quoted(shown)}"
        return f"timeout(time: {stage['timeout_s']:g}, unit: 'SECONDS') {{ {step} }}" if "timeout_s" in stage else step
    return f"echo {quoted(stage['name'])}"


def _shell(word: str) -> str:
    import shlex

    return shlex.quote(word)
