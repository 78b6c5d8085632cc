"""Near-identical submissions: found after every disguise, and not where the answer is obvious."""

import inspect
import keyword
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.chapters import find_chapters
from autograder.classroom import similar
from autograder.classroom.fingerprints import WINDOW, K, _hashes, _winnowed, all_hashes, fingerprints, tokens_of
from autograder.classroom.similar import as_page, compare_submissions, find_pairs, ranges, rarity
from autograder.exercises import chapter_exercises
from autograder.notebooks.master import read_master

TASK = "12_flops"
LONG = '''def table(layers):
    """Totals of a network."""
    rows, total = [], 0
    for name, cin, cout, kernel in layers:
        params = cin * cout * kernel ** 2 + cout
        macs = params * 12 if kernel > 1 else cin * cout
        rows.append((name, params, macs))  # keep for the report
        total += macs
    return sorted(rows, key=lambda row: row[1]), total
'''
OTHER = '''def table(layers):
    out = {}
    while layers:
        layer = layers.pop()
        if layer[0] in out:
            raise ValueError("twice: " + layer[0])
        out[layer[0]] = [np.prod(layer[1:]), len(out)]
    keys = list(out)
    keys.reverse()
    return [tuple(out[k]) for k in keys]
'''


def disguised(source):
    """Other names, numbers, texts, comments, blank lines and quotes; the same program."""
    for old, new in {"layers": "net", "rows": "result", "total": "acc", "params": "weights_here", "macs": "m", "name": "label",
                     "cin": "a", "cout": "b", "kernel": "k", "row": "item"}.items():
        source = re.sub(rf"\b{old}\b", new, source)
    source = source.replace("12", "99").replace('"""Totals of a network."""', "'''My own work.'''")
    return "# mine\n\n" + source.replace("# keep for the report", "# note").replace("    ", "  ") + "\n\n"


def pairs(answers, threshold=0.8, handed_out=()):
    found = find_pairs({s: {"table": a} if isinstance(a, str) else a for s, a in answers.items()}, set(handed_out), threshold)
    return {p.students: p.score for p in found}


def test_a_disguise_does_not_help():
    assert pairs({"ann": LONG, "bob": disguised(LONG), "cy": OTHER}) == {("ann", "bob"): 1.0}


def test_a_part_that_was_copied_into_more_work_is_found_whole():
    assert pairs({"ann": LONG, "bob": LONG + "\n\n" + OTHER.replace("table", "more"), "cy": "x = 1"}) == {("ann", "bob"): 1.0}


def test_what_was_handed_out_counts_for_nothing():
    assert pairs({"ann": LONG, "bob": LONG}, handed_out=all_hashes(LONG)) == {}
    mine = LONG + "    # end\n" + OTHER.replace("table", "more")
    assert pairs({"ann": mine, "bob": LONG}, handed_out=all_hashes(LONG)) == {}


def test_the_obvious_answer_is_no_sign_and_a_rare_one_is():
    everybody = {f"s{i:02}": LONG for i in range(30)}
    assert pairs(everybody) == {}
    rare = {f"s{i:02}": LONG for i in range(26)} | {"x": OTHER, "y": disguised(OTHER)}
    assert set(pairs(rare)) == {("x", "y")}


def test_one_long_exercise_is_enough_among_work_of_ones_own():
    own = {"ann": "def f(a):\n" + "".join(f"    a = a {op} len(str(a))\n" for op in "+-*/%&|^" * 2) + "    return a",
           "bob": "def f(b):\n" + "".join(f"    if b.x{i}:\n        b.go(lambda q: [q])\n" for i in range(14)) + "    return b"}
    found = find_pairs({s: {"own": own[s], "table": LONG} for s in own}, set(), 0.8)
    [pair] = found
    assert pair.score == 1.0 and next(s.exercise for s in pair.exercises) == "table"
    # The docstring on line 2 is no code.
    assert pair.exercises[0].lines == ([1, *range(3, 10)],) * 2 and pair.exercises[0].sizes == (8, 8)


def test_too_little_in_common_is_a_coincidence():
    short = "def macs(n):\n    return n * n"
    assert pairs({"ann": short, "bob": short}, 0.05) == {}


@pytest.mark.parametrize("having, students, weight", [(2, 2, 1), (5, 5, 1), (2, 6, 1), (6, 6, 0), (5, 30, 1), (30, 30, 0), (1000, 1000, 0)])
def test_rarity_at_its_ends(having, students, weight):
    assert rarity(having, students) == pytest.approx(weight)


@given(st.integers(6, 500).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1))))
def test_rarity_falls_as_more_have_it(both):
    n, having = both
    assert 0 <= rarity(having + 1, n) <= rarity(having, n) <= 1


