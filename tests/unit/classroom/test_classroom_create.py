"""What `create` refuses, and that it never writes over anything. Whole courses: tests/notebooks/test_classroom.py."""

import pytest

from autograder.chapters import CHAPTERS
from autograder.classroom import ClassroomError, create
from autograder.classroom.create import SEED, create_course
from autograder.grading.course import CourseError, open_course

TWELVE = CHAPTERS["12"]


@pytest.fixture(autouse=True)
def no_release(monkeypatch):
    """nbgrader's own release is tested with the notebooks; here a file stands for it."""
    released = []

    def release(course, assignment):
        released.append(assignment)
        folder = course.folder(course.release, ".", assignment)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{assignment}.ipynb").write_text("released")

    monkeypatch.setattr(create, "release_assignment", release)
    return released


@pytest.mark.parametrize("there, told", [("notes.txt", "'notes.txt' and is no course"), ("source/", "is no course")])
def test_a_folder_with_other_things_is_left_alone(tmp_path, there, told):
    (tmp_path / there).mkdir() if there.endswith("/") else (tmp_path / there).write_text("mine")
    with pytest.raises(ClassroomError, match=told):
        create_course(tmp_path, [TWELVE])
    assert [p.name for p in tmp_path.iterdir()] == [there.strip("/")]


def test_a_file_a_bad_name_and_a_course_inside_a_course(tmp_path):
    (tmp_path / "file").write_text("")
    for root, name, told in ((tmp_path / "file", "", "is a file"), (tmp_path / "a", "a/b", "can't be a course id"),
                             (tmp_path / "a", "x y", "can't be a course id")):
        with pytest.raises(ClassroomError, match=told):
            create_course(root, [], name)
    create_course(tmp_path / "outer", [])
    with pytest.raises(ClassroomError, match="lies inside the course"):
        create_course(tmp_path / "outer" / "inner", [])
    with pytest.raises(ClassroomError, match="is the course 'outer'"):
        create_course(tmp_path / "outer", [], "another")


@pytest.mark.parametrize("folder, course_id", [("AI course, 2026", "AI_course_2026"), ("课程", "course"), ("ml-1.b", "ml-1.b")])
def test_the_folder_gives_the_course_its_name(tmp_path, folder, course_id):
    made = create_course(tmp_path / folder, [])
    assert made.course_id == course_id == open_course(tmp_path / folder).course_id


def test_again_adds_and_never_writes_over(tmp_path, no_release):
    root = tmp_path / "course"
    first = create_course(root, [TWELVE])
    assert first.added == ["12_flops"] and set(first.made) == {"nbgrader_config.py", SEED, ".gitignore"}
    assert (root / SEED).stat().st_mode & 0o777 == 0o600 and len((root / SEED).read_text().strip()) == 32
    assert (root / "source" / "12_flops" / "figure.svg").exists()
    mine = {p: p.read_text() + "\n" for p in (root / "source/12_flops/12_flops.ipynb", root / "nbgrader_config.py", root / SEED,
                                              root / ".gitignore")}
    for path, text in mine.items():
        path.write_text(text)
    again = create_course(root, [TWELVE, CHAPTERS["26"]])
    assert again.kept == ["12_flops"] and again.added == ["26_bf16_vs_fp16"] and not again.made
    assert all(path.read_text() == text for path, text in mine.items()) and no_release == ["12_flops", "26_bf16_vs_fp16"]


def test_two_courses_have_two_secrets(tmp_path):
    secrets = set()
    for name in "ab":
        create_course(tmp_path / name, [])
        secrets.add(open_course(tmp_path / name).seed)
    assert len(secrets) == 2 and None not in secrets


def test_a_run_that_was_cut_off_is_finished_by_the_next(tmp_path, monkeypatch, no_release):
    root = tmp_path / "course"

    def cut(chapter):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(create, "build_chapter", cut)
        with pytest.raises(KeyboardInterrupt):
            create_course(root, [TWELVE])
    assert list((root / "source").iterdir()) == []
    seed = (root / SEED).read_text()
    assert create_course(root, [TWELVE]).added == ["12_flops"] and (root / SEED).read_text() == seed
    (root / "release/12_flops/12_flops.ipynb").unlink()
    source = (root / "source/12_flops/12_flops.ipynb").stat().st_mtime_ns
    assert create_course(root, [TWELVE]).added == ["12_flops"], "released again from the source that is there"
    assert (root / "source/12_flops/12_flops.ipynb").stat().st_mtime_ns == source and len(no_release) == 2


def test_a_course_begun_with_nbgrader_keeps_its_folders(tmp_path):
    (tmp_path / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.source_directory = 'masters'\n"
                                                 "c.CourseDirectory.release_directory = 'out'\nc.CourseDirectory.course_id = 'old'\n")
    (tmp_path / ".gitignore").write_text("*.db\n")
    made = create_course(tmp_path, [TWELVE])
    assert (tmp_path / "masters/12_flops/12_flops.ipynb").exists() and (tmp_path / "out/12_flops/12_flops.ipynb").exists()
    assert made.made == [SEED] and made.course_id == "old" and ".course_seed" in made.notes[0]


def test_a_broken_configuration_is_one_sentence(tmp_path):
    (tmp_path / "nbgrader_config.py").write_text("c = (")
    with pytest.raises(CourseError, match="can't be read"):
        create_course(tmp_path, [TWELVE])
