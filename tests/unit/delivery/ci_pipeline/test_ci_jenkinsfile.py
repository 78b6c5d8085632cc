"""Jenkinsfiles are really parsed: every directive of the declarative syntax, strings, comments, errors, lint, writing."""

import random

import numpy as np
import pytest

from autograder.exercises.ch39_jenkins_ci.jenkinsfiles import TRAPS, random_file
from autograder.exercises.ch39_jenkins_ci.stage_tree import RIGHT
from utils.delivery.ci_pipeline import lint, parse_jenkinsfile, stage_tree, statements, to_jenkinsfile, tokenize

FULL = r'''
@Library('shared') _
// stage('ghost') { }
pipeline {
    agent { docker { image 'python:3.11' } }
    options {
        timeout(time: 30, unit: 'MINUTES')
        buildDiscarder(logRotator(numToKeepStr: '10'))
    }
    environment { URL = "http://hub/${BRANCH}" }
    stages {
        stage('build') {
            agent { label 'gpu && linux' }
            when { branch 'main'; not { expression { return params.SKIP == '}' } } }
            steps {
                echo "closing } in a string"
                script { if (x) { stage('inner') { echo 'y' } } else { parallel(a: { echo '1' }, b: { echo '2' }) } }
            }
            post { always { junit 'r.xml' } failure { echo 'bad' } }
        }
        stage("it's \"quoted\"") {
            failFast true
            parallel {
                stage('unit') { steps { sh """
                    pytest && echo '{'
                """ } }
                stage('more') {
                    stages {
                        stage('a') { steps { echo 'a' } }
                        stage('b') { steps { echo 'b' } }
                    }
                }
            }
        }
        /* stage('another ghost') { */
        stage('matrix') {
            matrix {
                axes {
                    axis { name 'OS'; values 'linux', 'mac', 'windows' }
                    axis {
                        name 'PY'
                        values '3.11', '3.12'
                    }
                }
                excludes {
                    exclude { axis { name 'OS'; values 'mac' }
                              axis { name 'PY'; values '3.11' } }
                    exclude { axis { name 'OS'; values 'windows' }; axis { name 'PY'; notValues '3.12' } }
                }
                stages { stage('test') { steps { sh 'tox' } } }
            }
        }
    }
    post { cleanup { deleteDir() }
           fixed { mail to: 'us' } }
}
'''


def test_the_tree_of_a_file_with_everything():
    assert stage_tree(FULL) == [
        ("build", "leaf", []),
        ("it's \"quoted\"", "parallel", [("unit", "leaf", []),
                                         ("more", "stages", [("a", "leaf", []), ("b", "leaf", [])])]),
        ("matrix", "matrix", [("test", "leaf", [])])]


def test_agents_options_when_and_post():
    pipeline = parse_jenkinsfile(FULL)
    assert pipeline.agent == "docker { image 'python:3.11' }"
    assert pipeline.options == ("timeout(time: 30, unit: 'MINUTES')", "buildDiscarder(logRotator(numToKeepStr: '10'))")
    assert pipeline.post == {"cleanup": "deleteDir()", "fixed": "mail to: 'us'"}
    build, group, matrix = pipeline.stages
    assert build.agent == "label 'gpu && linux'" and build.when.startswith("branch 'main'")
    assert build.post == {"always": "junit 'r.xml'", "failure": "echo 'bad'"} and "closing }" in build.steps
    assert group.fail_fast and not matrix.fail_fast and group.when is None and build.line == 12
    assert [s.name for s in pipeline.walk()] == ["build", "it's \"quoted\"", "unit", "more", "a", "b", "matrix", "test"]


def test_matrix_cells_without_the_excluded_ones():
    matrix = parse_jenkinsfile(FULL).stages[2]
    assert matrix.axes == {"OS": ("linux", "mac", "windows"), "PY": ("3.11", "3.12")}
    assert [tuple(cell.values()) for cell in matrix.cells()] == [
        ("linux", "3.11"), ("linux", "3.12"), ("mac", "3.12"), ("windows", "3.12")]


def test_a_comma_goes_on_in_the_next_line():
    one, two = statements("values 'a',\n    'b'\nagent any")
    assert one.strings() == ["a", "b"] and two.name == "agent"


def test_agent_none_ends_with_its_line():
    pipeline = parse_jenkinsfile("pipeline {\nagent none\nstages { stage('x') { agent any\n steps { echo 'x' } } }\n}")
    assert pipeline.agent == "none" and pipeline.stages[0].agent == "any" and pipeline.stages[0].name == "x"


GAPS = ("\n", "\n\n\n   ", "\r\n", " // why {\n", "\n/* { */\n\t", "\n// }\n\n")