def test_independent_answers_of_the_course_are_not_alike():
    """The alternatives of the exercises were written apart from the solutions: with the short ones left out, none is a pair."""
    compared = 0
    for chapter in find_chapters():
        master = read_master(chapter.master)
        for exercise in chapter_exercises(chapter.number):
            sources = {"solution": master.solutions[exercise.name].solution}
            for k, answer in enumerate(exercise.alternatives):
                code = textwrap.dedent(inspect.getsource(answer)) if inspect.isfunction(answer) else ""
                if code and code not in sources.values():
                    sources[f"other{k}"] = code
            for other in [s for s in sources if s != "solution"]:
                both = {"solution": sources["solution"], other: sources[other]}
                if min(len(fingerprints(v)) for v in both.values()) >= similar.LONG_EXERCISE:
                    compared += 1
                    assert pairs(both) == {}, exercise.id
    assert compared > 40


@settings(max_examples=200)
@given(st.text(max_size=300))
def test_any_text_has_tokens(source):
    lines = source.count("\n") + 1
    assert all(1 <= t.line <= lines + source.count("\r") + source.count("\f") for t in tokens_of(source))
    assert set(fingerprints(source)) <= all_hashes(source)


@pytest.mark.parametrize("source", ["%%bash\nls", "!pip install x\ny = 1", "def f(:\n  'open", "x = (1,\n", "if 1:\n\tx\n        y\n", "é = 'ü'"])
def test_what_python_cant_read_still_counts(source):
    assert isinstance(tokens_of(source), list)


def test_names_are_one_token_but_what_cant_be_renamed_stays():
    told = [t.text for t in tokens_of("def mine(x):\n    'what it does'\n    return np.sum(len(x), axis=0.5) + 'a'  # why\n")]
    assert told == ["def", "n", "(", "n", ")", ":", "return", "n", ".", "sum", "(", "len", "(", "n", ")", ",", "n", "=", "0", ")",
                    "+", "s"]
    assert set(keyword.kwlist) >= {"def", "return"}


@given(st.lists(st.integers(0, 2**64 - 1), max_size=60))
def test_winnowing_as_the_paper_defines_it(values):
    """In each window the smallest hash is picked, the rightmost of equal ones."""
    hashes, picked = np.array(values, np.uint64), _winnowed(np.array(values, np.uint64))
    expected = set()
    for start in range(len(values) - WINDOW + 1):
        window = values[start : start + WINDOW]
        expected.add(start + max(i for i, v in enumerate(window) if v == min(window)))
    if 0 < len(values) < WINDOW:
        expected = {max(i for i, v in enumerate(values) if v == min(values))}
    assert set(picked) == expected and len(hashes) == len(values)


@given(st.integers(0, 30), st.integers(0, 30))
def test_a_run_long_enough_is_always_found(before, after):
    """The guarantee: K + WINDOW - 1 common tokens leave a common fingerprint, whatever stands around them."""
    run = " ".join(["x.{}".format("abcdefghij"[i % 10]) for i in range(K + WINDOW)])
    one = "\n".join(f"p.q{i}" for i in range(before)) + "\n" + run.replace(" ", "\n")
    other = run.replace(" ", "\n") + "\n" + "\n".join(f"r.s{i}" for i in range(after))
    assert fingerprints(one).keys() & fingerprints(other).keys()


def test_hashes_are_the_same_in_every_run():
    program = "from autograder.classroom.fingerprints import all_hashes; print(sorted(all_hashes('a = b + c * d - e / f % g'))[:3])"
    told = {subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={"PYTHONHASHSEED": seed},
                           check=True).stdout for seed in ("1", "2")}
    assert len(told) == 1 and len(_hashes(tokens_of("a = b"))) == 0


def test_submissions_on_disk(course, hand_in, text, tmp_path):
    hand_in("ann", text({"table": LONG}))
    hand_in("bob", text({"table": disguised(LONG)}))
    hand_in("cy", text({"table": OTHER}))
    hand_in("empty")
    hand_in("broken", "{")
    (hand_in("linked") / f"{TASK}.ipynb").unlink()
    (course.submitted / "linked" / TASK / f"{TASK}.ipynb").symlink_to("/etc/passwd")
    found = compare_submissions(course, TASK)
    assert [p.students for p in found.pairs] == [("ann", "bob")] and found.compared == 4
    assert [s for s, _ in found.unread] == ["broken", "linked"] and "is a link" in found.unread[1][1]
    told = found.as_dict()["pairs"][0]
    assert told["score"] == 1.0 and told["exercises"][0]["exercise"] == "table"


def test_the_page_holds_no_markup_of_students(course, hand_in, text):
    evil = LONG + "    x = '<script>alert(1)</script>'\n"
    hand_in("<b>ann", text({"table": evil}))
    hand_in("bob", text({"table": evil}))
    page = as_page([compare_submissions(course, TASK)])
    assert "<script" not in page and "<b>" not in page and "&lt;script&gt;" in page and "&lt;b&gt;ann" in page
    assert page.count("<mark>") >= 16 and "default-src 'none'" in page


@pytest.mark.parametrize("lines, told", [([], ""), ([3], "3"), ([1, 2, 3, 7, 9, 10], "1–3, 7, 9–10")])
def test_ranges(lines, told):
    assert ranges(lines) == told
