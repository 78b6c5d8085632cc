"""A pipeline for models: Jenkinsfiles parsed, builds simulated and really run, and the quality gate.

This module only gathers names; each lives in the file that its import line says. `measuring` and `model_stages` are not
among them: they run networks, and import onnxruntime and torch.

>>> post_conditions("SUCCESS", "FAILURE")
['always', 'changed', 'fixed', 'success', 'cleanup']
"""

from .conditions import POST_ORDER, RESULTS, post_conditions
from .examples import EIGHT_DEPS, EIGHT_MINUTES, JENKINSFILE, MINUTES, example_evidence, example_plan
from .executors import run_on_executors
from .facts import JENKINS_FACTS, Fact
from .flakes import flake_pass_rate, runs_to_see
from .groovy import Statement, Token, statements, tokenize
from .jenkinsfile import Exclusion, Pipeline, Stage, parse_jenkinsfile, stage_tree
from .jobs import critical_path, lower_bound, remaining_paths, schedule
from .linting import lint
from .local_run import RunLog, StageRun, run_local_pipeline
from .plans import jobs_of, plan_of
from .power import critical_losses, drop_alarm, gate_power
from .provenance import artefact_record, differences, environment, file_sha256, fingerprint
from .release_rule import Evidence, GatePolicy, GateResult, compare_models, quality_gate
from .tree_run import build_minutes, leaves, run_tree
from .writing import to_jenkinsfile

__all__ = [
    "EIGHT_DEPS",
    "EIGHT_MINUTES",
    "JENKINSFILE",
    "JENKINS_FACTS",
    "MINUTES",
    "POST_ORDER",
    "RESULTS",
    "Evidence",
    "Exclusion",
    "Fact",
    "GatePolicy",
    "GateResult",
    "Pipeline",
    "RunLog",
    "Stage",
    "StageRun",
    "Statement",
    "Token",
    "artefact_record",
    "build_minutes",
    "compare_models",
    "critical_losses",
    "critical_path",
    "differences",
    "drop_alarm",
    "environment",
    "example_evidence", "example_plan",
    "file_sha256",
    "fingerprint",
    "flake_pass_rate",
    "gate_power",
    "jobs_of",
    "leaves",
    "lint",
    "lower_bound",
    "parse_jenkinsfile",
    "plan_of",
    "post_conditions",
    "quality_gate",
    "remaining_paths",
    "run_local_pipeline",
    "run_on_executors",
    "run_tree",
    "runs_to_see",
    "schedule",
    "stage_tree",
    "statements",
    "to_jenkinsfile",
    "tokenize",
]
