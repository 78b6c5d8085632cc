"""Exercise 32.capacity_schedule: which requests run, given a pool of blocks."""

from __future__ import annotations

from collections import deque
from functools import partial
from math import ceil

import numpy as np

from utils.engines.tensorrt_llm import capacity

from ...compare import exact
from ...exercise import Case, Exercise, Misconception

_MOST_STEPS = 3000  # a mistake may run in circles


def _schedule(prompts: list[int], max_new: list[int], actual_new: list[int], blocks: int, block_size: int, policy: str, *,
              reserve: str = "max", next_token: int = 1, unit: str = "blocks", pause: str = "newest", back: str = "front",
              keeps: bool = True, skips: bool = False, when_empty: bool = False, extra: int = 0, counts: str = "requests",
              both: str = "", checked: bool = True, full: bool = True) -> tuple[int, int, int]:
    """An answer with one mistake; with its defaults it is right. `pause`: newest, oldest, one, never, longest."""
    policy = both or policy
    if checked and any(ceil((p + m) / block_size) > blocks for p, m in zip(prompts, max_new)):
        raise ValueError("a request can never fit")
    done, steps, peak, pauses = [0] * len(prompts), 0, 0, 0
    queue, running = list(range(len(prompts))), []

    def need(i: int) -> float:
        limit = {"max": max_new[i], "actual": actual_new[i], "none": done[i] + next_token}[reserve]
        tokens = prompts[i] + (limit if policy == "guaranteed" else done[i] + next_token)
        return tokens / block_size if unit == "tokens" else ceil(tokens / block_size)

    def fits(more: list[int]) -> bool:
        used = sum(map(need, running + more))
        return used <= blocks if full else used < blocks

    while (queue or running) and steps < _MOST_STEPS:
        paused = []
        while running and not fits([]) and policy != "guaranteed" and pause != "never":
            at = {"oldest": 0, "longest": max(range(len(running)), key=lambda k: done[running[k]])}.get(pause, len(running) - 1)
            i = running.pop(at)
            done[i] = done[i] if keeps else 0
            paused.append(i)
            queue.insert(0 if back == "front" else len(queue), i)
            if pause == "one":
                break
        pauses += bool(paused) if counts == "steps" else len(paused)
        if not (when_empty and running):
            for i in list(queue):
                if fits([i]):
                    running.append(i)
                    queue.remove(i)
                elif not skips:
                    break
        peak, steps = max(peak, len(running)), steps + 1
        for i in running:
            done[i] += 1
        running = [i for i in running if done[i] < actual_new[i] + extra]
    return steps, peak, pauses


