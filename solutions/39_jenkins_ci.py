# %% [markdown]
# # 39 · What is Jenkins, and how do models go through CI/CD?
# **Jenkins 的介绍**
#
# A colleague replaced the model with a smaller one. All tests were green, and the build deployed it at night. In the morning the accuracy was 5 points lower, and no test had been wrong: none of them looks at accuracy.
# A pipeline does what is written in it, and nobody watches. This chapter reads such a pipeline, predicts its time and its failures, and adds the stage that was missing.
#
# About 135 minutes: 101 for the five exercises, the rest to read, run and explain. It helps to know chapters 06 (releasing a model), 15 (quantisation), 23 (ONNX) and 48 (latency).

# %% setup
import math
import re

import numpy as np

# %% [markdown]
# ## The short answer
#
# > Jenkins is an automation server, written in Java, under the MIT licence. A **controller** schedules builds on **agents**. Nearly everything else, even Git and pipelines, is a plugin.
# > A pipeline is code, in a file called `Jenkinsfile` beside the source. Its declarative form has `agent` (where), `stages`, `when` (a condition), `parallel` with `failFast`, `post` (what runs afterwards) and `options`.
# >
# > **Continuous integration**: every change is built and tested. Continuous **delivery**: every good build could be released, and a person decides. Continuous **deployment**: it is released without a person.
# >
# > A model needs more than tests of code. Its pipeline pins data and artefacts by hash, exports, and checks the export against the original.
# > Then a **quality gate** compares the candidate with the model in production: a paired test of the accuracy (McNemar's test: both models see the same samples), the ratio of the latencies on one machine, the size of the file. What passes goes to a canary, a small share of the users.
# > Jenkins orchestrates. It can't make a build reproducible: pinned packages and containers do that.

# %% [markdown]
# ## How it works
#
# ### Who does what
#
# Jenkins has three kinds of actors.
#
# - The **controller** knows the jobs, hears of a new commit, decides what runs, and keeps the results.
# - An **agent** is a machine that does the work: it compiles, trains, tests.
# - An **executor** is one slot of an agent. Two executors run two things at once.
#
# The controller starts processes and records how they end. It knows nothing of Python, npm (JavaScript's package manager) or Docker (a tool that runs programs in containers): these have to be on the agent.
#
# ### A pipeline is a file
#
# What should happen to a model on every change? Here it is as a Jenkinsfile. Read it from the top; the words before the braces are called **directives**, and each `stage` is a named part of the pipeline.

# %%
from utils.delivery import ci_pipeline as ci

print(ci.JENKINSFILE)

# %% [markdown]
# `steps` holds the commands of a stage; `sh` gives one to a shell. The file is written in Groovy, a language of the Java world. Jenkins reads the *declarative* form as a tree: `stages` inside run one after another, those in `parallel` at once.
# (There is an older form, *scripted*: a free program that begins with `node`. It has no such tree.) A parser of this course reads the same tree:

# %%
from utils.widgets.ch39_jenkins_ci import condition_table, job_table, log_table, power_picture, tree_text

pipeline = ci.parse_jenkinsfile(ci.JENKINSFILE)
tree_text([stage.as_tuple() for stage in pipeline.stages])

# %% [markdown]
# The tree knows the directives too. And some mistakes can be found before anything runs; a program that looks for such mistakes is called a *linter*.

# %%
print("agent:", pipeline.agent, "| options:", pipeline.options, "| post:", list(pipeline.post))
for stage in pipeline.walk():
    print(f"{stage.name:10} {stage.kind:9} agent: {stage.agent!s:24} when: {stage.when}   failFast: {stage.fail_fast}")
print("findings:", ci.lint(pipeline))
print("findings:", ci.lint(ci.parse_jenkinsfile("pipeline { agent any; stages { stage('a') { parallel { } } }; post { sometimes { echo 'x' } } }")))

# %% [markdown]
# A **matrix** is a short way to write many branches: one for each combination of some values, its **axes**.

# %%
matrix = ci.parse_jenkinsfile("""
pipeline { agent any
  stages { stage('test') { matrix {
    axes { axis { name 'OS'; values 'linux', 'mac' }
           axis { name 'PYTHON'; values '3.11', '3.12' } }
    excludes { exclude { axis { name 'OS'; values 'mac' }
                         axis { name 'PYTHON'; values '3.11' } } }
    stages { stage('unit') { steps { sh 'pytest' } } }
  } } } }""").stages[0]
print(len(matrix.cells()), "branches:", matrix.cells())

# %% [markdown]
# ### How long does it take?
#
# Eight jobs, not the Jenkinsfile: six of them have names and (invented) minutes of stages above, but the graph is another. Some have to wait for others:

# %%
job_table(ci.EIGHT_MINUTES, ci.EIGHT_DEPS)

# %% [markdown]
# (`parity` asks whether the exported model answers as the original does; `bench` measures its latency.)
# The longest chain of jobs that wait for each other is the **critical path**: no number of executors makes the build shorter. From the first start to the last end is the **makespan**.
# **List scheduling** starts jobs as soon as they are ready and an executor is free, here the longest remaining chain first. "At best" below is the larger of the critical path and the work divided by the executors: no plan is shorter.

# %%
length, path = ci.critical_path(ci.EIGHT_MINUTES, ci.EIGHT_DEPS)
print(f"work {sum(ci.EIGHT_MINUTES.values())} minutes, critical path {length:g}: {' → '.join(path)}")
for executors in (1, 2, 3):
    starts, makespan = ci.schedule(ci.EIGHT_MINUTES, ci.EIGHT_DEPS, executors)
    print(f"executors: {executors}; makespan {makespan:g} minutes, at best {ci.lower_bound(ci.EIGHT_MINUTES, ci.EIGHT_DEPS, executors):g}")

