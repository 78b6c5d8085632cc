"""How long a learner waits for feedback beyond her own code: per exercise, for a right and a wrong answer.

Warm, as in a kernel where the first check has run. Prints the share of exercises under 200 ms, and the
ratio to what a user would pick instead: bare `assert` statements on the same visible cases.

    python benchmarks/check_latency.py [--json]
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["AUTOGRADER_NO_PROGRESS"] = "1"

from autograder.cards import card_html
from autograder.chapters import find_chapters
from autograder.exercises import chapter_exercises
from autograder.judging import judge_answer, oracle_for, public_seed
from autograder.probes.ask import ask

LIMIT_MS, ROUNDS = 200.0, 3


def overhead_ms(exercise, answer) -> tuple[float, float]:
    """(median overhead, median time of the answer's own code) in ms over a few warm checks."""
    seed, over, own = public_seed(exercise.id), [], []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        told = judge_answer(exercise, lambda q: ask(answer, q), seed)
        card_html(told, exercise)
        total = time.perf_counter() - started
        over.append(1e3 * (total - told.seconds))
        own.append(1e3 * told.seconds)
    return statistics.median(over[1:]), statistics.median(own[1:])


def bare_ms(exercise, answer) -> float:
    """The same visible cases asked bare, without a judge."""
    oracle = oracle_for(exercise, public_seed(exercise.id))
    questions = [q for (g, _), q in zip(oracle.cases, oracle.questions, strict=True) if g == "visible"]
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for question in questions:
            ask(answer, question)
        times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times)


def main() -> int:
    rows = []
    for chapter in find_chapters():
        for exercise in chapter_exercises(chapter.number):
            right = overhead_ms(exercise, exercise.reference)
            wrong = max(overhead_ms(exercise, m.answer) for m in exercise.misconceptions)
            rows.append({"exercise": exercise.id, "right_ms": right[0], "wrong_ms": wrong[0], "own_ms": right[1],
                         "visible_only_ms": bare_ms(exercise, exercise.reference)})
    quick = sum(max(r["right_ms"], r["wrong_ms"]) <= LIMIT_MS for r in rows)
    report = {"exercises": len(rows), "under_200_ms": quick / max(len(rows), 1), "rows": rows}
    if "--json" in sys.argv:
        print(json.dumps(report, indent=1))
    else:
        print(f"{'exercise':32}{'right':>10}{'wrong':>10}{'own code':>10}{'full / visible only':>22}")
        for r in rows:
            ratio = (r["right_ms"] + r["own_ms"]) / max(r["visible_only_ms"], 1e-6)
            print(f"{r['exercise']:32}{r['right_ms']:9.1f} {r['wrong_ms']:9.1f} {r['own_ms']:9.1f} {ratio:20.1f}x")
        print(f"{quick} of {len(rows)} exercises answer within {LIMIT_MS:.0f} ms beyond the learner's own code")
    return 0 if rows and quick >= 0.95 * len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