def _with_counters(prompts, max_new, actual_new, blocks, block_size, policy):
    """Used blocks kept as a running total."""
    def need(tokens):
        return -(-tokens // block_size)

    total = [p + m for p, m in zip(prompts, max_new)]
    if max(map(need, total), default=0) > blocks:
        raise ValueError("never")
    waiting, live, got = deque(enumerate(prompts)), [], [0] * len(prompts)
    used = steps = peak = pauses = 0
    cost = (lambda i: need(total[i])) if policy == "guaranteed" else (lambda i: need(prompts[i] + got[i] + 1))
    while waiting or live:
        if policy == "max_utilization":
            used = sum(cost(i) for i in live)
            while used > blocks:
                i = live.pop()
                used -= cost(i)
                waiting.appendleft((i, prompts[i]))
                pauses += 1
        while waiting and used + cost(waiting[0][0]) <= blocks:
            i, _ = waiting.popleft()
            live.append(i)
            used += cost(i)
        steps += 1
        peak = max(peak, len(live))
        ended = []
        for i in live:
            got[i] += 1
            if got[i] == actual_new[i]:
                ended.append(i)
        for i in ended:
            live.remove(i)
            used -= cost(i) if policy == "guaranteed" else 0
    return [steps, peak, pauses]


def _with_numpy(prompts, max_new, actual_new, blocks, block_size, policy):
    """A prefix of the requests that are left is running: cumulative sums instead of loops."""
    p, m, a = (np.asarray(v, dtype=int) for v in (prompts, max_new, actual_new))
    if len(p) and (np.ceil((p + m) / block_size) > blocks).any():
        raise ValueError("too large")
    got, was = np.zeros(len(p), int), np.zeros(len(p), bool)
    steps = peak = pauses = 0
    while (got < a).any():
        left = np.flatnonzero(got < a)
        tokens = p[left] + (m[left] if policy == "guaranteed" else got[left] + 1)
        fits = np.cumsum(np.ceil(tokens / block_size)) <= blocks
        now = np.zeros(len(p), bool)
        now[left[np.cumprod(fits).astype(bool)]] = True
        pauses += int((was & ~now & (got < a)).sum())
        got += now
        steps, peak, was = steps + 1, max(peak, int(now.sum())), now
    return steps, peak, pauses


def _draw(rng: np.random.Generator) -> Case:
    n, size = int(rng.integers(2, 8)), int(rng.integers(1, 6))
    prompts, actual = (rng.integers(1, most, n).tolist() for most in (14, 13))
    limits = [int(a + rng.integers(0, 9)) for a in actual]
    least = max(ceil((p + m) / size) for p, m in zip(prompts, limits))
    return Case(prompts, limits, actual, least + int(rng.integers(0, 8)), size, str(rng.choice(["guaranteed", "max_utilization", "max_utilization"])))


def _wrong(**mistake) -> dict:
    return {"answer": partial(_schedule, **mistake), "also": (partial(_schedule, **mistake, checked=False),)}


def _both(*args) -> list[Case]:
    return [Case(*args, policy) for policy in ("guaranteed", "max_utilization")]


def _text(message: str, title: str) -> dict:
    return {"message": message, "title": title}


_SMALL = ([4] * 4, [12] * 4, [2, 4, 12, 3], 8, 4)
capacity_schedule = Exercise(
    id="32.capacity_schedule", points=5, difficulty=3, minutes=18, idea="reserve the worst case, or pack and pause",
    reference=capacity.capacity_schedule,
    cases=[*_both(*_SMALL), Case([2, 2], [6, 6], [6, 6], 3, 3, "max_utilization")],
    hidden=[
        *_both([], [], [], 4, 4), *_both([3], [5], [2], 2, 4), *_both([5, 1, 1, 1], [3, 3, 3, 3], [3, 3, 3, 3], 4, 2),
        *_both([4, 4, 4], [6, 6, 6], [6, 6, 6], 30, 4), *_both([2, 9, 1, 1, 1], [8, 3, 4, 4, 4], [5, 3, 4, 2, 1], 6, 2),
        *_both([1] * 6, [8] * 6, [8, 7, 6, 8, 5, 8], 9, 1), *_both([3, 5, 2, 7, 4], [9, 9, 9, 9, 9], [9, 8, 9, 3, 7], 7, 3),
        *_both([8, 8, 8], [8, 8, 8], [1, 8, 1], 8, 4),
        *_both([1, 1, 1, 1], [12, 12, 12, 12], [12, 12, 12, 12], 7, 2),
        *_both([6, 2, 2, 6], [2, 10, 10, 2], [2, 10, 9, 2], 6, 2),
    ],
    draw=_draw, draws=50, compare=exact(),
    raises=[*_both([4, 4], [12, 13], [1, 1], 4, 4), *_both([20], [1], [1], 5, 4), *_both([1, 8, 1], [2, 2, 2], [1, 1, 1], 2, 4)],
    time_limit_s=3,
    misconceptions=[
        Misconception("knows_the_end", **_wrong(reserve="actual"), **_text(
            "Your \"guaranteed\" reserves `actual_new` tokens. No scheduler knows when a model will stop: it has to reserve what the "
            "client allowed, prompt + max_new.", "The length of an answer is not known.")),
        Misconception("nothing_reserved", **_wrong(reserve="none"), **_text(
            "Your \"guaranteed\" counts only what a request holds now. Then the running ones can outgrow the pool, and one of them would have "
            "to be paused. Count the most that each may need.", "No reservation, no guarantee.")),
        Misconception("pauses_the_oldest", **_wrong(pause="oldest"), **_text(
            "You pause the request that runs the longest. It has waited and computed the most. The newest one goes first.",
            "The oldest was paused.")),
        Misconception("pauses_the_longest", **_wrong(pause="longest"), **_text(
            "You pause the request with the most tokens, because it frees the most blocks. The rule is the newest, whatever its size.",
            "The largest was paused.")),
        Misconception("pauses_one", **_wrong(pause="one"), **_text(
            "You pause one request and go on. One may not be enough: after its blocks are free, ask again.", "One pause is not always enough.")),
        Misconception("never_pauses", **_wrong(pause="never"), **_text(
            "Under \"max_utilization\" your running requests grow beyond the pool. Before each step the sum has to fit, with one more token "
            "for each request that runs.", "The pool overflows.")),
        Misconception("one_policy", **_wrong(both="guaranteed"), **_text(
            "Both policies give the same result. \"max_utilization\" counts the blocks of the context and the next token only, so more "
            "requests start.", "The policies are alike."),),
        Misconception("only_when_empty", **_wrong(when_empty=True), **_text(
            "You fill the batch once and wait until all of it has ended. That is static batching. Here a request starts at any step in which it "
            "fits.", "Static batching.")),
        Misconception("tokens_not_blocks", **_wrong(unit="tokens"), **_text(
            "You compare tokens with blocks · block_size. Each request holds whole blocks, and its last one may be nearly empty: round up "
            "for each request, then add.", "Blocks are rounded up for each request.")),
        Misconception("without_the_next_token", **_wrong(next_token=0), **_text(
            "\"max_utilization\" counts context + 1: in this step the request writes one more token, and that needs a place.",
            "The next token needs a place.")),
        Misconception("skips_ahead", **_wrong(skips=True), **_text(
            "When the head of the queue does not fit, you start a smaller one behind it. Then a large request may wait for ever. It is first "
            "come, first served.", "Somebody jumped the queue.")),
        Misconception("to_the_back", **_wrong(back="back"), **_text(
            "You put a paused request at the end of the queue. It came before all that wait: it goes to the front.",
            "Paused ones wait in front.")),
        Misconception("starts_again", **_wrong(keeps=False), **_text(
            "A paused request begins from nothing in your answer. Its tokens are kept; only their keys and values have to be computed again.",
            "The tokens are lost.")),
        Misconception("one_step_too_long", **_wrong(extra=1), **_text(
            "A request leaves after the step that gives it its last token. Yours stay one step longer.", "They leave one step late.")),
        Misconception("counts_steps", **_wrong(counts="steps"), **_text(
            "You count the steps in which somebody was paused. Each paused request counts.", "Each pause counts.")),
        Misconception("never_full", **_wrong(full=False), **_text(
            "You leave one block unused: a sum equal to `blocks` fits.", "A full pool is allowed.")),
        Misconception("unchecked", partial(_schedule, checked=False), **_text(
            "The schedules are right. A request whose prompt + max_new needs more blocks than there are can never be guaranteed a place, and you "
            "accept it. Raise ValueError before the first step, under both policies.", "It can never fit.")),
    ],
    alternatives=[_schedule, _with_counters, _with_numpy],
    hints=(
        "One function `need(i)`: the blocks that request i counts for, by policy. Everything else is comparing sums with `blocks`.",
        "A step is: pause from the end of `running` while the sum is too large; admit from the front of the queue while the sum allows; "
        "count; give each a token; drop those that are done.",
        "Paused ones go back with `appendleft`, in the order in which you pop them. Then the oldest stands in front.",
    ),
    worth_knowing="With a large max_new the guarantee is expensive: the pool is reserved for answers that nobody gets.",
)