# %% [markdown]
# The second executor saves 11 minutes, the third nothing. To be faster now, the chain has to become shorter: a faster export, fewer stages in a row, a cache.
#
# ### What happens when a stage fails
#
# A stage ends as SUCCESS, UNSTABLE (some tests failed; the build goes on), FAILURE or ABORTED. One that never ran is NOT_BUILT, or SKIPPED if its `when` was false.
# The stages after a failure are not built. In a `parallel` group the other branches finish, unless it says `failFast true`: then they are aborted at once.

# %%
log_table({word: ci.run_tree(ci.example_plan(failing="lint", fail_fast=word == "with failFast")) for word in ("with failFast", "without")})

# %% [markdown]
# This is the Jenkinsfile from above with invented minutes: its critical path is 22 minutes long, that of the eight jobs 16. (Simulated, with an executor for every branch.)
# `lint` fails after 7 minutes in both. With `failFast` that ends the build; without, it ends after 17, and you also know whether the unit tests and the gate would have passed. `failFast` saves minutes and pays with evidence.
# In both cases the build is a FAILURE: that a sibling was aborted is not the news.
#
# After the stages comes `post`. Its blocks have conditions that look at this build and at the last completed one:

# %%
condition_table()

# %% [markdown]
# They run in a fixed order, not in that of the file. `changed` is true when there was no build before. `fixed` needs a SUCCESS now and a FAILURE or UNSTABLE before. `regression` means worse than before, in the order SUCCESS, UNSTABLE, FAILURE, NOT_BUILT, ABORTED.
# These rules were read in the source code of the plugin. The handbook lists `failure` before `success`, and `unsuccessful` after `unstable`. The code runs `failure` late since 2018, so that it also sees what fails in the blocks before it.
#
# ### Green is not the same as good
#
# Two ways in which a colour misleads. First, **flaky tests**: tests that pass and fail on the same code. Let each of 500 tests fail by chance in 1 of 1,000 runs.

# %%
for retries in (0, 1, 2):
    print(f"{retries} retries: {ci.flake_pass_rate(500, 0.001, retries):.2%} of the good builds are green", end="; ")
    print(f"a fault that shows in 1 of 10 runs is caught in {0.1 ** (retries + 1):.1%} of the builds")

# %% [markdown]
# Without retries 4 of 10 good builds are red, and people stop looking. With two retries nearly all are green. But a real fault that shows now and then is caught in 0.1 % of the builds instead of 10 %. Retry, but count the retries.
#
# Second, **the environment**. A long-lived agent that is maintained by hand is somebody's machine too. A fingerprint of the versions tells two environments apart:

# %%
here = ci.environment()
agent = here | {"numpy": "1.26.4", "system": "an old agent"}  # invented
print("here:", ci.fingerprint(here), "| the agent:", ci.fingerprint(agent))
print("differ in:", ", ".join(ci.differences(here, agent)))

# %% [markdown]
# Jenkins notices a broken build *after* the commit, or before it is merged if the repository demands a green build. It does not remove the difference between two machines. A lock file (all versions pinned) and a container image do.
# For a model the data belongs to it as well. The record of hashes of source, data, environment and result is an artefact's **provenance**.
#
# ### The stage that code does not need
#
# Unit tests of a model check that it loads, takes a batch and returns ten finite numbers. A model with weights of 2 bits does all that, as you will see below. So the pipeline of a model has a **quality gate**: an automatic rule that compares the candidate with the model in production. Its limits, if you give no others:

# %%
ci.GatePolicy()

# %% [markdown]
# `max_p` is the limit of the test that comes next, `max_drop` (0.01 is 1 point) that of the accuracy lost. The ratios, candidate over production, limit the latency and the file size. Fewer samples than `min_samples` are not enough.
#
# Both models answer the same samples: the test is *paired*. On most of them they agree. Let *b* be the number that only the old one has right, and *c* that of the new one.
# If the two were equally good, each of these b + c samples would be the throw of a fair coin. The chance of at least *b* heads is the one-sided p-value of **McNemar's test**:
#
# $$p = \sum_{i=b}^{b+c} \binom{b+c}{i} \Big/ 2^{\,b+c}$$

# %%
from utils.cost.edge_metrics import mcnemar_p

for b, c in ((12, 4), (9, 3), (5, 4), (4, 12)):
    print(f"b = {b:2}, c = {c:2}: net loss {b - c:2}, p = {mcnemar_p(b, c, 'greater'):.4f}")  # 'greater': at least b heads

# %% [markdown]
# 12 against 4 would be rare by chance (4 %); 9 against 3 is the same ratio, and happens by chance in 7 % of all cases. The test has one side: a candidate that is *better* must not be blocked.
#
# A test that is silent proves nothing if it could not have spoken. How often does it notice a true drop of 2 points, where 6 % of the samples flip? And how often is a model that is just as good blocked, by chance?

# %%
rng = np.random.default_rng(0)
for n in (200, 500, 2000):
    b, c, _ = rng.multinomial(n, (0.03, 0.03, 0.94), 10_000).T.tolist()  # 10,000 equal models, simulated
    either = np.mean([(i - j) / n > 0.01 or mcnemar_p(i, j, "greater") <= 0.05 for i, j in zip(b, c)])
    print(f"{n:5,} samples: the test notices a true drop of 2 points in {ci.gate_power(n, 0.02, 0.06):.0%} of all cases; an equal model is above",
          f"max_drop in {ci.drop_alarm(n, 0.01, 0.06):.0%}, at p <= 0.05 in {ci.gate_power(n, 0, 0.06):.0%}, at either in {either:.0%}")