def with_line_breaks(src, rng):
    """The same file, with a line break before every `{` that is no text."""
    for token in reversed(tokenize(src)):
        if token.is_punct("{"):
            src = src[:token.start] + rng.choice(GAPS) + src[token.start:]
    return src


def plain(found):
    return [([t.text for t in s.head], None if s.body is None else plain(s.body)) for s in found]


def assert_line_breaks_change_nothing(src, rng):
    rewritten = with_line_breaks(src, rng)
    assert rewritten.count("\n") > src.count("\n")
    assert plain(statements(rewritten)) == plain(statements(src))
    assert stage_tree(rewritten) == stage_tree(src) == RIGHT(src)  # RIGHT is another parser, which knows no lines
    assert lint(parse_jenkinsfile(rewritten)) == lint(parse_jenkinsfile(src))


@pytest.mark.parametrize("seed", range(60))
def test_a_block_may_open_on_a_later_line_in_random_files(seed):
    src = random_file(np.random.default_rng(seed))
    assert stage_tree(src)
    assert_line_breaks_change_nothing(src, random.Random(seed))


@pytest.mark.parametrize("src", [FULL, *TRAPS.values()], ids=["everything", *TRAPS])
def test_a_block_may_open_on_a_later_line_in_every_trap(src):
    for seed in range(5):
        assert_line_breaks_change_nothing(src, random.Random(seed))


def test_a_file_with_its_braces_below():
    found = parse_jenkinsfile("pipeline\n{\nagent\n{ label 'gpu' }\nstages\n\n{\nstage('x')\n{\nagent none\nsteps\n{ echo 'x' }\n"
                              "post\n{ always\n{ echo 'y' } }\n}\n}\n}")
    stage, = found.stages
    assert (found.agent, stage.name, stage.agent, stage.line) == ("label 'gpu'", "x", "none", 8)
    assert stage.steps == "echo 'x'" and stage.post == {"always": "echo 'y'"}


@pytest.mark.parametrize("head", ["agent none", "agent any // all", "failFast true", "sh 'x'", "'x'", "stages;", "agent { label 'x' }"])
@pytest.mark.parametrize("gap", ["\n", "\n\n  "])
def test_no_block_belongs_to_a_statement_that_ended_before_it(head, gap):
    alone, = statements(head)
    first, block = statements(f"{head}{gap}{{ echo 'y' }}")
    assert plain([first]) == plain([alone])
    assert plain([block]) == [([], [(["echo", "y"], None)])]


@pytest.mark.parametrize("head", ["deleteDir()", "checkpoint"])
def test_a_call_without_a_block_ends_with_its_line(head):
    first, second = statements(f"{head}\n\nstage('x') {{ }}")
    assert first.body is None and plain([first]) == plain(statements(head)) and (second.name, second.body) == ("stage", ())


@pytest.mark.parametrize("agent", ["agent none", "agent any"])
def test_stages_in_braces_below_an_agent_are_refused(agent):
    found = parse_jenkinsfile(f"pipeline {{\n{agent}\n{{ stages {{ stage('x') {{ steps {{ echo 'x' }} }} }} }}\n}}")
    assert f"agent {found.agent}" == agent and found.stages == ()
    assert lint(found) == ["The pipeline has no stages block."]


def test_always_fail_fast_is_an_option_of_the_whole():
    src = ("pipeline { agent any; options { parallelsAlwaysFailFast() }\n"
           "stages { stage('g') { parallel { stage('a') { steps { echo '' } } } } } }")
    assert parse_jenkinsfile(src).stages[0].fail_fast


@pytest.mark.parametrize("literal, value", [
    (r"'a\'b'", "a'b"), (r'"a\"b"', 'a"b'), ("'''a'b'''", "a'b"), ('"""a"b\nc"""', 'a"b\nc'), (r"'tab\there'", "tab\there"),
    (r"'back\\'", "back\\"), ("'http://x'", "http://x"), ("'/* no */'", "/* no */"), ("''", ""), ("''''''", "")])
def test_strings(literal, value):
    token, = tokenize(literal)
    assert (token.kind, token.text) == ("string", value)


@pytest.mark.parametrize("src, line", [
    ("pipeline {\n stages {\n }\n", 1), ("pipeline {\n}\n}\n", 3), ("pipeline {\n echo 'open\n}", 2),
    ('pipeline { echo """never\n }', 1), ("\n/* pipeline", 2)])
def test_what_is_not_closed_is_told_with_its_line(src, line):
    with pytest.raises(ValueError, match=f"line {line}"):
        parse_jenkinsfile(src)


@pytest.mark.parametrize("src", ["", "node { stage('x') { sh 'y' } }", "// pipeline { }", "echo 'pipeline { }'"])
def test_scripted_files_are_refused(src):
    with pytest.raises(ValueError, match="declarative"):
        parse_jenkinsfile(src)


