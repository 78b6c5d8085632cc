"""A graded class as its instructor and a student see it: nbgrader's formgrader, and a feedback page, in a real browser."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import SHOTS

from autograder.chapters import CHAPTERS, ROOT
from autograder.classroom.create import create_course
from autograder.exercises import chapter_exercises
from autograder.grading.sandbox import possible_walls
from autograder.lab import choose_port
from autograder.notebooks.build import write_text
from autograder.notebooks.master import read_master

pytestmark = [pytest.mark.browser, pytest.mark.skipif(bool(possible_walls()[1]), reason="no sandbox on this machine")]
CHAPTER = CHAPTERS["12"]
WRITTEN = "Because <script>document.title = 'caught'</script> of the <img src=x onerror=\"document.title='caught'\"> MACs."


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A course in which ada solved everything, bob the first exercise; graded."""
    root = tmp_path_factory.mktemp("class") / "course"
    create_course(root, [CHAPTER])
    solutions, first = read_master(CHAPTER.master).solutions, chapter_exercises("12")[0].name
    for student, solved in (("ada", set(solutions)), ("bob", {first})):
        notebook = json.loads((root / "release" / CHAPTER.stem / f"{CHAPTER.stem}.ipynb").read_text())
        for cell in notebook["cells"]:
            told = cell["metadata"].get("nbgrader", {})
            if told.get("grade_id") in solved:
                cell["source"] = solutions[told["grade_id"]].solution
            elif told.get("grade") and cell["cell_type"] == "markdown":
                cell["source"] = WRITTEN
        write_text(root / "submitted" / student / CHAPTER.stem / f"{CHAPTER.stem}.ipynb", json.dumps(notebook))
    done = subprocess.run([sys.executable, "-m", "autograder", "grade", "--json", "--course", str(root)], cwd=ROOT,
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["graded"] == 2
    return root


@pytest.fixture(scope="module")
def formgrader(graded, tmp_path_factory):
    """The address of a path of the formgrader in a JupyterLab that runs in the course's folder."""
    home = tmp_path_factory.mktemp("instructor")
    port, token = choose_port(None), secrets.token_hex(20)
    log = (home / "lab.log").open("wb")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.root_dir={graded}",
         f"--port={port}", "--ServerApp.ip=127.0.0.1"], cwd=graded, stdout=log, stderr=log, start_new_session=True,
        env={**os.environ, "PATH": path, "HOME": str(home), "JUPYTER_TOKEN": token, "JUPYTER_CONFIG_DIR": str(home / "config"),
             "JUPYTER_PATH": "", "IPYTHONDIR": str(home / "ipython")})
    deadline = time.monotonic() + 90
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status?token={token}", timeout=2).close()
            break
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, (home / "lab.log").read_text()
            time.sleep(0.3)
    yield lambda where: f"http://127.0.0.1:{port}/formgrader/{where}?token={token}"
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()


def test_the_formgrader_shows_scores_and_takes_points(graded, formgrader, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(formgrader(""))  # the token becomes a cookie
    page.goto(formgrader(f"gradebook/{CHAPTER.stem}/{CHAPTER.stem}"))
    rows = page.locator("table tbody tr")
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.wait_for_timeout(5000)
    page.screenshot(path=SHOTS / "formgrader-1-submissions.png")
    rows.nth(1).wait_for(timeout=20_000)
    most = sum(e.points for e in chapter_exercises("12"))
    first = chapter_exercises("12")[0].points
    shown = rows.all_inner_texts()
    for points in (most, first):
        assert any(re.search(rf"(?<![\d.]){points:g} / {most:g}\b", text) for text in shown), shown
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / "formgrader-1-submissions.png")
    ada = next(row for row in rows.all() if re.search(rf"(?<![\d.]){most:g} / {most:g}\b", row.inner_text()))
    ada.locator("a[href*='submissions']").first.click()
    page.get_by_text("check-conv_macs").first.wait_for(timeout=60_000)
    assert "✓ right" in page.inner_text("body") and page.title() != "caught"
    page.wait_for_load_state("networkidle")  # the fields are bound once the grades are there
    for field, text, kind in ((page.locator(".nbgrader_cell input.score").last, "3", "grade"),
                              (page.locator("textarea.comment").last, "Well said.", "comment")):
        with page.expect_response(lambda r, kind=kind: f"/api/{kind}/" in r.url and r.request.method != "GET") as saved:
            field.fill(text)
            field.press("Tab")
        assert saved.value.ok
    page.screenshot(path=SHOTS / "formgrader-2-notebook.png", full_page=False)
    page.close()

    done = subprocess.run([sys.executable, "-m", "autograder", "classroom", "feedback", "--course", str(graded)],
                          cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = (graded / "feedback" / "ada" / CHAPTER.stem / f"{CHAPTER.stem}.html").read_text()
    assert "Well said." in told and "waits for a person" not in told


def test_a_students_page_says_what_was_found_and_runs_nothing(graded, browser):
    page = browser.new_page(viewport={"width": 1000, "height": 800})
    page.goto(f"file://{graded}/feedback/bob/{CHAPTER.stem}/{CHAPTER.stem}.html")
    text = page.inner_text("body")
    assert "✓ right" in text and "○ not attempted" in text
    assert page.locator("script").count() == 0 and page.locator("img").count() == 0 and page.title() != "caught"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.screenshot(path=SHOTS / "feedback-bob.png", full_page=True)
    page.close()
