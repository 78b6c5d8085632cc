"""What Jenkins would refuse in a declarative pipeline, before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from .conditions import POST_ORDER
from .jenkinsfile import Pipeline, Stage

BODIES = ("steps", "stages", "parallel", "matrix")


def lint(pipeline: Pipeline) -> list[str]:
    """Findings, one sentence each, in the order of the file; an empty list says that nothing was found.

    The rules are a part of those in the declarative plugin's validator (jenkinsci/pipeline-model-definition-plugin,
    src/test/resources/errors); an unknown step or tool can't be known without a Jenkins.
    """
    return [*_top(pipeline), *_duplicates(pipeline), *(f for stage in pipeline.stages for f in _stage(stage, ""))]


def _top(pipeline: Pipeline) -> Iterator[str]:
    if pipeline.agent is None:
        yield "The pipeline has no agent."
    if "stages" not in pipeline.found:
        yield "The pipeline has no stages block."
    elif not pipeline.stages:
        yield "The stages block is empty."
    yield from _post(pipeline.post, "The pipeline")


def _duplicates(pipeline: Pipeline) -> Iterator[str]:
    counts = Counter(stage.name for stage in pipeline.walk())
    yield from (f"The stage name {name!r} occurs {n} times." for name, n in counts.items() if n > 1)


def _stage(stage: Stage, above: str) -> Iterator[str]:
    """Findings of a stage and those below it; `above` is the kind of the parallel or matrix that it is in."""
    where = f"Stage {stage.name!r}"
    bodies = [name for name in stage.found if name in BODIES]
    if not bodies:
        yield f"{where} has nothing to do: one of {', '.join(BODIES)} is needed."
    elif len(bodies) > 1:
        yield f"{where} has {' and '.join(bodies)}: only one of them is allowed."
    if stage.kind != "leaf" and not stage.children:
        yield f"{where} has an empty {stage.kind} block."
    if stage.kind == "matrix" and not stage.axes:
        yield f"{where} is a matrix without axes."
    if above and stage.kind in ("parallel", "matrix"):
        yield f"{where} is a {stage.kind} inside a {above}: only one level is allowed."
    yield from _post(stage.post, where)
    inner = stage.kind if stage.kind in ("parallel", "matrix") else above
    for child in stage.children:
        yield from _stage(child, inner)


def _post(post: dict[str, str] | None, where: str) -> Iterator[str]:
    if post is not None and not post:
        yield f"{where} has an empty post block."
    yield from (f"{where} has the unknown post condition {name!r}." for name in post or {} if name not in POST_ORDER)
