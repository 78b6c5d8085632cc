"""Drill questions of chapter 14: the core metrics of an edge deployment."""

from __future__ import annotations

import math

from utils.cost.edge_metrics import average_power_w, wilson_interval

from ..question import Choice, Numeric, Open


def _draw_battery(rng):
    fps = int(rng.choice([1, 2, 5, 10]))
    busy = float(rng.choice([0.1, 0.2, 0.3, 0.5]))
    return {"active": int(rng.choice([4, 6, 8, 12])), "idle": float(rng.choice([0.5, 1.0, 1.5, 2.0])), "fps": fps,
            "ms": int(1000 * busy / fps), "wh": int(rng.choice([10, 20, 37, 50]))}


def _hours(v):
    return v["wh"] / average_power_w(v["active"], v["idle"], v["ms"], v["fps"])


def _draw_accuracy(rng):
    n = int(rng.choice([200, 500, 1000, 2000, 5000]))
    return {"n": n, "k": round(n * float(rng.choice([0.85, 0.9, 0.93, 0.95])))}


def _half_width(v):
    low, high = wilson_interval(v["k"], v["n"])
    return 50 * (high - low)


def _draw_tops(rng):
    return {"tops_w": float(rng.choice([1, 2, 4, 5, 8])), "gmac": float(rng.choice([0.3, 0.6, 2, 4.1, 8])),
            "util": int(rng.choice([10, 20, 25, 40]))}


def _frame_mj(v, ops=2, utilised=True):
    return ops * v["gmac"] * 1e9 / (v["tops_w"] * 1e12 * (v["util"] / 100 if utilised else 1)) * 1e3


def _draw_heat(rng):
    return {"r": float(rng.choice([2, 4, 5, 8, 10])), "ambient": int(rng.choice([25, 35, 40, 45, 50])),
            "limit": int(rng.choice([75, 80, 85, 90, 95]))}