print(f"10,000 samples: the test notices a true drop of 0.5 points in {ci.gate_power(10_000, 0.005, 0.06):.0%} of all cases")
power_picture(n=200, drop_pct=2, disagree_pct=6, max_p=0.05)

# %% [markdown]
# With 200 samples the test speaks in 22 % of all cases. So the gate also demands a minimum of samples, and limits the drop itself.
# A small p blocks, and a large drop does. Together they block 16 % of the equal models at the 500 samples of `min_samples`, and 4 % at 2,000. More samples, or a wider limit that lets more losses through, make the false alarms of `max_drop` rare; those of p stay, up to 5 %.
# With very many samples `p <= max_p` also blocks a tiny loss: at 10,000 one of 0.5 points, half of what `max_drop` allows, in 64 % of all cases.
#
# The gate looks at the latency as a *ratio* of medians, both models measured in turns on one machine: an absolute number would change with the agent. And at the size of the file.

# %%
base, candidate = ci.example_evidence()  # 1,000 samples; 30 latencies around 2.0 and 1.8 ms, one of the candidate's is 900 ms
result = ci.compare_models(base, candidate, ci.GatePolicy())
print(f"b = {result.lost}, c = {result.gained}, drop {result.drop:.1%}, p = {result.p_value:.4f}; latency ratio {result.latency_ratio:.2f}, size ratio {result.size_ratio:.2f}")
print("passed:", result.passed, "| reasons:", result.reasons)

# %% [markdown]
# The numbers are made up. The pause of 900 ms in one of 30 calls does not matter to a median. The losses do: 16, against 4 gains.
#
# Other chapters have other rules, on purpose: chapter 14 guards an absolute promise, chapter 41 tests both sides with an allowance, chapter 06 watches a canary. This gate stands early in a pipeline and asks one thing: is there evidence that it is worse?
#
# ### After the gate
#
# *Delivery* stops here and asks a person. *Deployment* goes on by itself. In both cases a model should go out in steps: to 1 % of the users first, watched, with the old one ready to come back (chapter 06).

# %% [markdown]
# ## See it
#
# ![The example pipeline on three executors. Train ends after 5 minutes. Then lint, unit and export start; lint fails after 7 minutes, and failFast aborts unit and export. int8, gate, image and deploy are not built. The critical path would have been 22 minutes.](figure.svg)
#
# Simulated, with invented minutes. It is the pipeline of the Jenkinsfile (critical path 22 minutes), not the eight jobs (16). `lint` fails after 7 minutes, and `failFast` aborts what runs beside it. Without `failFast` the build would end after 17 minutes, with two more results: unit and gate are good. Without the failure it takes 22 minutes, the critical path, on two executors or more.
#
# **A build over time.** Stages of the critical path have a thick outline. Add executors; let a stage fail with and without `failFast`; make the unit tests long.

# %% figure
from utils.widgets.ch39_jenkins_ci import gantt

gantt()

# %% [markdown]
# **What can the gate notice?** The probability that the paired test speaks, against the number of samples. Try a true drop of 0: then all that it says is a false alarm.

# %% figure
from utils.widgets.ch39_jenkins_ci import power

power()

# %% [markdown]
# ## Exercises
#
# `math`, `re` and NumPy as `np` are there from the set-up cell; an answer may import more of the standard library itself. A NumPy number or bool counts as a Python one.

# %% [markdown] about="post_conditions"
# Which blocks of `post` run?
#
# - `current` is the result of this build: SUCCESS, UNSTABLE, FAILURE, NOT_BUILT or ABORTED (strings). That is also their order, from best to worst. `previous` is the result of the last completed build, or None if this is the first.
# - Return a list of the names of the blocks that run, in this order (the plugin's, not the handbook's): `always`, `changed`, `fixed`, `regression`, `aborted`, `success`, `unsuccessful`, `unstable`, `failure`, `notBuilt`, `cleanup`.
# - `always` and `cleanup` run every time. `aborted`, `success`, `unstable`, `failure` and `notBuilt` run for the result of that name, `unsuccessful` for all but SUCCESS.
# - `changed`: the result differs from the previous one; a first build counts as changed.
# - `fixed`: this build is a SUCCESS, and the previous one was FAILURE or UNSTABLE.
# - `regression`: there is a previous build, and this one is worse.
# - Any other `current` (SKIPPED and None too) or `previous` raises a `ValueError` whose message contains the word "result".
#
# For example ("SUCCESS", None) → `["always", "changed", "success", "cleanup"]`;
# ("ABORTED", "FAILURE") → `["always", "changed", "regression", "aborted", "unsuccessful", "cleanup"]`;
# ("SUCCESS", "ABORTED") → `["always", "changed", "success", "cleanup"]`;
# ("UNSTABLE", "SUCCESS") → `["always", "changed", "regression", "unsuccessful", "unstable", "cleanup"]`.

