"""Exercise 27.erlang_c: how likely a request has to wait."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.serving import queueing

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Answer = Callable[[int, float], float]


def _require(servers: int, offered: float) -> None:
    if servers < 1 or offered < 0 or offered >= servers:
        raise ValueError("servers must be at least 1, and offered must lie in [0, servers)")


def _blocking(servers: int, offered: float) -> float:
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked = offered * blocked / (k + offered * blocked)
    return blocked


def _both(rule: Answer) -> dict:
    """`answer` and `also` of a misconception: with and without the refusals."""

    def checked(servers: int, offered: float) -> float:
        _require(servers, offered)
        return rule(servers, offered)

    return {"answer": checked, "also": (rule,)}


def _powers(servers: int, offered: float) -> float:
    """The textbook formula with whole powers and factorials, in floats."""
    _require(servers, offered)
    last = float(offered) ** servers / math.factorial(servers) * servers / (servers - offered)
    return last / (sum(float(offered) ** k / math.factorial(k) for k in range(servers)) + last)


def _share_as_load(servers: int, offered: float) -> float:
    return queueing.erlang_c(servers, offered / servers)


def _load_as_share(servers: int, offered: float) -> float:
    """Takes `offered` for a utilisation and multiplies by the servers."""
    load = offered * servers
    blocked = _blocking(servers, load)
    return blocked / (1 - load / servers * (1 - blocked))


def _unweighted(servers: int, offered: float) -> float:
    """The term of the full states without the factor c / (c - a)."""
    terms = [math.exp(k * math.log(offered) - math.lgamma(k + 1)) if offered else float(k == 0) for k in range(servers + 1)]
    return terms[-1] / math.fsum(terms[:-1])


def _accepts_full(servers: int, offered: float) -> float:
    """Says 1.0 where no stable queue exists."""
    if servers < 1 or offered < 0:
        raise ValueError("bad input")
    return 1.0 if offered >= servers else queueing.erlang_c(servers, offered)


def _log_sums(servers: int, offered: float) -> float:
    """All terms relative to the last one, by logarithms."""
    _require(servers, offered)
    if offered == 0:
        return 0.0
    top = servers * math.log(offered) - math.lgamma(servers + 1)
    below = math.fsum(math.exp(k * math.log(offered) - math.lgamma(k + 1) - top) for k in range(servers))
    last = servers / (servers - offered)
    return last / (below + last)


def _inverse_recursion(servers: int, offered: float) -> float:
    """The recursion of 1 / B, which only adds and multiplies."""
    _require(servers, offered)
    if offered == 0:
        return 0.0
    inverse = 1.0
    for k in range(1, servers + 1):
        inverse = 1 + k / offered * inverse
    return servers / (servers * 1.0 + (servers - offered) * (inverse - 1))


def _ratio_sum(servers: int, offered: float) -> float:
    """Sums the states downwards from the full one."""
    _require(servers, offered)
    if offered == 0:
        return 0.0
    term, below = 1.0, 0.0
    for k in range(servers, 0, -1):
        term *= k / offered
        below += term
    waits = servers / (servers - offered)
    return float(waits / (waits + below))


def _draw(rng: np.random.Generator) -> Case:
    servers = int(rng.integers(1, 60))
    return Case(servers, round(float(rng.uniform(0.3, 0.97)) * servers, 3))


erlang_c = Exercise(
    id="27.erlang_c", points=3, difficulty=2, minutes=14, idea="one line in front of all servers",
    reference=queueing.erlang_c,
    cases=[Case(1, 0.8), Case(2, 1.5), Case(100, 90)],
    hidden=[Case(500, 480), Case(3, 2.4), Case(4, 0), Case(1, 0), Case(10, 1), Case(2, 1.999), Case(300, 150.5), Case(7, 6.5), Case(500, 499)],
    draw=_draw, draws=25, compare=close(1e-8, 1e-15),
    raises=[Case(0, 0), Case(-1, -2), Case(3, -0.5), Case(2, 2), Case(2, 3.5), Case(1, 1.0), Case(0, -1)],
    misconceptions=[
        Misconception(
            "coins", **_both(lambda c, a: (a / c) ** c),
            message="You take the servers for independent coins, each busy with probability a/c. They are busy together: a burst of "
                    "requests fills all of them at once. Weigh the states 0, 1, 2, … requests as the text does.",
            title="The servers are not independent."),
        Misconception(
            "erlang_b", **_both(_blocking),
            message="You return Erlang's B, the share that is turned away where nobody may wait. With a queue, more requests "
                    "find all servers busy. The second step, from B to C, is missing.",
            title="This is the queue without a waiting room."),
        Misconception(
            "overflow", _powers,
            "The formula is right, and powers and factorials of 500 do not fit into a float. Use a recursion, "
            "whose numbers stay between 0 and 1.",
            "The terms are too large for floats."),
        Misconception(
            "utilization", **_both(lambda c, a: a / c),
            message="You return the utilisation a/c. It equals the probability of waiting for one server only. With more, a "
                    "request waits only if *all* are busy.",
            title="Busy is not all busy."),
        Misconception(
            "load_divided", **_both(_share_as_load),
            message="You divide the load by the servers before you use it. `offered` is the load of the whole service in Erlang: "
                    "rate times service time.",
            title="The load became a utilisation."),
        Misconception(
            "share_multiplied", _both(_load_as_share)["answer"],
            "You multiply `offered` by the number of servers, as if it were a utilisation. It is the load of the whole service already.",
            "The load is counted several times.", also=(_load_as_share, lambda servers, offered: queueing.erlang_c(servers, offered * servers))),
        Misconception(
            "full_states_unweighted", **_both(_unweighted),
            message="The states with c, c + 1, c + 2, … requests all make a newcomer wait. You count the first of them alone. "
                    "Together they weigh c/(c - a) times as much.",
            title="The waiting states are left out."),
        Misconception(
            "accepts_overload", _accepts_full,
            "At a load of `servers` Erlang or more no steady state exists: the queue grows as long as the service runs. "
            "That is no probability of 1, it is a mistake of the caller. Raise ValueError.",
            "An overloaded service has no answer."),
    ],
    alternatives=[_log_sums, _inverse_recursion, _ratio_sum],
    hints=(
        "Start with Erlang's B for 0 servers, which is 1, and go up one server at a time.",
        "Each step needs the B before it, the load, and the number of the server. The text has the formula.",
        "From B to C: divide by 1 - rho * (1 - B), with rho the load over the servers.",
    ),
    worth_knowing="A. K. Erlang published this for telephone exchanges in 1917. A call centre and a pool of GPU replicas are the same queue.",
)