def test_a_closure_among_arguments_is_no_block():
    one, = statements("parallel(a: { echo '1' }, b: { echo '2' })")
    assert one.name == "parallel" and one.body is None


def pipeline(stages, top="agent any"):
    return parse_jenkinsfile(f"pipeline {{\n{top}\nstages {{ {stages} }}\n}}")


STEP = "steps { echo 'x' }"


@pytest.mark.parametrize("found, words", [
    (pipeline(f"stage('a') {{ {STEP} }}"), []),
    (pipeline(f"stage('a') {{ {STEP} }}", top=""), ["no agent"]),
    (parse_jenkinsfile("pipeline { agent any }"), ["no stages block"]),
    (pipeline(""), ["empty"]),
    (pipeline("stage('a') { parallel { } }"), ["empty parallel"]),
    (pipeline(f"stage('a') {{ {STEP}\n post {{ }} }}"), ["empty post"]),
    (pipeline(f"stage('a') {{ {STEP}\n post {{ sometimes {{ echo '' }} }} }}"), ["unknown post condition 'sometimes'"]),
    (pipeline(f"stage('a') {{ {STEP} }}\nstage('a') {{ {STEP} }}"), ["'a' occurs 2 times"]),
    (pipeline("stage('a') { when { branch 'x' } }"), ["nothing to do"]),
    (pipeline(f"stage('a') {{ {STEP}\n stages {{ stage('b') {{ {STEP} }} }} }}"), ["steps and stages"]),
    (pipeline(f"stage('a') {{ parallel {{ stage('b') {{ parallel {{ stage('c') {{ {STEP} }} }} }} }} }}"),
     ["parallel inside a parallel"]),
    (pipeline(f"stage('a') {{ parallel {{ stage('b') {{ stages {{ stage('c') {{ parallel {{ stage('d') {{ {STEP} }} }} }} }}"
              " } } }"), ["parallel inside a parallel"]),
    (pipeline(f"stage('a') {{ matrix {{ stages {{ stage('b') {{ {STEP} }} }} }} }}"), ["without axes"])])
def test_lint(found, words):
    told = lint(found)
    assert len(told) == len(words) and all(word in line for word, line in zip(words, told)), told


def test_a_clean_file_has_no_findings():
    assert lint(parse_jenkinsfile(FULL)) == []


def random_stage(rng, depth, counter):
    counter[0] += 1
    name = rng.choice(["a", "it's", 'q"q', "tab\t", "back\\", "{brace}", "// no", "${x}"]) + str(counter[0])
    if depth == 0 or rng.random() < 0.4:
        return {"name": name, "sh": rng.choice(["echo '}'", "a\nb", "true"]), "when": rng.random() < 0.8}
    kind = rng.choice(["stages", "parallel"])
    inside = [random_stage(rng, depth - 1, counter) for _ in range(rng.randint(1, 3))]
    return {"name": name, kind: inside, "failFast": kind == "parallel" and rng.random() < 0.5}


def as_tuple(stage):
    kind = next((k for k in ("stages", "parallel") if k in stage), "leaf")
    return stage["name"], kind, [as_tuple(child) for child in stage.get(kind, [])]


@pytest.mark.parametrize("seed", range(30))
def test_what_is_written_is_read_again(seed):
    rng, counter = random.Random(seed), [0]
    spec = {"name": "all", "stages": [random_stage(rng, 3, counter) for _ in range(3)], "options": ["timestamps()"],
            "post": {"always": "echo 'done'"}, "agent": "none"}
    found = parse_jenkinsfile(to_jenkinsfile(spec))
    assert [s.as_tuple() for s in found.stages] == [as_tuple(s) for s in spec["stages"]]
    assert found.agent == "none" and found.options == ("timestamps()",) and found.post["always"] == r"sh 'echo \'done\''"
    flags = {s.name: (s.fail_fast, s.when is None) for s in found.walk()}

    def check(stage):
        assert flags[stage["name"]] == (bool(stage.get("failFast")), stage.get("when", True))
        for child in stage.get("stages", []) + stage.get("parallel", []):
            check(child)

    for stage in spec["stages"]:
        check(stage)


def test_a_call_becomes_a_command_with_a_timeout():
    text = to_jenkinsfile({"name": "x", "call": "m:f", "args": {"n": 1}, "timeout_s": 9})
    step = parse_jenkinsfile(text).stages[0].steps
    assert step.startswith("timeout(time: 9, unit: 'SECONDS') { sh 'python -m utils.delivery.ci_pipeline.stage_worker m:f")
    assert "attached" not in step  # a shell of Jenkins has no pipe of ours to watch
