"""Probes of chapter 47: modules from a recipe, a cache asked by a script, and threads that meet inside an answer.

The threads synchronise by barriers and events; every wait has a watchdog, so that an answer which waits for ever ends
as plain data ("stuck") and not as a check that hangs.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from .plain import to_plain

MISTAKES = (AttributeError, NameError, NotImplementedError, TypeError)  # told with the learner's own line
PAUSE_S = 0.002
FALSY = {"zero": 0, "none": None, "empty": "", "no": False, "list": []}

# --- modules ------------------------------------------------------------------------------------------


def footprint(answer: Callable, recipe: Sequence[Sequence], meta: bool = False, grads: bool = False) -> Any:
    """Ask for the footprint of a module made by a recipe; `meta` puts all of it on the meta device.

    The recipe is a list of parts, each ["kind", argument, …]; see `_PARTS`. With `grads` every floating parameter has
    a gradient. One part is the module itself, several are the children of a container.
    """
    with torch.device("meta" if meta else "cpu"):
        parts = [_PARTS[kind](*args) for kind, *args in recipe]
    m = parts[0] if len(parts) == 1 else nn.Sequential(nn.Sequential(*parts[:1]), *parts[1:])
    if grads:
        for p in m.parameters():
            p.grad = torch.zeros_like(p)
    return answer(m)


class _Tied(nn.Module):
    """An embedding and an output layer with one weight."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        # from_pretrained: random numbers on the meta device would load torch's compiler, which takes seconds
        self.embed = nn.Embedding.from_pretrained(torch.zeros(tokens, width), freeze=False)
        self.head = nn.Linear(width, tokens, bias=False)
        self.head.weight = self.embed.weight


def _holder(**tensors: torch.Tensor) -> nn.Module:
    """A module with non-persistent buffers."""
    m = nn.Module()
    for name, tensor in tensors.items():
        m.register_buffer(name, tensor, persistent=False)
    return m


def _flat(*sizes: int) -> nn.Module:
    """Parameters that are slices of one flat storage."""
    m, flat, at = nn.Module(), torch.zeros(sum(sizes)), 0
    for number, size in enumerate(sizes):
        m.register_parameter(f"p{number}", nn.Parameter(flat[at : at + size]))
        at += size
    return m


def _shared_layer(width: int) -> nn.Module:
    """One layer that stands twice in a sequence."""
    layer = nn.Linear(width, width)
    return nn.Sequential(layer, nn.ReLU(), layer)


def _loose(size: int) -> nn.Module:
    """A linear layer with a tensor in a plain attribute and another in a list: neither is a parameter or a buffer."""
    m = nn.Linear(size, 2)
    m.scratch, m.history = torch.zeros(5 * size), [torch.zeros(7 * size)]
    return m


def _frozen(n_in: int, n_out: int) -> nn.Module:
    return nn.Linear(n_in, n_out).requires_grad_(False)


def _moved_buffer(width: int) -> nn.Module:
    """Batch normalisation with one buffer on another device than all the rest."""
    m = nn.BatchNorm1d(width)
    other = "cpu" if m.running_mean.is_meta else "meta"
    m.running_mean = torch.zeros(width, device=other)
    return m