# %% exercise="post_conditions"
def post_conditions(current: str, previous: str | None) -> list[str]:
    """Names of the `post` blocks that run, in the order in which they run."""
    ### BEGIN SOLUTION
    results = ["SUCCESS", "UNSTABLE", "FAILURE", "NOT_BUILT", "ABORTED"]
    if current not in results or previous not in [None, *results]:
        raise ValueError(f"this is not a result: {current!r} after {previous!r}")
    runs = [
        ("always", True),
        ("changed", current != previous),
        ("fixed", current == "SUCCESS" and previous in ("FAILURE", "UNSTABLE")),
        ("regression", previous is not None and results.index(current) > results.index(previous)),
        ("aborted", current == "ABORTED"), ("success", current == "SUCCESS"),
        ("unsuccessful", current != "SUCCESS"), ("unstable", current == "UNSTABLE"),
        ("failure", current == "FAILURE"), ("notBuilt", current == "NOT_BUILT"), ("cleanup", True),
    ]
    return [name for name, yes in runs if yes]
    ### END SOLUTION

# %% check="post_conditions"
check("39.post_conditions", post_conditions)

# %% [markdown] about="schedule"
# Plan jobs on a few executors.
#
# - `durations` maps a job's name to its minutes (a multiple of 0.5, 0 or more). `deps` maps a job to the list of jobs that have to end before it may start; a job without an entry waits for none. `executors` is an int: at most that many jobs run at once.
# - The **remaining path** of a job is its own duration plus the longest chain of jobs that have to follow it.
# - Time starts at 0. Whenever executors are free, start the ready jobs (all that they wait for has ended) with the longest remaining path first. Ties go by name, the smaller string first.
# - Jobs that end at the same instant all free their executors, and make others ready, before new ones start.
# - A job of zero duration holds its executor for the round of starts in which it begins. It has ended before the next round, which comes at the same time.
# - Return a tuple of a dict with the start of every job, and the makespan: the end of the last job. Without jobs that is `({}, 0.0)`.
# - Raise `ValueError` for `executors` below 1 (without jobs too), for a name in `deps` (a key, or in a list) that has no duration, and for jobs that wait for each other in a circle (a job that waits for itself too). Leave the arguments unchanged.
#
# For example the eight jobs: `{"lint": 2, "unit": 6, "export": 3, "int8": 4, "parity": 2, "bench": 5, "image": 4, "deploy": 1}` with
# `{"export": ["lint"], "int8": ["export"], "parity": ["int8"], "bench": ["int8"], "image": ["unit", "parity"], "deploy": ["image", "bench"]}`:
# the makespan is 27 with 1 executor, 16 with 2, and 16 with 3.
# `{"a": 4, "b": 3, "c": 3, "d": 2, "e": 2, "f": 2}` with `{"d": ["a"], "e": ["b"], "f": ["c"]}`: with 2 executors a and b start at 0, c at 3, d at 4, and e and f at 6; the makespan is 8. With 3 it is 6.
# `{"z": 0, "x": 3, "y": 2, "w": 1}` with `{"x": ["z"], "y": ["z"]}` and 2 executors: in the first round z and w start at 0, and both executors are taken.
# In the second, still at 0, z has ended and x starts. y starts at 1, when w ends; the makespan is 3.

# %% exercise="schedule"
def schedule(durations: dict[str, float], deps: dict[str, list[str]], executors: int) -> tuple[dict[str, float], float]:
    """Start times by job and the makespan of list scheduling, longest remaining path first."""
    ### BEGIN SOLUTION
    if executors < 1:
        raise ValueError("executors must be at least 1")
    if not {*deps, *(d for needed in deps.values() for d in needed)} <= set(durations):
        raise ValueError("a job has no duration")
    needed = {name: set(deps.get(name, [])) for name in durations}
    path = dict(durations)
    for _ in durations:  # a chain has no more links than there are jobs
        path = {n: durations[n] + max((path[m] for m in durations if n in needed[m]), default=0) for n in durations}
    starts, running, now = {}, {}, 0.0
    while len(starts) < len(durations) or running:
        ready = [n for n in durations if n not in starts and not needed[n]]
        for n in sorted(ready, key=lambda n: (-path[n], n))[: executors - len(running)]:
            starts[n], running[n] = now, now + durations[n]
        if not running:
            raise ValueError("some jobs wait for each other in a cycle")
        now = min(running.values())
        for done in [n for n, end in running.items() if end == now]:
            del running[done]
            for waiting in needed.values():
                waiting.discard(done)
    return starts, now
    ### END SOLUTION

# %% check="schedule"
check("39.schedule", schedule)

