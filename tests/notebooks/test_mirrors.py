"""One name in five places: master, exercises, questions, notebook, picture. And arrows that run one way."""

import ast
import inspect
import re
import shutil
import sys
from pathlib import Path

import pytest

from autograder.chapters import CHAPTERS, ROOT
from autograder.drill.questions import chapter_questions
from autograder.exercises import chapter_exercises
from autograder.notebooks import build
from autograder.notebooks.master import read_master

ORDER = ("numerics", "cost", "graphs", "attention", "networks", "hardware", "moe", "compression", "engines", "serving",
         "delivery", "widgets")


def imports_of(path):
    """Every module that a file imports, those inside functions included; relative ones resolved."""
    package = path.relative_to(ROOT).with_suffix("").parts
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level]) if node.level else ""
            module = ".".join(p for p in (base, node.module) if p)
            found += [module, *(f"{module}.{a.name}" for a in node.names)]
    return found


def test_each_chapter_has_the_same_name_everywhere(chapter_number):
    stem = CHAPTERS[chapter_number].stem
    for path in (f"solutions/{stem}.py", f"autograder/drill/questions/ch{stem}.py",
                 f"course/{stem}/{stem}.ipynb", f"utils/widgets/ch{stem}.py", f"solutions/pictures/{stem}.svg"):
        assert (ROOT / path).exists(), path
    exercises = ROOT / "autograder/exercises" / f"ch{stem}"
    # A package would hide a module of its name, so only one of the two may be there.
    assert (exercises / "__init__.py").exists() != exercises.with_suffix(".py").exists(), exercises


def loaded_modules(chapter_number):
    """The modules that a chapter's exercises come from, by what follows the chapter in their names."""
    name = f"autograder.exercises.ch{CHAPTERS[chapter_number].stem}"
    chapter_exercises(chapter_number)
    return {n.removeprefix(name).lstrip("."): m for n, m in sys.modules.items() if n == name or n.startswith(f"{name}.")}


def test_the_build_knows_every_file_of_the_exercises(chapter_number):
    files = build.exercise_files(CHAPTERS[chapter_number])
    assert sorted(files) == sorted(Path(m.__file__) for m in loaded_modules(chapter_number).values())


def test_a_change_in_any_of_them_is_a_reason_to_build(chapter_number, tmp_path, monkeypatch):
    copy = shutil.copytree(build.EXERCISES, tmp_path / "exercises", ignore=shutil.ignore_patterns("__pycache__"))
    digests = [build._inputs_digest(CHAPTERS[chapter_number])]
    monkeypatch.setattr(build, "EXERCISES", copy)
    assert build._inputs_digest(CHAPTERS[chapter_number]) == digests[0]
    for path in build.exercise_files(CHAPTERS[chapter_number]):
        assert copy in path.parents
        path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
        digests.append(build._inputs_digest(CHAPTERS[chapter_number]))
    assert len(set(digests)) == len(digests)


def test_in_a_package_each_exercise_has_its_module(chapter_number):
    modules = loaded_modules(chapter_number)
    for exercise in chapter_exercises(chapter_number) if len(modules) > 1 else ():
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", exercise.name).lower()
        assert name in modules and any(value is exercise for value in vars(modules[name]).values()), exercise.id
    body = ast.parse(inspect.getsource(modules[""])).body
    if len(modules) > 1:
        assert [type(n) for n in body] == [ast.Expr, *[ast.ImportFrom] * (len(body) - 2), ast.Assign]


def test_no_file_of_the_exercises_is_over_700_lines(chapter_number):
    for path in build.exercise_files(CHAPTERS[chapter_number]):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 700, path


def test_the_notebook_and_the_table_tell_the_same_minutes(chapter_number):
    told = re.search(r"About (\d+) minutes", read_master(CHAPTERS[chapter_number].master).cells[0].source)
    assert told and int(told[1]) == CHAPTERS[chapter_number].minutes


def test_ids_carry_their_chapter(chapter_number):
    assert all(e.chapter == chapter_number for e in chapter_exercises(chapter_number))
    ids = [q.id for q in chapter_questions(chapter_number)]
    assert all(i.startswith(f"{chapter_number}.") for i in ids) and len(set(ids)) == len(ids)


@pytest.mark.parametrize("package", ORDER)
def test_utils_import_only_leftward(package):
    files = sorted((ROOT / "utils" / package).rglob("*.py"))
    right = ORDER[ORDER.index(package) + 1 :]
    for path in files:
        for name in imports_of(path):
            parts = name.split(".")
            assert parts[0] != "autograder", f"{path} imports {name}"
            assert not (parts[0] == "utils" and len(parts) > 1 and parts[1] in right), f"{path} imports {name}"


def test_the_vocabulary_and_the_probes_know_no_reference():
    files = [ROOT / "autograder/exercise.py", ROOT / "autograder/compare.py", *(ROOT / "autograder/probes").glob("*.py")]
    assert len(files) > 5
    for path in files:
        for name in imports_of(path):
            assert not name.startswith(("utils", "autograder.exercises", "autograder.drill", "solutions")), f"{path}: {name}"


def test_probes_import_nothing_of_the_course_outside_themselves():
    for path in (ROOT / "autograder/probes").glob("*.py"):
        for name in imports_of(path):
            assert not name.startswith("autograder") or name.startswith("autograder.probes"), f"{path}: {name}"


def test_importing_the_packages_is_instant():
    import subprocess
    import sys

    code = ("import sys, autograder, utils, autograder.cli, autograder.chapters, utils.cost.latency\n"
            "print([m for m in ('torch', 'onnx', 'onnxruntime', 'matplotlib', 'sklearn') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_stub_has_the_references_signature_and_first_line(chapter_number):
    """Where the learner writes a function or class of the reference's own name."""
    master = read_master(CHAPTERS[chapter_number].master)
    for exercise in chapter_exercises(chapter_number):
        reference = exercise.reference
        if isinstance(reference, tuple) or getattr(reference, "__name__", "") != exercise.names[0]:
            continue
        tree = ast.parse(master.solutions[exercise.name].source)
        node = next(n for n in tree.body if getattr(n, "name", "") == exercise.names[0])
        if isinstance(node, ast.FunctionDef):
            written = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            assert written == list(inspect.signature(reference).parameters), f"{exercise.id}: parameters differ"
