"""Exercise 30.serve_continuous: iteration-level scheduling."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import numpy as np

from utils.engines import llm_serving

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Times = tuple[list, list]


def _loop(*, key: Callable[[int, list, list], tuple] = lambda i, arrivals, outputs: (arrivals[i],), refill: bool = True,
          hold: bool = False, cost: Callable[[float, float, int, int], float] = lambda base, per, running, top: base + per * running,
          strict: bool = False, mid_step: bool = False, idle: str = "jump", told: Callable[..., Times] | None = None) -> Callable:
    """A scheduler with one rule replaced; with its defaults it is right.

    key: who goes first. refill: whether free slots are filled before the batch is empty; hold: whether the finished wait
    for the whole batch. strict: whether who comes exactly at a busy boundary is too late. mid_step: whether those who come
    during a step share in it. idle: "jump" to the next arrival, "tick" in whole steps, or "ignore" arrivals.
    """

    def answer(arrivals: list[float], outputs: list[int], max_batch: int, step_base: float, step_per_seq: float) -> Times:
        order = sorted(range(len(arrivals)), key=lambda i: key(i, arrivals, outputs))
        left, now, running = list(outputs), 0.0, []
        first, entered, end = {}, {}, {}

        def admit(here: Callable[[float], bool]) -> None:
            for i in list(order):
                if len(running) < max_batch and here(arrivals[i]):
                    order.remove(i)
                    running.append(i)
                    entered[i] = now

        while order or running:
            if not running and idle != "ignore" and min(arrivals[i] for i in order) > now:
                now = min(arrivals[i] for i in order) if idle == "jump" else now + step_base + step_per_seq
                continue
            if refill or not running:
                late = strict and bool(running)
                admit(lambda a, t=now, late=late: idle == "ignore" or a < t or (a == t and not late))
            start, now = now, now + cost(step_base, step_per_seq, len(running), max_batch)
            if mid_step:
                admit(lambda a, s=start, t=now: s < a < t)
            for i in running:
                left[i] -= 1
                first.setdefault(i, now)
                if left[i] <= 0:
                    end.setdefault(i, now)
            if hold and any(left[i] > 0 for i in running):
                continue
            if hold:
                end.update(dict.fromkeys(running, now))
            running = [i for i in running if left[i] > 0]
        return (told or _from_arrival)(arrivals, outputs, first, end, entered)

    return answer


def _from_arrival(arrivals: list, outputs: list, first: dict, end: dict, entered: dict) -> Times:
    n = range(len(arrivals))
    return [first[i] - arrivals[i] for i in n], [end[i] - arrivals[i] for i in n]


def _on_the_clock(arrivals: list, outputs: list, first: dict, end: dict, entered: dict) -> Times:
    return [first[i] for i in range(len(arrivals))], [end[i] for i in range(len(arrivals))]


def _ttft_on_the_clock(arrivals: list, outputs: list, first: dict, end: dict, entered: dict) -> Times:
    return [first[i] for i in range(len(arrivals))], _from_arrival(arrivals, outputs, first, end, entered)[1]


def _wait_only(arrivals: list, outputs: list, first: dict, end: dict, entered: dict) -> Times:
    return [entered[i] - arrivals[i] for i in range(len(arrivals))], _from_arrival(arrivals, outputs, first, end, entered)[1]


def _from_entry(arrivals: list, outputs: list, first: dict, end: dict, entered: dict) -> Times:
    n = range(len(arrivals))
    return [first[i] - entered[i] for i in n], [end[i] - entered[i] for i in n]


def _after_the_first(arrivals: list, outputs: list, first: dict, end: dict, entered: dict) -> Times:
    n = range(len(arrivals))
    return [first[i] - arrivals[i] for i in n], [end[i] - first[i] for i in n]


def _in_order_of(which: Callable[[list, list, dict], Callable[[int], tuple]]) -> Callable[..., Times]:
    def told(arrivals: list, outputs: list, first: dict, end: dict, entered: dict) -> Times:
        ttft, latency = _from_arrival(arrivals, outputs, first, end, entered)
        order = sorted(range(len(arrivals)), key=which(arrivals, outputs, end))
        return [ttft[i] for i in order], [latency[i] for i in order]

    return told


def _one_token_late(arrivals: list[float], outputs: list[int], max_batch: int, step_base: float, step_per_seq: float) -> Times:
    """Slots are given back one step too late."""
    order = sorted(range(len(arrivals)), key=lambda i: arrivals[i])
    left, first, end, now, running = list(outputs), {}, {}, 0.0, []
    while order or running:
        if not running:
            now = max(now, arrivals[order[0]])
        while order and len(running) < max_batch and arrivals[order[0]] <= now:
            running.append(order.pop(0))
        now += step_base + step_per_seq * len(running)
        done = [i for i in running if left[i] <= 0]
        for i in running:
            left[i] -= 1
            first.setdefault(i, now)
            if left[i] == 0:
                end[i] = now
        running = [i for i in running if i not in done]
    return _from_arrival(arrivals, outputs, first, end, {})


def _by_events(arrivals: list[float], outputs: list[int], max_batch: int, step_base: float, step_per_seq: float) -> Times:
    """A heap of (step at which a request is done, index); counts steps and never touches a running request."""
    order = sorted(range(len(arrivals)), key=lambda i: arrivals[i])
    ttft, latency, heap, step, now, at = [0.0] * len(order), [0.0] * len(order), [], 0, 0.0, 0
    while at < len(order) or heap:
        if not heap and arrivals[order[at]] > now:
            now = arrivals[order[at]]
        fresh = []
        while at < len(order) and len(heap) < max_batch and arrivals[order[at]] <= now:
            i = order[at]
            at += 1
            fresh.append(i)
            heapq.heappush(heap, (step + outputs[i], i))
        now, step = now + step_base + step_per_seq * len(heap), step + 1
        for i in fresh:
            ttft[i] = now - arrivals[i]
        while heap and heap[0][0] == step:
            i = heapq.heappop(heap)[1]
            latency[i] = now - arrivals[i]
    return ttft, latency


def _with_the_scheduler(arrivals: list[float], outputs: list[int], max_batch: int, step_base: float, step_per_seq: float) -> Times:
    """The library's class, one request at a time."""
    scheduler, now, first, end = llm_serving.IterationScheduler(max_batch), 0.0, {}, {}
    coming = sorted(range(len(arrivals)), key=lambda i: arrivals[i])
    while len(end) < len(arrivals):
        if not scheduler.running and not scheduler.waiting:
            now = max(now, arrivals[coming[0]])
        while coming and arrivals[coming[0]] <= now:
            i = coming.pop(0)
            scheduler.submit(i, outputs[i])
        scheduler.admit()
        now += step_base + step_per_seq * len(scheduler.running)
        for i in scheduler.running:
            first.setdefault(i, now)
        for i in scheduler.step():
            end[i] = now
    return _from_arrival(arrivals, outputs, first, end, {})