# %% [markdown] about="run_tree"
# What becomes of every stage?
#
# - A leaf is a dict with `name` and `minutes` (positive), perhaps with `result` (SUCCESS, which is the default, UNSTABLE or FAILURE) and `when` (a bool, True by default).
# - A group is a dict with `name` and a list of at least one stage: `stages` run one after another, each from the end of the one before; those in `parallel` (perhaps with `failFast`, a bool, False by default) all start at once. Groups may be nested in any way (Jenkins itself allows no `parallel` inside a `parallel`). All names differ.
# - Return a dict from the name of every leaf and group to a tuple (status, start, end). The argument itself starts at 0. Leave it unchanged.
# - A leaf with `when` False is SKIPPED: it takes no time, and its `result` does not matter. Other leaves end with their `result`.
# - After a FAILURE in `stages` the rest, with all that it contains, is NOT_BUILT, with start and end at the end of the stage that failed. UNSTABLE and SKIPPED go on.
# - A `parallel` group ends with its last branch. With `failFast` it ends as soon as the first of its branches ends in FAILURE. At that time, in all of its branches and at any depth: what has ended by then (at that instant too) stays as it is; what runs ends as ABORTED; what has not begun is NOT_BUILT, with start and end at that time. A stage that would begin at that very instant has not begun. (In the check no stage with `when` False would begin just then, alone or in a group.)
# - The status of a group that comes to its end is the worst of its children in the order SUCCESS, UNSTABLE, ABORTED, FAILURE. In exercise 1 ABORTED is worse than FAILURE; here it is not, for the failure is what caused the abort. SKIPPED counts as SUCCESS, and NOT_BUILT does not count.
# - A group that runs when it is aborted is ABORTED, unless a stage in it, at any depth, has ended in FAILURE by then (at that instant too): then it is FAILURE. A group that has not begun is NOT_BUILT.
#
# The example: a group `ci` of the stages build (3 minutes), `tests` and deploy (1). `tests` is a `parallel` group of unit (6), parity (2, FAILURE) and bench (9).
# With `failFast`: build SUCCESS 0-3; parity FAILURE 3-5; unit and bench ABORTED 3-5; tests FAILURE 3-5; deploy NOT_BUILT 5-5; ci FAILURE 0-5.
# Without: unit SUCCESS 3-9, parity FAILURE 3-5, bench SUCCESS 3-12, tests FAILURE 3-12, deploy NOT_BUILT 12-12, ci FAILURE 0-12.
# And the group `all` of the stages a (2, UNSTABLE), docs (5, `when` False) and b (1): a UNSTABLE 0-2, docs SKIPPED 2-2, b SUCCESS 2-3, all UNSTABLE 0-3.

# %% exercise="run_tree"
def run_tree(stage: dict) -> dict[str, tuple[str, float, float]]:
    """(status, start, end) of every stage by name, in minutes from the start of the outermost one."""
    ### BEGIN SOLUTION
    ranks = ["SKIPPED", "SUCCESS", "UNSTABLE", "ABORTED", "FAILURE"]
    log = {}

    def inside(stage):
        return stage.get("stages") or stage.get("parallel") or []

    def status_of(stage):
        built = [log[child["name"]][0] for child in inside(stage) if log[child["name"]][0] != "NOT_BUILT"]
        worst = max(built, key=ranks.index)
        return "SUCCESS" if worst == "SKIPPED" else worst

    def unbuilt(stage, now):
        log[stage["name"]] = ("NOT_BUILT", now, now)
        for child in inside(stage):
            unbuilt(child, now)

    def run(stage, start):
        """Enter a stage that starts then, and all below it; return its end."""
        end = start
        if "stages" in stage:
            failed = False
            for child in stage["stages"]:
                if failed:
                    unbuilt(child, end)
                else:
                    end = run(child, end)
                    failed = log[child["name"]][0] == "FAILURE"
        elif "parallel" in stage:
            end = max([run(child, start) for child in stage["parallel"]])
            failures = [log[c["name"]][2] for c in stage["parallel"] if log[c["name"]][0] == "FAILURE"]
            if failures and stage.get("failFast", False):
                end = min(failures)
                for child in stage["parallel"]:
                    cut(child, end)
        elif stage.get("when", True):
            end = start + stage["minutes"]
        status = status_of(stage) if inside(stage) else stage.get("result", "SUCCESS") if stage.get("when", True) else "SKIPPED"
        log[stage["name"]] = (status, start, end)
        return end

    def cut(stage, now):
        """Abort at this time a stage that has been entered with all its time."""
        for child in inside(stage):
            cut(child, now)
        _, start, end = log[stage["name"]]
        if end > now and start >= now:
            log[stage["name"]] = ("NOT_BUILT", now, now)
        elif end > now:
            failed = any(log[child["name"]][0] == "FAILURE" for child in inside(stage))
            log[stage["name"]] = ("FAILURE" if failed else "ABORTED", start, now)

    run(stage, 0.0)
    return log
    ### END SOLUTION

# %% check="run_tree"
check("39.run_tree", run_tree)

# %% [markdown] about="quality_gate"
# May the candidate go on?
#
# - `base_ok` and `cand_ok` are boolean NumPy arrays of shape (n,): on which of the same n samples the model in production and the candidate are right. `base_ms` and `cand_ms` are float arrays of latencies in ms; their lengths may differ. `base_bytes` and `cand_bytes` are positive ints.
# - `policy` is a dict with the keys `max_p`, `max_drop` (a share), `max_latency_ratio`, `max_size_ratio` and `min_samples`.
# - *b* counts the samples that only the model in production has right, *c* those that only the candidate has right. p is the probability of at least *b* heads in b + c throws of a fair coin, exactly: the sum of C(b + c, i) for i from b to b + c, divided by 2 to the power b + c. For b + c = 0 it is 1.
# - Return a tuple (passed, reasons). `reasons` is a list of all that apply, in this order:
#   `"samples"` if n is below `min_samples`;
#   `"accuracy"` if (b - c)/n is above `max_drop`, *or* p is at most `max_p`;
#   `"latency"` if the median of `cand_ms` over the median of `base_ms` is above `max_latency_ratio`;
#   `"size"` if `cand_bytes` over `base_bytes` is above `max_size_ratio`.
#   `passed` is True if there are none.
# - The median of an even number of values is the mean of the two in the middle.
# - Raise `ValueError` if `base_ok` and `cand_ok` differ in shape, if any of the four arrays is empty, or if a latency is 0 or negative. Leave the arrays unchanged.
# - Compare plain floats; no tolerance is needed. n is at most 3,000, b + c at most 100.
#
# For example with the policy `{"max_p": 0.05, "max_drop": 0.5, "max_latency_ratio": 1.25, "max_size_ratio": 1.0, "min_samples": 50}`, n = 200, a faster and a smaller candidate:
# b = 12 and c = 4 → p = 0.038406, `(False, ["accuracy"])`; b = 9 and c = 3 → p = 0.072998, `(True, [])`; b = 5 and c = 4 → p = 0.5, `(True, [])`.
# n = 40, b = 9 and c = 0, latencies `[4, 4, 9]` and `[4, 11, 8]`, sizes 100 and 101 → `(False, ["samples", "accuracy", "latency", "size"])`.