_PARTS: dict[str, Callable[..., nn.Module]] = {
    "linear": lambda n_in, n_out, dtype="float32": nn.Linear(n_in, n_out, dtype=getattr(torch, dtype)),
    "no bias": lambda n_in, n_out: nn.Linear(n_in, n_out, bias=False),
    "on cpu": lambda n_in, n_out: nn.Linear(n_in, n_out, device="cpu"),
    "on meta": lambda n_in, n_out: nn.Linear(n_in, n_out, device="meta"),
    "conv": lambda c_in, c_out, k: nn.Conv2d(c_in, c_out, k),
    "batch norm": nn.BatchNorm2d,
    "plain norm": lambda width: nn.BatchNorm1d(width, affine=False, track_running_stats=False),
    "tied": _Tied,
    "twice": _shared_layer,
    "buffer": lambda size, dtype="float32": _holder(scratch=torch.zeros(size, dtype=getattr(torch, dtype))),
    "view": lambda size, start, stop: _holder(part=torch.zeros(size)[start:stop]),
    "expanded": lambda size: _holder(mask=torch.zeros(1).expand(size)),
    "views": lambda size: (lambda whole: _holder(a=whole[: size // 2], b=whole[size // 2 :]))(torch.zeros(size)),
    "flat": _flat,
    "loose": _loose,
    "frozen": _frozen,
    "moved buffer": _moved_buffer,
    "relu": nn.ReLU,
}


# --- a cache for one thread ---------------------------------------------------------------------------


def cache_story(answer: Callable, budget: int, sizes: dict, requests: str | Sequence[str], fails: dict | None = None,
                objects: dict | None = None) -> list[dict]:
    """Build a cache, ask it for one model after the other, and look at everything after each request.

    A loader returns a fresh string that names the model and the number of the load ("A, load 2"), or what `objects`
    says for it (a key of FALSY). `fails` tells for a model which of its loads raise OSError, counted from 1.
    An entry a request: what came ("did"; an error by its name), how often each loader has run, what is resident, and
    the counters.
    """
    counts, fails, objects = dict.fromkeys(sizes, 0), fails or {}, objects or {}

    def loader(name: str) -> Callable[[], Any]:
        def load() -> Any:
            counts[name] += 1
            if counts[name] in fails.get(name, ()):
                raise OSError(f"cannot read {name}")
            return FALSY[objects[name]] if name in objects else f"{name}, load {counts[name]}"

        return load

    cache = answer(budget, {name: loader(name) for name in sizes}, dict(sizes))
    story = []
    for name in requests:
        did = _attempt(cache.get, name)
        story.append({"did": did, "loads": sum(counts.values()), "resident": _names(cache.resident()),
                      "hits": to_plain(cache.hits), "misses": to_plain(cache.misses), "evicted": _names(cache.evicted)})
    return story


def _attempt(fn: Callable, *args: Any) -> Any:
    """What a call returns, or the name of the error that it raises."""
    try:
        return to_plain(fn(*args))
    except MISTAKES:
        raise
    except Exception as error:
        return f"raised {type(error).__name__}"


def _names(value: Any) -> Any:
    """A list of names, whatever sequence it came as."""
    plain = to_plain(value)
    return list(plain) if isinstance(plain, tuple) else plain


# --- threads ------------------------------------------------------------------------------------------


class Key:
    """A key that equals others of its label, and tells which threads have found an equal one in a table."""

    def __init__(self, label: str, meeting: Meeting) -> None:
        self.label, self.meeting = label, meeting

    def __hash__(self) -> int:
        return hash(self.label)

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, Key) and self.label == other.label
        if same:
            self.meeting.arrived(threading.get_ident())
        return same


class Meeting:
    """Who has come as far as to share a run: found its key, begun a run of its own, or ended.

    `patience_s` bounds every wait, and `patience_s` + `slack_s` every call. They grow with the time that starting
    threads takes here, and shrink for an answer that has made watchdogs bark before: a check of it should end soon.
    """

    def __init__(self, answer: Any) -> None:
        self.answer, barks = answer, _barks.get(answer, 0) if _can_be_watched(answer) else 0
        self.patience_s = _patience(barks)
        self.slack_s = 0.8 if barks < 2 else 0.3
        self.on_give_up: Callable[[], Any] = lambda: None
        self._there, self._changed, self._given_up = set(), threading.Condition(), False

    def barked(self) -> None:
        """A wait has ended by its watchdog, unless somebody had said that it was in vain."""
        if _can_be_watched(self.answer) and not self._given_up:
            _barks[self.answer] = _barks.get(self.answer, 0) + 1

    def arrived(self, thread: int) -> None:
        with self._changed:
            self._there.add(thread)
            self._changed.notify_all()

    def give_up(self) -> None:
        """Somebody will not arrive: no more waiting."""
        with self._changed:
            self._given_up = True
            self._changed.notify_all()
        self.on_give_up()

    def wait_for(self, count: int) -> None:
        """Wait until `count` threads have arrived, the watchdog barks or somebody gives up."""
        with self._changed:
            ended = self._changed.wait_for(lambda: len(self._there) >= count or self._given_up, self.patience_s)
        if not ended:
            self.barked()


class NeverReturns(BaseException):
    """A misconception's call would wait for ever here. It ends as a stuck one, and nobody has to wait for it."""


def will_not_arrive() -> None:
    """A misconception's call waits where no run is shared: whoever holds it up need not wait for it."""
    _here.meeting.give_up()


_here = threading.local()


def together(answer: Callable, threads: int, result: str = "an object", late: bool = False) -> dict:
    """`threads` threads call do with equal keys and one function, which ends only when all of them have arrived.

    The function returns an object or what FALSY calls `result`; "an error" makes it raise ValueError. Then one more
    call is made. All threads are held up at every line until the function has ended, after that only those that ran
    it. They start at a barrier; with `late` all but one start when the function is running.
    """
    flight, meeting, leaders = answer(), Meeting(answer), []
    begun, ended = threading.Event(), threading.Event()
    value: Any = FALSY.get(result, object())
    error = ValueError("the file is corrupt")

    def fn() -> Any:
        leaders.append(threading.get_ident())
        meeting.arrived(leaders[-1])
        begun.set()
        if len(leaders) == 1:
            meeting.wait_for(threads)
        ended.set()
        if result == "an error":
            raise error
        return value

    calls = [_call(flight, Key("m", meeting), fn, meeting) for _ in range(threads)]
    slow = _Slow(flight, lambda: not ended.is_set() or threading.get_ident() in leaders)
    if late:
        calls[0].start()
        begun.wait(meeting.patience_s)
    stuck = _run(calls[late:], meeting, slow) + (_still_running(calls[:1], meeting) if late else 0)
    names = {id(value): "the result", id(error): "the error"}
    told = {_told_end(call, names) for call in calls if call.ended}
    one_run, after = "once" if len(leaders) == 1 else "several times", "not asked"
    if not stuck:
        again = object()
        last = _call(flight, Key("m", meeting), lambda: again, meeting)
        after = "stuck" if _run([last], meeting) else _told_end(last, names | {id(again): "a new result"})
    return {"ran": one_run, "got": sorted(told), "stuck": bool(stuck), "next call": after}


def two_keys(answer: Callable, first: Any = "a", second: Any = "b", fail: bool = False) -> dict:
    """Two threads with different keys, whose functions end only when both run. `fail`: the first one raises."""
    flight, both, meeting = answer(), threading.Barrier(2), Meeting(answer)
    meeting.on_give_up = both.abort

    def runs(told: str, raises: bool) -> Callable[[], str]:
        def fn() -> str:
            try:
                both.wait(meeting.patience_s)
            except threading.BrokenBarrierError:
                meeting.barked()
                return "alone"
            if raises:
                raise ValueError(told)
            return told

        return fn

    keys = [tuple(key) if isinstance(key, list) else key for key in (first, second)]
    calls = [_call(flight, key, runs(f"result {number}", fail and number == 1), meeting)
             for number, key in enumerate(keys, 1)]
    stuck = _run(calls, meeting)
    return {"got": [_told_end(call, {}) if call.ended else "stuck" for call in calls], "stuck": bool(stuck)}


def nested(answer: Callable, fail: bool = False) -> dict:
    """A function that itself calls do with another key, in the same thread."""
    flight, meeting = answer(), Meeting(answer)

    def inner() -> str:
        if fail:
            raise ValueError("inner")
        return "inner"

    call = _call(flight, "outer", lambda: f"outer of {flight.do('inner', inner)}", meeting)
    stuck = _run([call], meeting)
    return {"got": "stuck" if stuck else _told_end(call, {})}


def one_by_one(answer: Callable, script: Sequence[Sequence]) -> list:
    """Calls of one thread. A step is [key, what its run returns, a key of FALSY, or "an error"]."""
    flight, meeting = answer(), Meeting(answer)
    story: list[Any] = []

    def work() -> None:
        for key, outcome in script:
            ran = []

            def fn(outcome: str = outcome, ran: list = ran) -> Any:
                ran.append(1)
                if outcome == "an error":
                    raise ValueError("the file is corrupt")
                return FALSY.get(outcome, outcome)

            got = _told(lambda key=key, fn=fn: flight.do(key, fn), {})
            story.append({"ran": len(ran), "got": got})

    worker = _Call(work, meeting)
    if _run([worker], meeting):
        return [*story, "stuck"]
    if worker.error is not None:
        raise worker.error
    return story


def handover(answer: Callable, threads: int) -> dict:
    """As soon as the call that ran the function has returned, a new one begins, while the other callers still wake.

    They are held up at every line. They must get the first run's result, and the new call must run again.
    """
    flight, meeting = answer(), Meeting(answer)
    leaders, first, second = [], object(), object()

    def fn() -> object:
        leaders.append(threading.get_ident())
        meeting.arrived(leaders[-1])
        if len(leaders) == 1:
            meeting.wait_for(threads)
        return first

    ended = threading.Event()
    calls = [_call(flight, Key("m", meeting), fn, meeting) for _ in range(threads)]
    for call in calls:
        call.after = lambda: ended.set() if threading.get_ident() in leaders else None
    last = _call(flight, Key("m", meeting), lambda: second, meeting)
    slow = _Slow(flight, lambda: bool(leaders) and threading.get_ident() not in leaders, 5 * PAUSE_S)
    for call in calls:
        call.start(slow)
    ended.wait(meeting.patience_s + 0.2)
    last.start()
    stuck = _still_running([*calls, last], meeting)
    names = {id(first): "the first result", id(second): "the second result"}
    told = {_told_end(call, names) for call in calls if call.ended}
    return {"got": sorted(told), "stuck": bool(stuck), "next call": _told_end(last, names) if last.ended else "stuck"}


class _Call:
    """A function for a daemon thread, and how it ended."""

    def __init__(self, fn: Callable[[], Any], meeting: Meeting) -> None:
        self.fn, self.meeting, self.value, self.error, self.ended = fn, meeting, None, None, False
        self.after: Callable[[], Any] = lambda: None
        self.slow: _Slow | None = None
        self.gate: threading.Barrier | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self, slow: _Slow | None = None, gate: threading.Barrier | None = None) -> None:
        self.slow, self.gate = slow, gate
        self.thread.start()

    def _run(self) -> None:
        try:
            if self.gate is not None:
                self.gate.wait(10)
            _here.meeting = self.meeting
            if self.slow is not None:
                sys.settrace(self.slow.at_call)
            try:
                self.value = self.fn()
            finally:
                sys.settrace(None)
        except NeverReturns:
            self.meeting.give_up()
            return
        except BaseException as error:
            self.error = error
        self.ended = True
        self.meeting.arrived(threading.get_ident())
        self.after()


class _Slow:
    """A trace function that pauses before the lines of the answer's file while `when()` is true: other threads come in
    between, so a race shows. Right answers only get slower."""

    def __init__(self, flight: Any, when: Callable[[], bool], pause_s: float = PAUSE_S) -> None:
        code = getattr(getattr(type(flight), "do", None), "__code__", None)
        self.filename, self.when, self.pause_s = getattr(code, "co_filename", ""), when, pause_s

    def at_call(self, frame: Any, event: str, arg: Any) -> Callable | None:
        return self.at_line if frame.f_code.co_filename == self.filename else None

    def at_line(self, frame: Any, event: str, arg: Any) -> Callable:
        if event == "line" and self.when():
            time.sleep(self.pause_s)
        return self.at_line


def _call(flight: Any, key: Any, fn: Callable, meeting: Meeting) -> _Call:
    return _Call(lambda: flight.do(key, fn), meeting)


def _run(calls: Sequence[_Call], meeting: Meeting, slow: _Slow | None = None) -> int:
    """Start all calls at one barrier; how many have not ended when the watchdog wakes."""
    gate = threading.Barrier(len(calls))
    for call in calls:
        call.start(slow, gate)
    return _still_running(calls, meeting)


def _still_running(calls: Sequence[_Call], meeting: Meeting) -> int:
    """How many calls have not ended when the watchdog wakes: well after the patience, since a run may wait too, and a
    short patience must not take a slow machine for a stuck answer."""
    deadline = time.monotonic() + meeting.patience_s + meeting.slack_s
    for call in calls:
        call.thread.join(max(0.0, deadline - time.monotonic()))
    left = sum(not call.ended for call in calls)
    if left:
        meeting.barked()
    return left


def _told(fn: Callable[[], Any], names: dict[int, str]) -> Any:
    try:
        return _name(fn(), names)
    except MISTAKES:
        raise
    except Exception as error:
        return names.get(id(error), f"raised {type(error).__name__}")


def _told_end(call: _Call, names: dict[int, str]) -> str:
    """How a call ended, in words: a known object by its name."""
    if isinstance(call.error, MISTAKES):
        raise call.error
    if call.error is not None:
        return names.get(id(call.error), f"raised {type(call.error).__name__}")
    return _name(call.value, names)


def _name(value: Any, names: dict[int, str]) -> str:
    if id(value) in names:
        return names[id(value)]
    return value if isinstance(value, str) and value else repr(to_plain(value))


_barks: WeakKeyDictionary[Any, int] = WeakKeyDictionary()


def _can_be_watched(answer: Any) -> bool:
    """Whether the table of barks can hold this answer."""
    return isinstance(answer, type)


def _patience(barks: int) -> float:
    """Seconds to wait for threads: 0.8 (0.25 after two barks, 0.12 after four), or 50 times as long as two threads need
    to meet here; at most 4."""
    gate, started = threading.Barrier(3), time.monotonic()
    for _ in range(2):
        threading.Thread(target=lambda: gate.wait(4), daemon=True).start()
    gate.wait(4)
    least = 0.8 if barks < 2 else 0.25 if barks < 4 else 0.12
    return min(4.0, max(least, 50 * (time.monotonic() - started)))