def _draw(rng: np.random.Generator) -> Case:
    """Quarters of a second, so that sums are exact and arrivals often meet a boundary."""
    n = int(rng.integers(1, 13))
    arrivals = (rng.integers(0, int(rng.choice([4, 24, 120])), n) / 4).tolist()
    if rng.random() < 0.5:
        arrivals.sort()
    base, per = int(rng.integers(0, 9)) / 4, int(rng.integers(0, 5)) / 4
    if base + per == 0:
        base = 0.5
    outputs = rng.integers(1, int(rng.choice([3, 7, 14])), n).tolist()
    return Case(arrivals, outputs, int(rng.integers(1, 6)), base, per, label=f"{n} requests, drawn")


serve_continuous = Exercise(
    id="30.serve_continuous", points=5, difficulty=3, minutes=20, idea="a batch is put together anew before every step",
    reference=llm_serving.serve_continuous,
    cases=[Case([0, 0, 1, 2], [3, 8, 2, 4], 2, 1.0, 0.5), Case([5, 0.5, 0.5], [2, 1, 3], 4, 0.25, 0.25)],
    hidden=[
        Case([], [], 4, 1.0, 0.5), Case([3.0], [1], 4, 1.0, 0.5), Case([0, 0, 0], [5, 1, 2], 1, 1.0, 0.0), Case([0, 2, 2], [2, 1, 1], 1, 1.0, 0.0),
        Case([0, 1, 2, 3], [4, 4, 4, 4], 3, 1.0, 0.0), Case([0, 100, 101.25], [2, 3, 1], 2, 1.0, 0.5), Case([9, 8, 7, 0], [1, 2, 3, 4], 2, 1.0, 0.5),
        Case([0, 0, 0, 0, 0], [9, 1, 1, 1, 1], 2, 1.0, 0.5), Case([0, 0.25, 0.25, 6], [6, 2, 2, 1], 2, 0.0, 1.0), Case([1, 1, 1], [1, 1, 1], 8, 2.0, 0.25),
        Case([0, 1.5, 1.5, 3], [3, 1, 4, 1], 2, 1.5, 0.0), Case([4, 0, 4, 0], [3, 1, 2, 6], 2, 1.0, 1.0), Case([0, 0.5], [1, 1], 2, 1.0, 0.0),
    ],
    draw=_draw, draws=50, compare=close(1e-9, 1e-9),
    misconceptions=[
        Misconception(
            "static", _loop(refill=False, hold=True),
            "You wait until the whole batch has ended before you let anybody in. That is static batching. Look at a free slot at every step "
            "boundary.",
            "This is static batching.", also=(_loop(refill=False),)),
        Misconception(
            "holds_the_finished", _loop(hold=True),
            "A finished request keeps its slot, and its answer, until the others of its batch have ended. It leaves after the step that makes its "
            "last token.",
            "Finished requests stay in the batch."),
        Misconception(
            "mid_step", _loop(mid_step=True),
            "You let a request join a step that has begun. It has to wait for the next boundary: the step's kernels already run for the "
            "others.",
            "A step has begun without it."),
        Misconception(
            "too_late_at_the_boundary", _loop(strict=True),
            "A request that arrives exactly at a step boundary has to wait a whole step in your answer. At a boundary all that have arrived by "
            "then may enter, those of this very moment too.",
            "The boundary itself is not too late."),
        Misconception(
            "full_batch_cost", _loop(cost=lambda base, per, running, top: base + per * top),
            "You charge every step for `max_batch` sequences. A step costs what is in it: multiply by the requests that run now.",
            "Empty slots cost nothing."),
        Misconception(
            "base_alone", _loop(cost=lambda base, per, running, top: base + per),
            "Your steps cost the same whatever runs in them. Each running request adds `step_per_seq`.",
            "Each sequence adds to the step."),
        Misconception(
            "on_the_clock", _loop(told=_on_the_clock),
            "You return times on the server's clock. Both are asked from the request's own arrival: subtract it.",
            "The arrival was not subtracted.", also=(_loop(told=_ttft_on_the_clock),)),
        Misconception(
            "wait_only", _loop(told=_wait_only),
            "Your time to first token ends when the request enters the batch. The first token is there at the *end* of its first step.",
            "A token exists at the end of a step."),
        Misconception(
            "from_entry", _loop(told=_from_entry),
            "You count from the moment of admission. The user has waited since the arrival.",
            "The queue counts as well.", also=(_loop(told=_after_the_first),)),
        Misconception(
            "sorted_order", _loop(told=_in_order_of(lambda a, o, end: lambda i: (a[i],))),
            "The numbers are right, but their order is not: you return them in the order of arrival or of completion. Asked is the order of the "
            "arguments.",
            "The results are in another order.", also=(_loop(told=_in_order_of(lambda a, o, end: lambda i: (end[i],))),)),
        Misconception(
            "input_order", _loop(key=lambda i, arrivals, outputs: (i,)),
            "You take the requests in the order of the list. `arrivals` need not be sorted: first come, first served means by arrival time.",
            "First in the list is not first come."),
        Misconception(
            "shortest_first", _loop(key=lambda i, arrivals, outputs: (outputs[i], arrivals[i])),
            "You prefer short outputs. That lowers the mean, and a server does not know the lengths beforehand. Asked is first come, first "
            "served.",
            "This is not first come, first served."),
        Misconception(
            "idle_ticks", _loop(idle="tick"),
            "When nobody is there you let the clock run in whole steps. An idle server starts at the moment of the next arrival: set the clock "
            "to it.",
            "An idle server waits exactly until the next arrival."),
        Misconception(
            "starts_early", _loop(idle="ignore"),
            "You admit requests that have not arrived yet. At a boundary only those with an arrival at or before it may enter.",
            "A request starts before it comes."),
        Misconception(
            "one_step_late", _one_token_late,
            "You give a slot back one step too late: a request with no token left still takes part in a step. Remove it right after its "
            "last token.",
            "A slot is freed too late."),
    ],
    alternatives=[_loop(), _by_events, _with_the_scheduler],
    hints=(
        "Keep the clock, the running requests with the tokens they still need, and the others sorted by arrival (Python's sort keeps ties in order).",
        "One turn of the loop is one step: if nothing runs, move the clock to the next arrival; admit; add the step's duration; give every "
        "running request a token.",
        "Note a request's first token when it has none yet, and its end when its last token is made. Remove it at once.",
    ),
    worth_knowing="Orca (OSDI 2022) called this iteration-level scheduling; NVIDIA says in-flight batching. vLLM, SGLang and TensorRT-LLM all do it.",
)
