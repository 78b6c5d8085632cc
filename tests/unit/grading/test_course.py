"""A course folder: found and read as nbgrader finds and reads it."""

from __future__ import annotations

import pytest

from autograder.grading.course import CourseError, find_course, open_course


def make(folder, config=""):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nbgrader_config.py").write_text(f"c = get_config()\n{config}\n")
    return folder


def test_the_nearest_folder_with_a_configuration(tmp_path):
    outer = make(tmp_path / "outer")
    inner = make(outer / "a" / "inner")
    (inner / "deep").mkdir()
    assert find_course(inner / "deep") == inner and find_course(outer / "a") == outer
    with pytest.raises(CourseError, match="autograder classroom create DIR"):
        find_course("/")
    with pytest.raises(CourseError, match="is not there"):
        find_course(outer / "b")


CONFIGS = {
    "nothing": "",
    "names": "c.CourseDirectory.source_directory = 'build/source'\nc.CourseDirectory.release_directory = 'course'\n"
             "c.CourseDirectory.submitted_directory = 'in'",
    "absolute": "c.CourseDirectory.feedback_directory = '{other}/feedback'",
    "structure": "import os\nc.CourseDirectory.directory_structure = os.path.join("
                 "'{{nbgrader_step}}', '{{assignment_id}}', '{{student_id}}')",
    "root": "c.CourseDirectory.root = '{other}'",
    "database": "c.CourseDirectory.db_url = 'sqlite:////{other}/grades.db'",
}


@pytest.mark.parametrize("name", CONFIGS)
def test_folders_are_those_of_nbgrader(tmp_path, name):
    from nbgrader.coursedir import CourseDirectory

    (tmp_path / "other").mkdir()
    root = make(tmp_path / "course", CONFIGS[name].format(other=tmp_path / "other"))
    course = open_course(root)
    config = course.config.copy()
    if name != "root":
        config.CourseDirectory.root = str(root)  # nbgrader takes the folder that it is started in
    theirs = CourseDirectory(config=config)
    for step in ("source", "release", "submitted", "autograded", "feedback"):
        mine = course.folder(getattr(course, step), "ann", "12_flops")
        assert str(mine) == theirs.format_path(getattr(theirs, f"{step}_directory"), "ann", "12_flops"), step
    assert course.db_url == theirs.db_url


def test_a_relative_database_and_root_start_in_the_course(tmp_path, monkeypatch):
    root = make(tmp_path / "course", "c.CourseDirectory.db_url = 'sqlite:///deep/grades.db'\nc.CourseDirectory.root = 'x'")
    (root / "x").mkdir()
    monkeypatch.chdir(tmp_path)
    course = open_course("course")
    assert course.root == root / "x" and course.db_url == f"sqlite:///{root}/x/deep/grades.db"
    make(root, "c.CourseDirectory.db_url = 'postgresql+psycopg://me@/grades'")
    assert open_course(root).db_url == "postgresql+psycopg://me@/grades"


def test_a_broken_configuration_is_one_sentence(tmp_path):
    root = make(tmp_path, "c.CourseDirectory.course_id = undefined_name")
    with pytest.raises(CourseError, match=r"nbgrader_config.py can't be read: NameError: .*undefined_name"):
        open_course(root)


@pytest.mark.parametrize("text, seed", [(None, None), ("", None), (" \n", None), ("abc\n", "abc")])
def test_the_secret(tmp_path, text, seed):
    root = make(tmp_path)
    if text is not None:
        (root / ".course_seed").write_text(text)
    assert open_course(root).seed == seed


def test_what_was_released_and_handed_in(tmp_path):
    course = open_course(make(tmp_path))
    for name in ("12_flops", "03_x", ".ipynb_checkpoints", "empty"):
        (tmp_path / "release" / name).mkdir(parents=True)
        if name != "empty":
            (tmp_path / "release" / name / "a.ipynb").write_text("{}")
    assert course.assignments() == ["03_x", "12_flops"]
    for student in ("bob", "ann", ".hidden", "anna bell", "x[1]"):
        (tmp_path / "submitted" / student / "12_flops").mkdir(parents=True)
    (tmp_path / "submitted" / "eve").mkdir()
    (tmp_path / "submitted" / "eve" / "12_flops").symlink_to(tmp_path / "submitted" / "ann" / "12_flops")
    (tmp_path / "submitted" / "bob" / "12_flops2").mkdir()
    (tmp_path / "submitted" / "file").mkdir()
    (tmp_path / "submitted" / "file" / "12_flops").write_text("a file")
    found = course.submissions("12_flops")
    assert list(found) == ["ann", "anna bell", "bob", "eve", "x[1]"]  # a link gets a row, with the reason why not
    assert all(path == tmp_path / "submitted" / s / "12_flops" for s, path in found.items())
    assert course.submissions("13_none") == {}
