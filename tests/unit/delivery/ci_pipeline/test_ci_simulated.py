"""Builds in simulated time: post conditions, list scheduling, failFast, and two simulators that have to agree."""

import itertools
import random

import pytest

from autograder.exercises.ch39_jenkins_ci.run_tree import RIGHT, _settled
from utils.delivery.ci_pipeline import (
    build_minutes,
    critical_path,
    flake_pass_rate,
    jobs_of,
    leaves,
    lower_bound,
    parse_jenkinsfile,
    plan_of,
    post_conditions,
    run_on_executors,
    run_tree,
    runs_to_see,
    schedule,
)

CI = ({"lint": 2, "unit": 6, "export": 3, "int8": 4, "parity": 2, "bench": 5, "image": 4, "deploy": 1},
      {"unit": ["lint"][:0], "export": ["lint"], "int8": ["export"], "parity": ["int8"], "bench": ["int8"],
       "image": ["unit", "parity"], "deploy": ["image", "bench"]})


def test_post_conditions_of_the_plugin():
    """Golden: ordinals and rules of model/conditions/*.groovy of jenkinsci/pipeline-model-definition-plugin."""
    assert post_conditions("SUCCESS", None) == ["always", "changed", "success", "cleanup"]
    assert post_conditions("ABORTED", "FAILURE") == ["always", "changed", "regression", "aborted", "unsuccessful", "cleanup"]
    assert post_conditions("UNSTABLE", "FAILURE") == ["always", "changed", "unsuccessful", "unstable", "cleanup"]
    assert post_conditions("SUCCESS", "UNSTABLE") == ["always", "changed", "fixed", "success", "cleanup"]
    assert post_conditions("NOT_BUILT", "NOT_BUILT") == ["always", "unsuccessful", "notBuilt", "cleanup"]
    assert "fixed" not in post_conditions("SUCCESS", "ABORTED")
    for bad in (("GREEN", None), ("SUCCESS", "skipped"), (None, None)):
        with pytest.raises(ValueError, match="result"):
            post_conditions(*bad)


@pytest.mark.parametrize("executors, makespan", [(1, 27), (2, 16), (3, 16)])
def test_the_jobs_of_the_notebook(executors, makespan):
    starts, end = schedule(*CI, executors)
    assert end == makespan and starts["deploy"] == makespan - 1
    assert critical_path(*CI) == (16, ["lint", "export", "int8", "parity", "image", "deploy"])


def test_three_pairs():
    durations, deps = {"a": 4, "b": 3, "c": 3, "d": 2, "e": 2, "f": 2}, {"d": ["a"], "e": ["b"], "f": ["c"]}
    assert [schedule(durations, deps, k)[1] for k in (1, 2, 3)] == [16, 8, 6]


def test_zero_durations_take_a_round():
    starts, end = schedule({"a": 0, "b": 0, "c": 1}, {"c": ["a"]}, 1)
    assert starts == {"a": 0, "b": 1, "c": 0} and end == 1
    assert schedule({}, {}, 3) == ({}, 0.0) and critical_path({}, {}) == (0.0, [])


@pytest.mark.parametrize("durations, deps, k, word", [
    ({"a": 1}, {}, 0, "executors"), ({"a": 1}, {"a": ["b"]}, 1, "unknown"), ({"a": 1}, {"b": []}, 1, "unknown"),
    ({"a": 1, "b": 1}, {"a": ["b"], "b": ["a"]}, 1, "cycle"), ({"a": 1}, {"a": ["a"]}, 1, "cycle")])
def test_refused_jobs(durations, deps, k, word):
    with pytest.raises(ValueError, match=word):
        schedule(durations, deps, k)


def random_jobs(rng, n):
    names = [f"j{i}" for i in range(n)]
    deps = {names[i]: [names[j] for j in range(i) if rng.random() < 0.35] for i in range(n)}
    return {name: rng.randint(1, 6) for name in names}, deps


