"""The floor under every grader: fork a warm process, run the cells, ask the questions. Nothing else.

    python -m measuring.floor FILE

No sandbox, no judge, no gradebook, no reply. FILE is written by `write_task`. Prints JSON: CPU and wall
seconds a submission, and those of a bare fork.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.exercise import Exercise
from autograder.judging import oracle_for, seed_for
from autograder.notebooks.build import write_text
from autograder.probes.ask import answer_file, ask
from autograder.probes.plain import pack, unpack

ENDS = ("TimeLimit", "KeyboardInterrupt")
FORKS = 20


def write_task(path: Path, exercises: list[Exercise], setup: list[str], submissions: list[dict[str, str]],
               seed: str) -> None:
    """Write what the floor runs: each submission is the source of its answers by the exercise's name, what was
    left as handed out not among them."""
    asked = {e.name: {"names": list(e.names), "questions": oracle_for(e, seed_for(e.id, seed)).questions}
             for e in exercises}
    write_text(path, pack({"setup": setup, "exercises": asked, "submissions": submissions}).hex())


def main() -> None:
    """Run every submission of a task in a fork of this process."""
    task = unpack(bytes.fromhex(Path(sys.argv[1]).read_text()))
    warm_up(task["setup"])
    null = os.open(os.devnull, os.O_WRONLY)
    bare = _measured(lambda: None, [None] * FORKS, null)
    whole = _measured(lambda answers: run(task, answers), task["submissions"], null)
    print(json.dumps({"cpu_s": whole[0], "wall_s": whole[1], "fork_cpu_s": bare[0], "fork_wall_s": bare[1],
                      "submissions": len(task["submissions"])}))


def warm_up(setup: list[str]) -> None:
    """Import what the set-up cells import, and what the first optimizer imports."""
    for source in setup:
        exec(compile(source, "<setup>", "exec"), {"__name__": "__main__"})
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
        torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=0.1)
    gc.collect()
    gc.freeze()


def run(task: dict, answers: dict[str, str]) -> None:
    """One submission: set-up, then each answer's cell and the questions of its exercise."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, source in enumerate(task["setup"]):
        _cell(number, source, namespace)
    for number, (name, source) in enumerate(answers.items(), len(task["setup"])):
        _cell(number, source, namespace)
        exercise = task["exercises"][name]
        if any(n not in namespace for n in exercise["names"]):
            continue
        parts = tuple(namespace[n] for n in exercise["names"])
        for question in exercise["questions"]:
            outcome = ask(parts[0] if len(parts) == 1 else parts, question)
            if "error" in outcome and outcome["error"]["types"][0] in ENDS:
                break


def _cell(number: int, source: str, namespace: dict) -> None:
    try:
        exec(compile(source, answer_file(number, source), "exec"), namespace)
    except BaseException:
        return


def _measured(what: Callable, inputs: list, null: int) -> tuple[float, float]:
    """(CPU, wall) seconds an input, each in a fork."""
    before, started = _cpu(), time.perf_counter()
    for one in inputs:
        if one == {}:
            continue  # nothing was answered, so nothing has to run
        child = os.fork()
        if child == 0:
            try:
                os.dup2(null, 1)
                os.dup2(null, 2)
                what(*([] if one is None else [one]))
            finally:
                os._exit(0)
        os.waitpid(child, 0)
    count = max(len(inputs), 1)
    return (_cpu() - before) / count, (time.perf_counter() - started) / count


def _cpu() -> float:
    return sum(used.ru_utime + used.ru_stime
               for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


if __name__ == "__main__":
    main()
