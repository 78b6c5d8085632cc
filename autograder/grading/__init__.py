"""Grading a class: from `submitted/` to nbgrader's gradebook, fast and behind walls.

course       an nbgrader course folder: its directories, database and secret
assignment   what was handed out: the released notebook, its exercises and points
submission   what came back, read strictly; only the learner's cells are taken
inside/      the only code that shares a machine with a learner's code: fork server, keeper, runner, walls
sandbox      the outside end of it: start the fork server, open a sandbox for one submission
grade        one submission: run its cells, ask, judge outside, one `Result`
results      what a result holds
pages        the graded notebook and the feedback page of a result
gradebook    results into nbgrader's tables, one transaction a submission
workers, cluster   many submissions at a time: processes of this machine, or Dask
run          a whole run: what is to be graded, resuming, progress, summary
"""