def best_makespan(durations, deps, k):
    """By trying every order in which jobs could be handed out."""
    best = sum(durations.values())
    for order in itertools.permutations(durations):
        ends, free = {}, [0] * k
        for name in order:
            if any(d not in ends for d in deps.get(name, [])):
                break
            i = free.index(min(free))
            start = max([free[i], *(ends[d] for d in deps.get(name, []))])
            ends[name] = free[i] = start + durations[name]
        else:
            best = min(best, max(ends.values()))
    return best


@pytest.mark.parametrize("seed", range(25))
def test_list_scheduling_keeps_grahams_bound(seed):
    rng = random.Random(seed)
    durations, deps = random_jobs(rng, rng.randint(2, 6))
    k = rng.randint(1, 3)
    starts, end = schedule(durations, deps, k)
    best = best_makespan(durations, deps, k)
    assert lower_bound(durations, deps, k) - 1e-9 <= best <= end <= (2 - 1 / k) * best
    for name, needed in deps.items():
        assert all(starts[d] + durations[d] <= starts[name] for d in needed)
    for t in range(int(end)):
        assert sum(starts[n] <= t < starts[n] + durations[n] for n in durations) <= k


def leaf(name, minutes, **more):
    return {"name": name, "minutes": minutes, **more}


def notebook(fail_fast):
    tests = [leaf("unit", 6), leaf("parity", 2, result="FAILURE"), leaf("bench", 9)]
    return {"name": "ci", "stages": [leaf("build", 3), {"name": "tests", "parallel": tests, "failFast": fail_fast},
                                     leaf("deploy", 1)]}


def test_fail_fast_of_the_notebook():
    assert run_tree(notebook(True)) == {
        "ci": ("FAILURE", 0, 5), "build": ("SUCCESS", 0, 3), "tests": ("FAILURE", 3, 5), "unit": ("ABORTED", 3, 5),
        "parity": ("FAILURE", 3, 5), "bench": ("ABORTED", 3, 5), "deploy": ("NOT_BUILT", 5, 5)}
    log = run_tree(notebook(False))
    assert log["unit"] == ("SUCCESS", 3, 9) and log["bench"] == ("SUCCESS", 3, 12) and log["ci"] == ("FAILURE", 0, 12)
    assert log["deploy"] == ("NOT_BUILT", 12, 12) and build_minutes(log) == 12


def test_an_aborted_group_is_aborted_unless_it_holds_a_failure():
    inner = {"name": "inner", "parallel": [leaf("p", 1, result="FAILURE"), leaf("q", 9)]}
    other = {"name": "other", "stages": [leaf("r", 3, result="UNSTABLE"), leaf("s", 5), leaf("t", 1)]}
    log = run_tree({"name": "all", "parallel": [inner, other, leaf("bad", 4, result="FAILURE")], "failFast": True})
    assert log["inner"] == ("FAILURE", 0, 4) and log["q"] == ("ABORTED", 0, 4) and log["other"] == ("ABORTED", 0, 4)
    assert log["s"] == ("ABORTED", 3, 4) and log["t"] == ("NOT_BUILT", 4, 4) and log["all"][0] == "FAILURE"


def test_skipped_and_unstable_stages_go_on():
    log = run_tree({"name": "all", "stages": [leaf("a", 2, result="UNSTABLE"), leaf("b", 5, when=False), leaf("c", 1)]})
    assert log == {"all": ("UNSTABLE", 0, 3), "a": ("UNSTABLE", 0, 2), "b": ("SKIPPED", 2, 2), "c": ("SUCCESS", 2, 3)}


def random_tree(rng, depth, counter):
    counter[0] += 1
    name = f"s{counter[0]}"
    if depth == 0 or rng.random() < 0.3:
        told = leaf(name, rng.randint(1, 6))
        if rng.random() < 0.4:
            told["result"] = rng.choice(["FAILURE", "FAILURE", "UNSTABLE", "SUCCESS"])
        return told
    kind = rng.choice(["stages", "parallel"])
    inside = [random_tree(rng, depth - 1, counter) for _ in range(rng.randint(1, 3))]
    return {"name": name, kind: inside} | ({"failFast": rng.random() < 0.6} if kind == "parallel" else {})


