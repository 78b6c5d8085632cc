"""A real JupyterLab and a real Chromium. Skipped with its reason where there is no Chromium."""

from __future__ import annotations

import itertools
import os
import re
import secrets
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from autograder.chapters import ROOT
from autograder.lab import choose_port, command

SHOTS = ROOT / "build" / "screenshots"
CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]


def pytest_collection_modifyitems(items):
    for item in items:
        if CHROMIUM is None and "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.skip(reason="no Chromium: install Debian's package chromium"))


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """A JupyterLab on a copy of the course, as `make lab` starts it; (address of a file, its folder)."""
    home = tmp_path_factory.mktemp("lab")
    course = home / "course"
    shutil.copytree(ROOT / "course", course, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    port, token = choose_port(None), secrets.token_hex(20)
    line = [a if not a.startswith("--ServerApp.root_dir") else f"--ServerApp.root_dir={course}" for a in command(port)]
    line.append("--LabApp.expose_app_in_browser=True")
    env = {**os.environ, "JUPYTER_TOKEN": token, "AUTOGRADER_DATA": str(home / "data"), "HOME": str(home),
           "JUPYTER_CONFIG_DIR": str(home / "config"), "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
           "JUPYTERLAB_WORKSPACES_DIR": str(home / "spaces"), "JUPYTER_PATH": "", "IPYTHONDIR": str(home / "ipython")}
    log = (home / "lab.log").open("wb")
    process = subprocess.Popen(line, cwd=course, env=env, stdout=log, stderr=log, start_new_session=True)
    deadline, number = time.monotonic() + 90, itertools.count()
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status?token={token}", timeout=2).close()
            break
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, (home / "lab.log").read_text()
            time.sleep(0.3)
    # A workspace of its own for each opening: JupyterLab would restore the tabs of the one before.
    yield lambda path: f"http://127.0.0.1:{port}/lab/workspaces/w{next(number)}/tree/{path}?token={token}", course
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


class Notebook:
    """What a person does with a notebook in JupyterLab."""

    def __init__(self, page, name: str) -> None:
        self.page, self.name = page, name
        self.errors: list[str] = []
        page.on("pageerror", lambda e: self.errors.append(str(e)))

    def open(self, address: str) -> Notebook:
        self.page.goto(address)
        self.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=90_000)
        self.page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']", timeout=90_000, state="attached")
        self.page.wait_for_function(
            "() => { const w = window.jupyterapp?.shell.currentWidget; return w?.context?.isReady"
            " && w.content.widgets.length > 3 && w.context.sessionContext.session?.kernel?.status === 'idle'; }",
            timeout=90_000)
        return self

    def shot(self, step: str) -> Path:
        SHOTS.mkdir(parents=True, exist_ok=True)
        path = SHOTS / f"{self.name}-{step}.png"
        self.page.screenshot(path=path)
        return path

    def run_all(self, timeout_s: float = 480) -> None:
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name=re.compile("^Run All Cells"), exact=False).first.click()
        time.sleep(0.5)
        self.wait_idle(timeout_s)

    def wait_idle(self, timeout_s: float = 300) -> None:
        """Until no cell shows [*] for a second."""
        deadline, quiet = time.monotonic() + timeout_s, 0
        while quiet < 4:
            busy = self.page.evaluate(
                "() => [...document.querySelectorAll('.jp-InputPrompt')].some(p => p.textContent.includes('*'))"
                " || document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'busy'")
            quiet = 0 if busy else quiet + 1
            assert time.monotonic() < deadline, "the notebook is still running"
            time.sleep(0.25)

    def cell(self, text: str, kind: str = "code"):
        """The cell whose source holds `text`; scrolled to, so that JupyterLab has drawn it."""
        index = self.page.evaluate(
            """([text, kind]) => {
              const lab = window.jupyterapp.shell.currentWidget.content;
              const at = lab.widgets.findIndex(w => w.model.type === kind && w.model.sharedModel.getSource().includes(text));
              if (at >= 0) { lab.activeCellIndex = at; lab.scrollToItem(at, 'center'); }
              return at;
            }""", [text, kind])
        assert index >= 0, f"no {kind} cell holds {text!r}"
        found = self.page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{index}']")
        found.wait_for(state="visible", timeout=20_000)
        found.scroll_into_view_if_needed()
        return found

    def write(self, text: str, source: str) -> None:
        """Replace the source of the cell that holds `text`, as a person would: select all, type."""
        cell = self.cell(text)
        editor = cell.locator(".cm-content")
        editor.click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(source)

    def run(self, text: str, timeout_s: float = 240):
        """Run the cell that holds `text` with Shift+Enter; its output area."""
        cell = self.cell(text)
        before = self._count(text)
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")
        deadline = time.monotonic() + timeout_s
        while self._count(text) in (before, None):
            assert time.monotonic() < deadline, f"the cell with {text!r} did not come to its end"
            time.sleep(0.1)
        self.wait_idle(timeout_s)
        return self.cell(text).locator(".jp-OutputArea")

    def _count(self, text: str) -> int | None:
        """The execution count of the code cell that holds `text`; None while it runs or before."""
        return self.page.evaluate(
            """text => window.jupyterapp.shell.currentWidget.content.widgets.find(
                 w => w.model.type === 'code' && w.model.sharedModel.getSource().includes(text))?.model.executionCount""",
            text)


@pytest.fixture
def notebook(lab, browser, request):
    """Opens a notebook of the course: `notebook("26_…/26_….ipynb", width)`."""
    address, _ = lab
    opened = []

    def open_one(path: str, width: int = 1280, height: int = 800, dark: bool = False) -> Notebook:
        context = browser.new_context(viewport={"width": width, "height": height})
        page = context.new_page()
        opened.append(context)
        shown = Notebook(page, request.node.name.replace("[", "-").rstrip("]"))
        return shown.open(address(path))

    yield open_one
    for context in opened:
        context.close()


