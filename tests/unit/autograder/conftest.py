"""Fixtures of the tests of the terminal app: an editor, and a check without its sandbox."""

from __future__ import annotations

import contextlib

import pytest

from autograder.drill.terminal import DrillApp
from autograder.judging import NOT_ATTEMPTED, RIGHT, WRONG, Judgement


@pytest.fixture
def editor(tmp_path, monkeypatch):
    """An editor that writes what the test says; its screen is not there, so the app's is not given away."""

    def writes(source):
        answer = tmp_path / "answer.py"
        answer.write_text(source)
        script = tmp_path / "editor"
        script.write_text(f"#!/bin/sh\ncat {answer} > \"$1\"\n")
        script.chmod(0o755)
        monkeypatch.setenv("EDITOR", str(script))

    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setattr(DrillApp, "suspend", lambda self: contextlib.nullcontext())
    return writes


@pytest.fixture
def quick_check(monkeypatch):
    """The check without its sandbox: right for the solution, not attempted for the stub, wrong for the rest."""

    def judge(task, source):
        outcome = NOT_ATTEMPTED if "NotImplementedError" in source and "return" not in source \
            else RIGHT if "rounded" in source else WRONG
        message = "Not written yet." if outcome == NOT_ATTEMPTED else "Look again."
        return Judgement(task.id, outcome, 4.0 if outcome == RIGHT else 0.0, 4.0, message=message), "A notice."

    monkeypatch.setattr("autograder.drill.asking.judge_code", judge)