@pytest.mark.parametrize("seed", range(600))
def test_two_simulators_agree_when_executors_abound(seed):
    """One simulates without failFast and cuts; the other moves from event to event."""
    stage = random_tree(random.Random(seed), 4, [0])
    assert run_on_executors(stage, 1000) == run_tree(stage)


@pytest.mark.parametrize("seed", range(60))
def test_executors_are_never_more_than_there_are(seed):
    rng = random.Random(seed)
    stage = random_tree(rng, 3, [0])
    for node in leaves(stage):
        node.pop("result", None)
    k = rng.randint(1, 3)
    log = run_on_executors(stage, k)
    durations, deps = jobs_of(stage)
    for t in range(int(build_minutes(log))):
        assert sum(log[n][1] <= t < log[n][2] for n in durations) <= k
    assert all(log[n][2] - log[n][1] == minutes for n, minutes in durations.items())
    assert lower_bound(durations, deps, k) <= build_minutes(log) + 1e-9
    if k == 1:
        assert build_minutes(log) == sum(durations.values())


def test_a_jenkinsfile_is_scheduled():
    pipeline = parse_jenkinsfile("""pipeline { agent any
      stages {
        stage('build') { steps { sh 'make' } }
        stage('test') { matrix {
            axes { axis { name 'OS'; values 'linux', 'mac' } }
            stages { stage('unit') { steps { sh 'tox' } }
                     stage('bench') { steps { sh 'bench' } } } } }
        stage('docs') { when { branch 'main' }
            steps { sh 'docs' } }
        stage('deploy') { steps { sh 'go' } } } }""")
    plan = plan_of(pipeline, {"build": 2, "unit": 3, "bench": 4, "bench (OS=mac)": 9, "docs": 1, "deploy": 1},
                   skipped={"docs"})
    durations, deps = jobs_of(plan)
    assert durations == {"build": 2, "unit (OS=linux)": 3, "bench (OS=linux)": 4, "unit (OS=mac)": 3, "bench (OS=mac)": 9,
                         "deploy": 1}
    assert deps["deploy"] == ["bench (OS=linux)", "bench (OS=mac)"] and deps["bench (OS=mac)"] == ["unit (OS=mac)"]
    assert critical_path(durations, deps)[0] == 15 and schedule(durations, deps, 2)[1] == 15
    assert schedule(durations, deps, 1)[1] == 22
    failed = run_tree(plan_of(pipeline, {"build": 2, "unit": 3, "bench": 4, "docs": 1, "deploy": 1},
                              results={"unit (OS=mac)": "FAILURE"}))
    assert failed["bench (OS=mac)"][0] == "NOT_BUILT" and failed["bench (OS=linux)"][0] == "SUCCESS"
    assert failed["deploy"][0] == "NOT_BUILT" and failed["pipeline"][0] == "FAILURE"


def test_flakes():
    assert flake_pass_rate(500, 0.001) == pytest.approx(0.999**500) and flake_pass_rate(3, 0.5, 1) == 0.75**3
    assert runs_to_see(0.1) == 29 and 0.9**29 <= 0.05 < 0.9**28
    for bad in ((1, 1.5), (-1, 0.1)):
        with pytest.raises(ValueError):
            flake_pass_rate(*bad)
    with pytest.raises(ValueError, match="between 0 and 1"):
        runs_to_see(0)


def test_the_exercises_draws_leave_out_what_its_task_leaves_open():
    """A skipped stage that would begin at the very instant at which failFast acts, also when nothing runs any more."""
    fails = {"name": "a", "minutes": 5.0, "result": "FAILURE"}
    waits = {"name": "b", "stages": [{"name": "x", "minutes": 5.0}, {"name": "y", "minutes": 1.0, "when": False}]}
    open_case = {"name": "p", "parallel": [fails, waits], "failFast": True}
    plain = {"name": "p", "parallel": [fails, {"name": "b", "stages": waits["stages"][:1]}], "failFast": True}
    assert not _settled(open_case, RIGHT(open_case))
    assert _settled(plain, RIGHT(plain))
    assert _settled({**open_case, "failFast": False}, RIGHT({**open_case, "failFast": False}))