# %% exercise="quality_gate"
def quality_gate(base_ok: np.ndarray, cand_ok: np.ndarray, base_ms: np.ndarray, cand_ms: np.ndarray,
                 base_bytes: int, cand_bytes: int, policy: dict) -> tuple[bool, list[str]]:
    """(passed, reasons) of a candidate against the model in production, on the same samples."""
    ### BEGIN SOLUTION
    if base_ok.shape != cand_ok.shape:
        raise ValueError("both models must be judged on the same samples")
    if 0 in (base_ok.size, base_ms.size, cand_ms.size):
        raise ValueError("the evidence must not be empty")
    if min(base_ms.min(), cand_ms.min()) <= 0:
        raise ValueError("latencies must be positive")
    b, c = int(np.sum(base_ok & ~cand_ok)), int(np.sum(cand_ok & ~base_ok))
    p = sum(math.comb(b + c, i) for i in range(b, b + c + 1)) / 2 ** (b + c)
    broken = {
        "samples": base_ok.size < policy["min_samples"],
        "accuracy": (b - c) / base_ok.size > policy["max_drop"] or p <= policy["max_p"],
        "latency": np.median(cand_ms) / np.median(base_ms) > policy["max_latency_ratio"],
        "size": cand_bytes / base_bytes > policy["max_size_ratio"],
    }
    reasons = [name for name, bad in broken.items() if bad]
    return not reasons, reasons
    ### END SOLUTION

# %% check="quality_gate"
check("39.quality_gate", quality_gate)

# %% [markdown] about="stage_tree"
# Read the stages of a Jenkinsfile.
#
# - `jenkinsfile` is the text of a file. Return a list of the stages in the `stages` block of its `pipeline` block, in order, each as a tuple (name, kind, children).
# - `kind` is the name of the block directly in the stage that holds stages: `"stages"`, `"parallel"` or `"matrix"`; without one it is `"leaf"`. The block may be empty. `children` is the list of the stages in there, as such tuples. The children of a `matrix` are in the `stages` block directly inside it; without one there are none. No stage has two of these blocks.
# - Any other block holds no stages of the tree, whatever is written in it: `steps`, `post`, `when`, `agent`, `options` and so on, and `script`, a block of free Groovy inside `steps`. The *step* `parallel(...)` inside `steps` and a `stage` in a `script` are no directives.
# - Stages are written `stage(<string>) {`. A block's `{` follows its name, or the `)` of `stage(...)`, on the same line, with blanks or comments between them at most (no comment there goes over a line end). That is our simplification: Jenkins also takes a `{` on a later line, but no file of the check has one there.
# - A directive stands at the beginning of a statement: at a line's start, or after `;`, `{` or `}`. Inside `( … )` neither a line end nor a `;` begins one. A file may stand on one line, and indentation means nothing.
# - Comments: from `//` to the end of the line, and from `/*` to `*/`, which is never missing. Strings: `'...'` and `"..."`, which end on their line, and each of them with three quotes at both ends, which may go over several lines. A backslash in a string stands only before `'`, `"` or `\` (another simplification), and the two stand for that character. `${...}` is text like any other. There are no other strings (Groovy's slashy ones, `/.../` and `$/.../$`, do not occur). Braces, quotes and comment signs inside a string or a comment mean nothing.
# - Other code may stand before and after the `pipeline` block, which is at the outermost level. A pipeline without a `stages` block, or with an empty one, gives `[]`.
# - Raise `ValueError` with the word "declarative" in its message if there is no `pipeline` block, and one with the word "line" if the braces don't match (one missing, or one too many) or a string is not closed. A message may hold the number of the line; it is not checked. No file of the check has both faults.
#
# The first visible case is this file, as the variable `FILE` (the next cell):
# `[("build", "leaf", []), ("check", "parallel", [("unit", "leaf", []), ("model", "stages", [("export", "leaf", []), ("gate", "leaf", [])])])]`.
# Of the two others one is a stage `run` whose `steps` hold `parallel(one: { stage('a') { ... } }, two: { ... })` → `[("run", "leaf", [])]`,
# and one is a stage `all` with a `matrix` of `axes`, `excludes` and `stages` that holds the stages build and test → `[("all", "matrix", [("build", "leaf", []), ("test", "leaf", [])])]`.

# %%
FILE = r'''// Nightly build of the model. An old version had: stage('ghost') { steps { } }
pipeline {
    agent any
    options { timeout(time: 30, unit: 'MINUTES') }
    stages {
        stage('build') {
            steps { echo "a closing brace: }"
                    sh 'make model' }
        }
        stage("check") {
            failFast true
            parallel {
                stage('unit') { steps { sh 'pytest' } }
                stage('model') { stages {
                    stage('export') { steps { sh 'export' } }
                    stage('gate') { steps { sh 'gate' } }
                } }
            }
        }
    }
    post { always { junit 'report.xml' } }
}
'''

