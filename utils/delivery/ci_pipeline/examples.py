"""The pipelines of the chapter: a model's Jenkinsfile with invented durations, and eight jobs with dependencies."""

from __future__ import annotations

from typing import Any

import numpy as np

from .jenkinsfile import parse_jenkinsfile
from .plans import plan_of
from .release_rule import Evidence

JENKINSFILE = """\
pipeline {
    agent none                          // each stage asks for its own
    options { timeout(time: 60, unit: 'MINUTES') }
    stages {
        stage('train') {
            agent { label 'gpu' }
            steps { sh 'python train.py --data data.lock' }
        }
        stage('checks') {
            failFast true
            parallel {
                stage('lint') { agent any; steps { sh 'ruff check' } }
                stage('unit') { agent any; steps { sh 'pytest' } }
                stage('candidate') {
                    agent { label 'target-device' }
                    stages {
                        stage('export') { steps { sh 'python export.py' } }
                        stage('int8') { steps { sh 'python quantize.py' } }
                        stage('gate') { steps { sh 'python gate.py' } }
                    }
                }
            }
        }
        stage('image') { agent any; steps { sh 'docker build .' } }
        stage('deploy') {
            when { branch 'main' }
            agent any
            steps { sh './canary.sh 1%' }
        }
    }
    post {
        failure { mail to: 'team@example.com', subject: 'red' }
        cleanup { echo 'delete the workspace' }
    }
}
"""

# Minutes, invented.
MINUTES = {"train": 5, "lint": 2, "unit": 6, "export": 3, "int8": 4, "gate": 5, "image": 4, "deploy": 1}

EIGHT_MINUTES = {"lint": 2, "unit": 6, "export": 3, "int8": 4, "parity": 2, "bench": 5, "image": 4, "deploy": 1}
EIGHT_DEPS = {"export": ["lint"], "int8": ["export"], "parity": ["int8"], "bench": ["int8"],
              "image": ["unit", "parity"], "deploy": ["image", "bench"]}


def example_plan(*, failing: str | None = None, fail_fast: bool = True, minutes: dict[str, float] | None = None
                 ) -> dict[str, Any]:
    """The plan of `JENKINSFILE`, perhaps with a stage that fails, without its failFast, or with other durations."""
    results = {} if failing is None else {failing: "FAILURE"}
    plan = plan_of(parse_jenkinsfile(JENKINSFILE), MINUTES | (minutes or {}), results=results)
    plan["stages"][1]["failFast"] = fail_fast
    return plan


def example_evidence() -> tuple[Evidence, Evidence]:
    """Made-up evidence of two models: the candidate loses 16 samples and gains 4, is faster, and once paused."""
    rng = np.random.default_rng(0)
    candidate = np.concatenate([np.ones(4, bool), np.zeros(46, bool), np.arange(950) >= 16])
    return (Evidence(np.arange(1000) >= 50, rng.normal(2.0, 0.1, 30), 40_000),
            Evidence(candidate, np.append(rng.normal(1.8, 0.1, 29), 900.0), 12_000))
