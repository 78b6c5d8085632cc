"""Exercise 16.sparsity_at: the cubic ramp from dense to sparse."""

from __future__ import annotations

from functools import partial

import numpy as np

from utils.compression import pruning

from ...compare import close
from ...exercise import Case, Exercise, Misconception


def _ramp(step: int, initial: float, final: float, begin: int, steps: int, *, shape: str = "cubic", late: bool = True,
          early: bool = True, shift: bool = True, last: bool = False, check: bool = True) -> float:
    """The schedule with one mistake; with its defaults it is right (an independent formulation)."""
    if check and steps <= 0:
        raise ValueError("steps must be positive")
    t = (step - begin if shift else step) / (steps - begin if last and steps != begin else steps)
    t = min(t, 1.0) if late else t
    t = max(t, 0.0) if early else t
    if shape == "from zero":
        return final * (1 - (1 - t) ** 3) if t > 0 else initial
    progress = {"cubic": 1 - (1 - t) ** 3, "linear": t, "slow": t**3, "square": 1 - (1 - t) ** 2}[shape]
    return initial + (final - initial) * progress


def _ramp_clip(step: int, initial: float, final: float, begin: int, steps: int) -> float:
    if not steps > 0:
        raise ValueError("no step")
    left = np.clip((begin + steps - step) / steps, 0, 1)
    return float(final - (final - initial) * left**3)


def _ramp_interp(step: int, initial: float, final: float, begin: int, steps: int) -> float:
    """Interpolates the cube root of what is left, which is a straight line."""
    if steps < 1:
        raise ValueError("no step")
    root = np.interp(step, [begin, begin + steps], [1.0, 0.0])
    return root * root * root * initial + (1 - root * root * root) * final


def _accepts_no_steps(step: int, initial: float, final: float, begin: int, steps: int) -> float:
    if steps > 0:
        return _ramp(step, initial, final, begin, steps)
    return final if step >= begin else initial


def _accepts_before_begin(step: int, initial: float, final: float, begin: int, steps: int) -> float:
    return initial if step <= begin else _ramp(step, initial, final, begin, steps)


def _draw_ramp(rng: np.random.Generator) -> Case:
    begin, steps = int(rng.integers(0, 30)), int(rng.integers(1, 50))
    initial, final = (round(float(v), 2) for v in np.sort(rng.uniform(0, 1, 2)))
    initial = 0.0 if rng.random() < 0.3 else initial
    return Case(int(rng.integers(0, begin + steps + 15)), initial, final, begin, steps)


sparsity_at = Exercise(
    id="16.sparsity_at", points=2, difficulty=1, minutes=8, idea="prune fast early, slow late",
    reference=pruning.sparsity_at,
    cases=[Case(t, 0, 0.8, 2, 4) for t in range(8)],
    hidden=[Case(0, 0.1, 0.9, 5, 10), Case(5, 0.1, 0.9, 5, 10), Case(6, 0.1, 0.9, 5, 10), Case(10, 0.1, 0.9, 5, 10),
            Case(14, 0.1, 0.9, 5, 10), Case(15, 0.1, 0.9, 5, 10), Case(16, 0.1, 0.9, 5, 10), Case(40, 0.1, 0.9, 5, 10),
            Case(3, 0.5, 0.5, 0, 7), Case(1, 0.2, 0.6, 0, 1), Case(0, 0.2, 0.6, 0, 1), Case(4, 0.25, 0.75, 3, 2)],
    raises=[Case(3, 0, 0.8, 2, 0), Case(3, 0, 0.8, 2, -4), Case(0, 0, 0.8, 2, 0, label="no steps, before the begin"),
            Case(0, 0, 0.8, 2, -1, label="−1 steps, before the begin")],
    draw=_draw_ramp, draws=60,
    compare=close(1e-9, 1e-12),
    misconceptions=[
        Misconception(
            "linear", partial(_ramp, shape="linear"),
            "This is a straight line. The schedule is cubic: it prunes most early, while the network has slack, and "
            "little near the end.",
            "The ramp is linear.", also=(partial(_ramp, shape="linear", check=False),)),
        Misconception(
            "slow_first", partial(_ramp, shape="slow"),
            "You cubed the share of the way. That prunes little at first and nearly everything in the last steps, when "
            "no time is left to recover. What is cubed is the share that is still ahead.",
            "The curve is bent the wrong way.", also=(partial(_ramp, shape="slow", check=False),)),
        Misconception(
            "from_zero", partial(_ramp, shape="from zero"),
            "This is right for initial = 0 only. With another start it jumps at `begin`: the distance to go is "
            "final − initial.",
            "The ramp starts at zero.", also=(partial(_ramp, shape="from zero", check=False),)),
        Misconception(
            "runs_on", partial(_ramp, late=False),
            "Past the last step the schedule runs on and prunes more and more. From begin + steps on the sparsity "
            "stays at `final`.",
            "The schedule does not stop.", also=(partial(_ramp, late=False, check=False),)),
        Misconception(
            "runs_early", partial(_ramp, early=False),
            "Before `begin` the share of the way is negative, and the formula leaves the range: hold `initial` there.",
            "The schedule starts too early.", also=(partial(_ramp, early=False, check=False),)),
        Misconception(
            "no_clamp", partial(_ramp, early=False, late=False),
            "The formula holds between `begin` and begin + steps only. Before it the sparsity is `initial`, after it "
            "`final`.",
            "The formula is used outside its range.", also=(partial(_ramp, early=False, late=False, check=False),)),
        Misconception(
            "from_step_zero", partial(_ramp, shift=False),
            "Progress starts at `begin`, not at step 0: at step `begin` nothing has been done yet.",
            "`begin` was ignored.", also=(partial(_ramp, shift=False, check=False),)),
        Misconception(
            "steps_is_the_end", partial(_ramp, last=True),
            "`steps` is how long the ramp takes, not the step at which it ends. It ends at begin + steps.",
            "`steps` was taken for the end.",
            also=(partial(_ramp, last=True, check=False),)),
        Misconception(
            "square", partial(_ramp, shape="square"),
            "The right idea with the wrong power: you squared what is left, the schedule cubes it.",
            "The power is 2.", also=(partial(_ramp, shape="square", check=False),)),
        Misconception(
            "no_steps_accepted", _accepts_no_steps,
            "The values are right. A ramp of 0 or fewer steps has to be refused with a ValueError, wherever the step is.",
            "An empty ramp is accepted.",
            also=(partial(_ramp, check=False), _accepts_before_begin)),
    ],
    alternatives=[_ramp, _ramp_clip, _ramp_interp],
    hints=(
        "The share of the way is t = (step − begin) / steps. Before 0 and after 1 the answer does not change.",
        "final + (initial − final)·(1 − t)³ is `initial` at t = 0 and `final` at t = 1.",
    ),
    worth_knowing="The schedule is Zhu and Gupta's (2017); a quarter of the way has already brought 58 % of the pruning.",
)
