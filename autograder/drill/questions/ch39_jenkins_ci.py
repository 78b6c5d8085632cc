"""Drill questions of chapter 39: Jenkins and CI/CD for models."""

from __future__ import annotations

from utils.cost.edge_metrics import mcnemar_p
from utils.delivery.ci_pipeline import flake_pass_rate, runs_to_see

from ..question import Choice, Numeric, Open


def _draw_flakes(rng):
    """Rates of which the answer tells retries apart."""
    while True:
        v = {"n": int(rng.choice([50, 100, 200, 500, 800, 1000])), "per_10000": int(rng.choice([5, 10, 20, 50, 100])),
             "retries": int(rng.integers(0, 3))}
        if _green(v) < 93 and (not v["retries"] or _green(v, v["retries"]) - _green(v, v["retries"] - 1) > 1.5):
            return v


def _green(v, retries=0):
    return 100 * flake_pass_rate(v["n"], v["per_10000"] / 1e4, retries)


def _draw_agents(rng):
    """Plans in which one of the two bounds is clearly the larger."""
    while True:
        v = {"work": int(rng.integers(30, 121)), "path": int(rng.integers(12, 41)), "agents": int(rng.integers(2, 6))}
        if v["path"] < v["work"] and not 0.9 < v["path"] * v["agents"] / v["work"] < 1.1:
            return v


def _draw_flips(rng):
    """Counts whose two tails and the two-sided value differ clearly."""
    while True:
        v = {"lost": int(rng.integers(3, 21)), "gained": int(rng.integers(0, 15))}
        if v["lost"] > v["gained"] and mcnemar_p(v["lost"], v["gained"], "greater") > 1e-3:
            return v


QUESTIONS = [
    Numeric(
        "39.flaky_suite", 1,
        "{n} independent tests each fail by chance in {per_10000} of 10,000 runs. Retries of a test that fails: {retries}. "
        "What share of the builds is green although nothing is wrong, in percent?",
        _draw_flakes, lambda v: _green(v, v["retries"]),
        "(1 − p^({retries} + 1))^{n} with p = {per_10000}/10,000: {answer} %.",
        unit="%", rtol=0.005,
        traps=((lambda v: 100 - _green(v, v["retries"]), "That is the share of red builds."),
               (_green, "That is without the retries."))),
    Numeric(
        "39.agents", 2,
        "The stages of a pipeline take {work} minutes in all, the longest chain of them {path}. There are {agents} agents with one executor "
        "each. What is the shortest time, in minutes, that no schedule can beat?",
        _draw_agents, lambda v: max(v["path"], v["work"] / v["agents"]),
        "The larger of the chain, {path}, and the work shared out evenly, {work} / {agents}: {answer} minutes.",
        unit="min", rtol=0.01,
        traps=((lambda v: v["work"] / v["agents"], "The chain is longer than that. More agents don't shorten it."),
               (lambda v: v["path"], "The work does not fit: shared out evenly it takes longer than the chain."),
               (lambda v: v["path"] + v["work"] / v["agents"], "The chain is a part of the work."))),
    Numeric(
        "39.one_sided_p", 2,
        "On the same samples a candidate loses {lost} that the model in production has right, and gains {gained}. What is the exact one-sided "
        "McNemar p-value, P(X ≥ {lost}) for {lost} + {gained} fair coins?",
        _draw_flips, lambda v: mcnemar_p(v["lost"], v["gained"], "greater"),
        "The sum of C({lost} + {gained}, i) from i = {lost}, over 2^({lost} + {gained}): {answer}.",
        rtol=0.01,
        traps=((lambda v: mcnemar_p(v["lost"], v["gained"]), "That is the two-sided value. The gate asks only whether it is worse."),
               (lambda v: mcnemar_p(v["lost"] + 1, v["gained"] - 1, "greater") if v["gained"] else 0.0,
                "You left out the outcome that was seen. It belongs to the tail."),
               (lambda v: mcnemar_p(v["gained"], v["lost"], "greater"), "That is the other tail: whether the candidate is better."))),
    Numeric(
        "39.rare_failure", 3,
        "A fault shows in {per_1000} of 1,000 runs. How many runs are needed to see it at least once with a probability of 95 %?",
        lambda rng: {"per_1000": int(rng.choice([2, 4, 5, 8, 10, 20, 25, 40, 50, 100]))}, lambda v: runs_to_see(v["per_1000"] / 1000),
        "ln 0.05 / ln(1 − {per_1000}/1000), rounded up: {answer} runs, about 3 over the rate.",
        unit="runs", rtol=0.002, atol=0.5,
        traps=((lambda v: 1000 / v["per_1000"], "After so many runs it has been seen in 63 % of all cases only."),
               (lambda v: 950 / v["per_1000"], "Chances of separate runs don't add up to 95 %."))),
    Choice(
        "39.delivery_deployment", 1, "What separates continuous delivery from continuous deployment?",
        "a manual approval before production",
        (("automated tests", "Both have them: they are what makes either possible."),
         ("containers", "They make environments repeatable. Both work with them and without."),
         ("the number of branches", "That is a question of how a team works together.")),
        "Delivery keeps every commit releasable and a person decides. Deployment releases whatever passes."),
    Choice(
        "39.fail_fast", 2, "In a parallel block with `failFast true` one branch fails while another still runs. Which status does the other one get?",
        "ABORTED",
        (("FAILURE", "It did nothing wrong. The build as a whole is the FAILURE."),
         ("NOT_BUILT", "That is for stages which had not begun."),
         ("SUCCESS", "It did not come to its end.")),
        "What runs is aborted. Whether it would have passed stays unknown: that evidence is the price of the minutes saved."),
    Choice(
        "39.retries", 2, "A team lets every failing test run again up to two times. What does that do?",
        "it also hides real intermittent faults: one that shows in 10 % of the runs passes 99.9 % of the builds",
        (("it costs nothing, and the builds become green", "Green is not the goal. A race that shows now and then is just what a retry hides."),
         ("it makes the tests independent of each other", "What they share (a port, a file, an order) they go on sharing."),
         ("it only costs time", "It also costs information: failures that nobody sees any more.")),
        "0.1 to the power of 3 is 0.001. Retry, but count and report every retry, and repair what is retried often."),
    Open(
        "39.int8_pipeline", 3, "Design the pipeline for an update of an INT8 model on phones.",
        ("Pinned inputs: hashes of data, code and the base model, and an environment from a lock file or a container image",
         "An export stage and a parity check between the framework and the exported graph",
         "A gate on fixed samples: paired test against the model in production, with a limit on the drop, and slices",
         "Latency as a ratio of medians, both models measured in turns on the target device, and a size budget",
         "Roll-out in steps with a canary, monitoring, and a way back",
         "Artefacts and their provenance are kept: hashes, reports, who approved"),
        "On every change of code or data: check out by hash, train or fetch the base by hash, export, compare 500 outputs, quantise. Then the gate on "
        "5,000 fixed samples. It stops a candidate that the paired test calls worse (p at most 0.05), or that drops by more than 0.5 points in all or 2 in a "
        "slice. Latency on three phones in turns may be 1.1 times the old one, the file 4 MB. What gets through is signed, stored with its record, approved, and goes to 1 % of the users; the last version stays on the phone."),
]