# %% exercise="stage_tree"
def stage_tree(jenkinsfile: str) -> list:
    """Nested list of (name, kind, children) of the stages of a declarative Jenkinsfile."""
    ### BEGIN SOLUTION
    pattern = r"""(?P<comment>//[^\n]*|/\*.*?\*/)
                | (?P<string>'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")
                | \w+ | \S"""
    tokens = []  # a string is a tuple of one, so that it never equals a brace
    for match in re.finditer(pattern, jenkinsfile, re.DOTALL | re.VERBOSE):
        text = match[0]
        if match["string"]:
            quotes = 3 if text[:3] in ("'''", '"""') else 1
            tokens.append((re.sub(r"\\(.)", r"\1", text[quotes:-quotes], flags=re.DOTALL),))
        elif text in ("'", '"'):
            raise ValueError(f"line {jenkinsfile.count(chr(10), 0, match.start()) + 1}: a string is not closed")
        elif not match["comment"]:
            tokens.append(text)

    def blocks(at):
        """The (name, inside) blocks from a position to the brace that closes it, and the position of that brace."""
        found = []
        while at < len(tokens) and tokens[at] != "}":
            if tokens[at] == "{":
                name = tokens[at - 2] if tokens[at - 1] == ")" else tokens[at - 1]
                inside, at = blocks(at + 1)
                if at == len(tokens):
                    raise ValueError("last line: a brace is missing")
                found.append((name, inside))
            at += 1
        return found, at

    def named(name, found):
        return next((inside for other, inside in found if other == name), None)

    def stages(found):
        tree = []
        for name, inside in found:
            if isinstance(name, tuple):
                kind = next((k for k in ("stages", "parallel", "matrix") if named(k, inside) is not None), "leaf")
                below = named(kind, inside) or []
                tree.append((name[0], kind, stages(named("stages", below) or [] if kind == "matrix" else below)))
        return tree

    found, at = blocks(0)
    if at < len(tokens):
        raise ValueError("some line has a brace too many")
    pipeline = named("pipeline", found)
    if pipeline is None:
        raise ValueError("this is no declarative pipeline")
    return stages(named("stages", pipeline) or [])
    ### END SOLUTION

# %% check="stage_tree"
check("39.stage_tree", stage_tree)

# %% [markdown]
# ## Measure it
#
# Now a real pipeline, without Jenkins: a small runner starts each stage as a process of its own, with a time limit, and at most two at once. It ends them all if you interrupt this notebook.
# The stages: train a small convolutional network on scanned digits, export it to ONNX, and check the export. Then four candidates, in parallel: weights and activations of 8 bits (ONNX Runtime's dynamic quantisation), and weights rounded to 4, 3 and 2 bits.
# Each is compressed, tested for its shapes, and passes the gate or not. There are 597 test images.
# Before you run it: which of the four will the shape tests stop? Which will the gate stop, and why?

# %% experiment
import tempfile
from pathlib import Path

from utils.delivery import ci_pipeline as ci
from utils.delivery.ci_pipeline.model_stages import model_spec
from utils.widgets.ch39_jenkins_ci import run_picture, run_table

policy = ci.GatePolicy(max_p=0.05, max_drop=0.01, max_latency_ratio=1.5, max_size_ratio=1.0, min_samples=500)
spec = model_spec(policy.as_dict())
workdir = tempfile.TemporaryDirectory(prefix="ci39_")  # goes when the kernel ends
run_log = ci.run_local_pipeline(spec, workdir.name, executors=2)
run_table(run_log)

# %% experiment
run_picture(run_log)

# %% [markdown]
# All shape tests are green, also for 2 bits. The gates tell more:

# %% experiment
from utils.widgets.ch39_jenkins_ci import dashboard, gate_rows

gates = gate_rows(run_log)
assert "accuracy" in gates["2bit"]["reasons"] and gates["int8"]["size_ratio"] < 1
dashboard(gates, policy)

# %% [markdown]
# What to look for:
#
# - *2 bits* loses 269 of 597 images and gains 7 in the run with which this text was written; about half of the answers are still right, and all shapes.
# - *3 bits* lost 38 and gained 6 there: 5.4 points, p below 0.000001. Nobody would see that in a handful of samples. *4 bits* flipped 14 images (6 lost, 8 gained) and passed.
# - *int8* flipped none, and its file is 2.5 times smaller. But it was 6 and 8 times *slower* in two runs (ONNX Runtime 1.32, a server's CPU): dynamic quantisation turns the convolutions into integer ones that have no fast kernel there. Smaller is not faster. The gate stopped it by its latency. On another machine the ratio is another.
# - The weights of 4, 3 and 2 bits are stored in 8 bits each, so these files have one size. ONNX Runtime makes them float again when it loads them, so their latency is that of the original.
#
# A pipeline should leave evidence. Each stage left a log and a report in the XML of JUnit (a Java test framework), which Jenkins can show; and every candidate has its provenance:

# %% experiment
folder = Path(workdir.name)
print((folder / "reports" / "gate-2bit.xml").read_text()[:260])
print((folder / "4bit.provenance.json").read_text())

# %% [markdown]
# The same pipeline for a Jenkins. It is data, so it can be written as a Jenkinsfile; read again, it has the same stages.

# %% experiment
text = ci.to_jenkinsfile(spec)
print("\n".join(line[:150] for line in text.splitlines()[:16]), "\n…")
print("findings:", ci.lint(ci.parse_jenkinsfile(text)))

# %% [markdown]
# With a GPU the same gate can compare the latencies there. Without one this cell measures nothing and says so.

# %% experiment
from utils.widgets.ch39_jenkins_ci import gpu_gate

