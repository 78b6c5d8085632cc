"""File names of Canvas, Moodle and folders, as their own sources make them."""

import re
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.classroom import ClassroomError
from autograder.classroom.archive import Entry
from autograder.classroom.naming import Format, find_format, resubmission, uploads


def entries(*names):
    return [Entry(tuple(n.split("/")), None, zipfile.ZipInfo(n)) for n in names]


def parsed(kind, *names):
    return [(u.who, u.number, u.original, u.late) for u in uploads(entries(*names), kind)[0]]


def canvas_name(sortable, late, user, file, original):
    """Canvas's own steps: get_user_name, get_filename and add_upload_submission of lib/content_zipper.rb."""
    who = re.sub(r"_(\d+)_", r"\1", sortable).lower()
    prefix = re.sub(r"\W", "", "_".join([who, *(["LATE"] if late else []), str(user)]))
    return f"{prefix}_{file}_" + re.sub(r"[\x00/\\:*?\"<>|]+", "_", original)


@given(st.text(st.characters(categories=("L", "Nd", "Zs", "Pd", "Pc")), min_size=1, max_size=30).filter(
    lambda s: re.sub(r"\W", "", s) and not re.search(r"_\d+$|^_|^anon_|_\d+_", re.sub(r"\W", "", s.lower()))),
       st.booleans(), st.integers(1, 10**9), st.integers(1, 10**9),
       st.sampled_from(["12_flops.ipynb", "12_flops-1.ipynb", "my work (2).ipynb", "a_1_2_b.ipynb"]))
def test_what_canvas_writes_is_read_back(sortable, late, user, file, original):
    [upload] = uploads(entries(canvas_name(sortable, late, user, file, original)), Format.canvas)[0]
    assert (upload.number, upload.order, upload.original, upload.late) == (str(user), file, original, late)
    assert upload.who == re.sub(r"\W", "", re.sub(r"_(\d+)_", r"\1", sortable).lower())


def test_canvas_anonymous_and_foreign_names():
    assert parsed(Format.canvas, "anon_aB3xZ_77_x.ipynb", "LATE_anon_aB3xZ_78_x.ipynb") == [
        ("anon_aB3xZ", "aB3xZ", "x.ipynb", False), ("anon_aB3xZ", "aB3xZ", "x.ipynb", True)]
    found, strange = uploads(entries("doejane_1_2_a.ipynb", "notes.ipynb", "doejane_1_3_a.pdf"), Format.canvas)
    assert [u.who for u in found] == ["doejane"] and [e.name for e in strange] == ["notes.ipynb"]


@pytest.mark.parametrize("name", [
    "Jane O'Hara_123456_assignsubmission_file/12_flops.ipynb", "Jane O'Hara_123456_assignsubmission_file_/12_flops.ipynb",
    "Jane O'Hara_123456_assignsubmission_file_/work/12_flops.ipynb", "all/Jane O'Hara_123456_assignsubmission_file/12_flops.ipynb",
    "Jane O'Hara_123456_assignsubmission_file_12_flops.ipynb",
])
def test_moodle_with_folders_and_without(name):
    assert parsed(Format.moodle, name) == [("Jane O'Hara", "123456", "12_flops.ipynb", None)]


def test_moodle_group_without_number_and_text_submissions():
    assert parsed(Format.moodle, "Default group_assignsubmission_file/a.ipynb")[0][:2] == ("Default group", "")
    assert parsed(Format.moodle, "Jane_1_assignsubmission_onlinetext/a.ipynb") == []


@pytest.mark.parametrize("names, students", [
    (["ann/x.ipynb", "bob/x.ipynb"], ["ann", "bob"]), (["ann/x.ipynb"], ["ann"]),
    (["all/ann/x.ipynb", "all/bob/x.ipynb"], ["ann", "bob"]), (["all/ann/x.ipynb", "all/ann/y.ipynb"], ["ann", "ann"]),
    (["submitted/ann/12_flops/12_flops.ipynb", "submitted/bob/12_flops/12_flops.ipynb"], ["ann", "bob"]),
    (["ann/12_flops/12_flops-1.ipynb"], ["ann"]), (["ann/x.ipynb", "bob/deep/er/x.ipynb"], ["ann", "bob"]),
])
def test_folders_name_their_students(names, students):
    assert [u.who for u in uploads(entries(*names), Format.folder)[0]] == students


@pytest.mark.parametrize("names, kind", [
    (["doejane_1_2_12_flops.ipynb", "roerick_LATE_3_4_12_flops.ipynb"], Format.canvas),
    (["sub/doejane_1_2_12_flops.ipynb"], Format.canvas), (["A B_1_assignsubmission_file_x.ipynb"], Format.moodle),
    (["A B_1_assignsubmission_file/a_1_2_x.ipynb"], Format.moodle), (["ann/12_flops.ipynb", "b/12_flops.ipynb"], Format.folder),
])
def test_the_format_is_found(names, kind):
    assert find_format(entries(*names)) == kind


@pytest.mark.parametrize("names, told", [(["a.pdf"], "no notebook"), ([], "no notebook"), (["12_flops.ipynb"], "whose file")])
def test_a_format_that_cant_be_told_is_one_sentence(names, told):
    with pytest.raises(ClassroomError, match=told):
        find_format(entries(*names))


@pytest.mark.parametrize("name, number", [
    ("12_flops.ipynb", 0), ("12_flops-1.ipynb", 1), ("12_flops_2.ipynb", 2), ("12_flops (3).ipynb", 3), ("12_flops(4).ipynb", 4),
    ("12_flops-Copy5.ipynb", 5), ("12_FLOPS.ipynb", 0), ("12_flops2.ipynb", None), ("my_12_flops.ipynb", None), ("3.ipynb", None),
])
def test_resubmissions_are_told_by_their_suffix(name, number):
    assert resubmission(name, "12_flops") == number