QUESTIONS = [
    Numeric(
        "14.battery_hours", 1,
        "A camera draws {active} W while a network runs and {idle} W otherwise. A frame takes {ms} ms, at {fps} fps. How many "
        "hours does a battery of {wh} Wh last, if all of it can be used?",
        _draw_battery, _hours,
        "The mean power is {idle} + ({active} − {idle}) · {ms} · {fps} / 1000 watts. {wh} Wh over that: {answer} h.",
        unit="h", rtol=0.02,
        traps=((lambda v: v["wh"] / v["active"], "That is without a pause. Between frames it draws the idle power."),
               (lambda v: v["wh"] / (v["active"] * v["ms"] * v["fps"] / 1000), "The idle power between frames is missing."),
               (lambda v: 2 * v["wh"] / (v["active"] + v["idle"]), "The mean of the two powers would be right if it were busy half of the time."),
               (lambda v: v["wh"] / (v["idle"] + v["active"] * v["ms"] * v["fps"] / 1000), "While it computes it draws the active power, not both."))),
    Numeric(
        "14.wilson_half_width", 1,
        "A network has {k} of {n} images right. How wide is its 95 % Wilson interval, from its middle to one end, in percentage points?",
        _draw_accuracy, _half_width,
        "z/(1 + z²/n) · sqrt(p(1 − p)/n + z²/(4n²)) with z = 1.96: {answer} points. 1.96 · sqrt(p(1 − p)/n) is close.",
        unit="points", atol=0.1,
        traps=((lambda v: 2 * _half_width(v), "That is the whole width."),
               (lambda v: 100 * math.sqrt(v["k"] / v["n"] * (1 - v["k"] / v["n"]) / v["n"]), "That is one standard deviation. 95 % need 1.96 of them."))),
    Numeric(
        "14.tops_per_watt", 2,
        "A chip is sold with {tops_w} TOPS/W (one multiply-accumulate is 2 operations). Its power hardly changes with load, and your "
        "network uses {util} % of its peak. A frame has {gmac} · 10⁹ MACs. How many mJ does a frame take?",
        _draw_tops, _frame_mj,
        "2 · {gmac}·10⁹ operations over {tops_w}·10¹² per joule · {util} %: {answer} mJ.",
        unit="mJ", rtol=0.02,
        traps=((lambda v: _frame_mj(v, ops=1), "A MAC counts as two operations in TOPS."),
               (lambda v: _frame_mj(v, utilised=False), "That assumes the peak. The network reaches a share of it."),
               (lambda v: _frame_mj(v) / 1e3, "Those are joules."),
               (lambda v: _frame_mj(v) * (v["util"] / 100) ** 2, "A lower utilisation makes a frame dearer, not cheaper."))),
    Numeric(
        "14.sustained_watts", 2,
        "A device with a thermal resistance of {r} K/W must stay below {limit} °C in an ambient of {ambient} °C. How many watts can "
        "it sustain?",
        _draw_heat, lambda v: (v["limit"] - v["ambient"]) / v["r"],
        "It settles at ambient + power · R. ({limit} − {ambient}) / {r} = {answer} W.",
        unit="W", rtol=0.01,
        traps=((lambda v: v["limit"] / v["r"], "The ambient is missing: heat flows from the device to the air around it."),
               (lambda v: (v["limit"] - v["ambient"]) * v["r"], "R is kelvins for each watt, so the watts are a quotient."),
               (lambda v: (v["limit"] + v["ambient"]) / v["r"], "The warmer the ambient, the fewer watts."))),
    Choice(
        "14.battery_metric", 1, "At a fixed frame rate, which metric decides how long a battery lasts?",
        "the average power, idle time included",
        (("the peak power", "It decides about the supply and the cables. The battery sees the energy over time."),
         ("the TOPS of the chip", "A peak speed says nothing about watts."),
         ("the latency alone", "Shorter is better only at the same power. Energy is the product.")),
        "Capacity over average power is the time. Idle power often is the larger part."),
    Choice(
        "14.int8_drop", 2, "INT8 takes accuracy from 95.0 to 94.6 % on 500 images. What does that show?",
        "Nothing yet: it is 2 images, and a paired test is needed",
        (("that quantisation damages this network", "A net 2 of 500 images flip. With intervals of ± 2 points that is no proof."),
         ("that the calibration is wrong", "A calibration error usually costs many points, and shows in single classes."),
         ("that INT8 is always acceptable", "One network on one set proves nothing of the kind. Look at the flips, and at more data.")),
        "Count the images on which only one of the two is right, and test those: 3 against 1 is noise, 30 against 10 is not."),
    Choice(
        "14.slow_in_the_field", 2, "A device passes at 30 fps in the lab. In the field it does 18 fps after five minutes. What do you suspect first?",
        "thermal throttling",
        (("a memory leak in the weights", "Weights are constant. A leak ends in a crash, not in a steady 18 fps."),
         ("the quantisation", "It is the same network in the first minute and in the sixth."),
         ("the network connection", "Inference runs on the device. And the onset after minutes points to heat.")),
        "A time constant of minutes is heat. Log temperature and clock beside the frame rate."),
    Open(
        "14.acceptance_criteria", 3, "Write the acceptance criteria of a smart-camera detector.",
        ("Task metric on data from the field, with a confidence interval, and the limit on its lower end",
         "End-to-end p99 including capture, resize and post-processing, and the share of missed deadlines",
         "Peak RAM and flash, not the file size alone",
         "Energy a frame and average power at the real frame rate",
         "The same numbers after 30 minutes at 40 to 50 °C ambient",
         "Start-up and update, cost, and what happens when a limit is missed"),
        "Say 95 % recall with the lower end of its interval above 93 % on footage from the sites. p99 from sensor to result below "
        "100 ms, fewer than 0.1 % of frames late. At most 256 MB RAM and 32 MB flash. At most 3 W on average at 10 fps. All of it "
        "after 30 minutes in 50 °C. First result within 5 s of power-on, an update that can be rolled back, and a price."),
]