gpu_gate(Path(workdir.name), "4bit", policy)

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims. Row 8 is what it leaves out.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | Jenkins was formerly called Hudson | holds, incomplete | Kohsuke Kawaguchi started Hudson at Sun. After a dispute with Oracle, which had bought Sun, the community voted for a new name in January 2011. Hudson went on beside it for some years |
# | 2 | it is free and open source, for CI and CD | holds | MIT licence |
# | 3 | open source guarantees that it stays free and goes on being developed and maintained | does not follow | a licence lets anybody continue a project; Jenkins itself is such a continuation. It obliges nobody to maintain it |
# | 4 | it supports Maven, Gradle, npm, yarn, pip | depends | the core starts processes and keeps records. Each of these is a plugin, or a shell command on an agent that has the tool. The agent also needs a Java that the controller accepts |
# | 5 | builds on every commit ensure that it can be built, and end "it runs on my machine" | wrong as stated | a build *detects* a broken commit, afterwards or before the merge. An agent kept by hand is a "my machine" as well; containers and lock files end that |
# | 6 | unit, integration and UI tests keep the quality | depends | 2-bit weights pass all shape tests and lose almost half of the answers. And 500 tests that fail by chance once in 1,000 runs make 39 % of the good builds red |
# | 7 | after all tests have passed, it is deployed automatically | depends | that is continuous *deployment*; *delivery* asks a person. In both cases in steps, and reversibly |
# | 8 | (how a pipeline is written and what happens when it fails is not said) | missing | a pipeline is code: agents, `when`, `parallel`, `failFast`, `post`. The critical path bounds its time, and `post` has an order of its own |
#
# Rows 1, 2, 4 and 8 come from these sources, read on the day shown; row 6, and row 8 in part, are computed:

# %%
from utils.delivery import ci_pipeline as ci

for fact in ci.JENKINS_FACTS:
    print(f"{fact.as_of}: {fact.says} [{fact.source}]")
print(f"row 6: {1 - ci.flake_pass_rate(500, 0.001):.0%} of the good builds are red")
print(f"row 8: {ci.critical_path(ci.EIGHT_MINUTES, ci.EIGHT_DEPS)[0]:g} minutes is the critical path of the eight jobs; after the first green build: {ci.post_conditions('SUCCESS', None)}")

# %% [markdown]
# ## Explain it
#
# Your team's pipeline runs unit tests and deploys a new model when they are green. A colleague wants to retry flaky tests three times and to set `failFast` everywhere, "to get more green builds sooner". What do you propose? Answer in six or seven sentences.
#
# A good answer names:
# 1. what green means here, and what no unit test of a model sees;
# 2. a gate on the same samples, with its limits fixed before;
# 3. the latency as a ratio on one machine, and the size;
# 4. what retries hide, and what `failFast` costs;
# 5. pinned data and environment, and a roll-out in steps with a way back.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# Green says that the code runs and the shapes are right; a model with 2-bit weights is green too and loses almost half of its answers.
# So before deployment comes a gate: candidate and production model on the same few thousand samples, a one-sided paired test and a limit on the drop, both fixed beforehand.
# It also compares the median latencies, measured in turns on one target device, and the file sizes.
# Three retries let a fault that shows in 10 % of the runs pass 99.99 % of the builds, so we count retries and repair the tests that need them.
# failFast saves minutes of a red build but hides whether its siblings would have passed; I would set it for cheap checks, and not where the results are evidence.
# Data, packages and the container image are pinned by hash and recorded with the artefact, so that a build can be repeated.
# What passes goes to 1 % of the users first, watched, and the last model can be switched back.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("39")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | continuous integration | 持续集成 | build and test every change |
# | continuous delivery / deployment | 持续交付 / 持续部署 | always releasable / released automatically |
# | controller, agent, executor | 主控、代理、执行器 | what schedules, a machine that works, one slot of it |
# | declarative pipeline | 声明式流水线 | structured Jenkinsfile |
# | directive | 指令 | word of a Jenkinsfile that has a block or a value |
# | stage | 阶段 | named part of a pipeline |
# | fail-fast | 快速失败 | abort the siblings of a branch that failed |
# | post condition | 后置条件 | block that runs according to the result |
# | critical path | 关键路径 | longest chain of stages that wait for each other |
# | makespan | 总工期 | time from the first start to the last end |
# | flaky test | 不稳定测试 | test that passes and fails on the same code |
# | quality gate | 质量门禁 | automatic rule that accepts or rejects |
# | McNemar's test | 麦克尼马检验 | paired comparison by the samples that flip |
# | artefact provenance | 制品溯源 | record of source, data and build of a file |

# %% [markdown]
# ## Sources
#
# - jenkinsci/pipeline-model-definition-plugin (MIT): `model/conditions/*.groovy` (order and rules of `post`), pull request 266 (`failure` moved, 2018), `ParallelTest` (failFast), `src/test/resources/errors` (what is refused). jenkinsci/jenkins: `LICENSE.txt`.
# - A. Bayer, result of the vote on the name, jenkins-ci.org, 29 January 2011.
# - jenkins.io: *Pipeline Syntax*, section post (the other order); *Jenkins requires Java 17 or newer*, blog, 11 June 2024; upgrade guide 2.555 (Java 21), as quoted in nodejs/build issue 4304; CloudBees, *Migrate to Java 21*.
# - R. L. Graham, *Bounds on Multiprocessing Timing Anomalies*, SIAM Journal on Applied Mathematics 1969.
# - Q. McNemar, *Note on the sampling error of the difference between correlated proportions or percentages*, Psychometrika 1947.
# - J. F. Smart, *Jenkins: The Definitive Guide*, O'Reilly 2011: history.
