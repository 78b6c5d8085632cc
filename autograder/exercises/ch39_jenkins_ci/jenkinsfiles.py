"""Jenkinsfiles for the exercise 39.stage_tree: the one of the notebook, one for each trap, and random ones."""

from __future__ import annotations

import textwrap

import numpy as np

VISIBLE = '''\
// Nightly build of the model. An old version had: stage('ghost') { steps { } }
pipeline {
    agent any
    options { timeout(time: 30, unit: 'MINUTES') }
    stages {
        stage('build') {
            steps { echo "a closing brace: }"
                    sh 'make model' }
        }
        stage("check") {
            failFast true
            parallel {
                stage('unit') { steps { sh 'pytest' } }
                stage('model') { stages {
                    stage('export') { steps { sh 'export' } }
                    stage('gate') { steps { sh 'gate' } }
                } }
            }
        }
    }
    post { always { junit 'report.xml' } }
}
'''


def whole(stages: str) -> str:
    """A pipeline around the text of its stages."""
    return f"pipeline {{\n    agent any\n    stages {{\n{textwrap.indent(stages, '        ')}\n    }}\n}}\n"


def _leaf(name: str, steps: str = "sh 'x'") -> str:
    return f"stage('{name}') {{ steps {{ {steps} }} }}"


PARALLEL_STEP = """stage('run') {
    steps {
        parallel(
            one: { stage('a') { echo '1' } },
            two: { echo '2' }
        )
    }
}"""
SCRIPT = """stage('run') {
    steps {
        script {
            stages { stage('inner') { echo 'x' } }
            parallel { stage('b') { echo 'x' } }
            if (env.X) { sh 'y' } else { sh 'z' }
        }
    }
    post { always { script { stage('late') { echo 'x' } } } }
}"""
MATRIX = """stage('all') {
    matrix {
        axes {
            axis {
                name 'OS'
                values 'linux', 'mac'
            }
        }
        excludes { exclude { axis { name 'OS'
                                    values 'mac' } } }
        stages {
            stage('build') { steps { sh 'make' } }
            stage('test') { steps { sh 'tox' } }
        }
    }
}"""
WHEN = """stage('deploy') {
    when {
        allOf { branch 'main'; expression { return stages == '{' } }
    }
    agent {
        docker { image 'python:3.11' }
    }
    environment { URL = 'http://host/' }
    steps { sh 'deploy' }
}"""
UNINDENTED = """stage('a') {
stages {
stage('b') {
steps { sh 'x' }
}
                stage('c') {
    steps { sh 'x' }
                }
}
}
                stage('d') { steps { sh 'x' } }"""

TRAPS = {
    "everything on one line": "pipeline { agent any; stages { stage('a') { stages { stage('b') { steps { echo 'x' } } } }; "
                              "stage('c') { steps { echo 'y' } } } }",
    "indentation that misleads": whole(UNINDENTED),
    "a parallel step inside steps": whole(PARALLEL_STEP),
    "directives inside steps": whole("stage('run') { steps { parallel { stage('a') { echo 'x' } } } }\n"
                                     "stage('go') { steps { stages { stage('b') { echo 'x' } } } }"),
    "stages inside a script block": whole(SCRIPT),
    "a matrix": whole(MATRIX),
    "when, agent and environment": whole(WHEN),
    "a URL in a string": whole(_leaf("get", 'sh "curl http://host/{"') + "\n" + _leaf("next")),
    "a comment sign in a string": whole(_leaf("a", "echo '/* not a comment'") + "\n" + _leaf("b", "echo 'nor this */'")),
    "a commented brace": whole(_leaf("a", "echo 'x' // }\n") + "\n/* stage('old') {\n*/\n" + _leaf("b")),
    "apostrophes in a comment": whole("// it's not a string\n" + _leaf("a") + "\n/* isn't \"one */\n" + _leaf("b")),
    "all kinds of quotes": whole('stage("it\'s") { steps { sh """\n  echo "}"\n""" } }\nstage(\'\'\'say "hi"\'\'\') { steps { sh \'\'\'\n  echo \'{\'\n\'\'\' } }\n'
                                 'stage("""three""") { steps { echo "" } }'),
    "escapes": whole(r"""stage('it\'s') { steps { echo 'a\\' } }""" + "\n" + r'''stage("a \"b\"") { steps { echo "\"}" } }''' + "\n"
                     + r"""stage('c\\d') { steps { echo '\'}' } }"""),
    "a comment between name and brace": whole("stage('a') /* first { */ { steps /* then */ { echo 'x' } }"),
    "braces in a name": whole(_leaf("{a}") + "\n" + _leaf("b } // c")),
    "a name twice, and the names of blocks": whole(_leaf("stages") + "\n" + _leaf("parallel") + "\n" + _leaf("pipeline {")),
    "no stage at all": "pipeline { agent none\n stages { } }",
    "no stages block": "pipeline {\n agent any\n}",
    "text around the pipeline": "@Library('shared') _\nimport x.y\ndef name = 'pipeline {'\ndef f() { stage('no') { echo 'x' } }\n"
                                + whole(_leaf("a")) + "def g() { echo 'x' }\n",
    "empty groups": whole("stage('a') { stages { } }\nstage('b') { parallel { } }\nstage('c') { }"),
    "deep nesting": whole("stage('a') { stages { stage('b') { parallel { stage('c') { stages { stage('d') { steps { echo 'x' } } } }\n"
                          "stage('e') { steps { echo 'y' } } } } } }\n" + _leaf("f")),
    "post and options of stages": whole("stage('a') { options { retry(2) }\n tools { jdk 'x' }\n input { message 'go?' }\n steps { echo 'x' }\n"
                                        " post { failure { echo \"}\" } cleanup { deleteDir() } } }\n" + _leaf("b")),
    "steps before the group": whole("stage('g') {\n post { always { echo 'x' } }\n when { branch 'main' }\n parallel { " + _leaf("a") + "\n" + _leaf("b") + " }\n}"),
}

SCRIPTED = {
    "a scripted pipeline": "node {\n    stage('build') { sh 'make' }\n}\n",
    "an empty file": "",
    "a pipeline in a comment": "// pipeline { stages { } }\nnode { echo 'x' }\n",
    "a pipeline in a string": "echo 'pipeline { stages { } }'\n",
}
BROKEN = {
    "a brace missing": VISIBLE.rstrip()[:-1],
    "a brace too many": VISIBLE + "}\n",
    "a brace before everything": "}\n" + VISIBLE,
    "a brace too many in the middle": VISIBLE.replace("sh 'make model'", "sh 'make model' }"),
    "a brace missing in the middle": VISIBLE.replace("steps { sh 'pytest' } }", "steps { sh 'pytest' }"),
    "a string without an end": VISIBLE.replace("'make model'", "'make model"),
    "a double quote without an end": VISIBLE.replace('brace: }"', "brace: }"),
    "three quotes without an end": VISIBLE.replace("'pytest'", "'''pytest"),
}


# --- random files -------------------------------------------------------------------------------


def random_file(rng: np.random.Generator) -> str:
    """A valid file with a random tree, decoys in strings, comments and blocks, in a random layout."""
    return _Writer(rng).file()


class _Writer:
    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.count = rng, 0
        self.one_line = rng.random() < 0.25
        self.tidy = rng.random() < 0.4

    def some(self, *options: str) -> str:
        return options[int(self.rng.integers(len(options)))]

    def end(self) -> str:
        return "; " if self.one_line else "\n" + ("" if self.tidy else " " * int(self.rng.integers(0, 9)))

    def file(self) -> str:
        stages = [self.stage(2, True) for _ in range(int(self.rng.integers(1, 4)))]
        return self.comment() + self.block("pipeline", ["agent any", self.block("stages", stages)]) + "\n"

    def block(self, head: str, parts: list[str]) -> str:
        return f"{head} {{{self.end()}{self.end().join(p for p in parts if p)}{self.end()}}}".replace("{; ", "{ ").replace("; }", " }")

    def comment(self) -> str:
        if self.one_line or self.rng.random() < 0.6:
            return ""
        return self.some("// stage('ghost') { steps { } }\n", "/* stage(\"old\") {\n } */\n", "// it's }\n")

    def name(self) -> str:
        self.count += 1
        text = self.some("build", "test ", "it's ", 'a "b" ', "{x} ", "http://y/") + str(self.count)
        single = "'" + text.replace("'", "\\'") + "'"
        double = '"' + text.replace('"', '\\"') + '"'
        return self.some(single, double, f"'''{text} '''", f'"""{text} """')

    def steps(self) -> str:
        step = self.some("echo 'x'", 'echo "}"', "sh '''\n{ '''", "sh 'curl http://z'", "script { stage('inner') { echo 'x' } }",
                         "parallel(a: { stage('b') { echo '}' } }, c: { echo 'd' })", "if (x) { echo '1' } else { echo '2' }")
        return f"steps {{ {step} }}"

    def decoy(self) -> str:
        return self.some("", "", "agent { label 'x' }", "when { expression { return '{' } }", "options { retry(3) }",
                         "post { always { echo \"}\" } }", "environment { A = 'stage(1) {' }")

    def stage(self, depth: int, group: bool) -> str:
        """A stage; below a parallel or a matrix only `stages` may group, as in Jenkins."""
        kind = self.some("leaf", "stages", "parallel", "matrix") if depth else "leaf"
        if kind in ("parallel", "matrix") and not group:
            kind = "stages"
        head = f"stage({self.name()})"
        below = group and kind == "stages"
        inside = [self.stage(depth - 1, below) for _ in range(int(self.rng.integers(1, 4)))] if kind != "leaf" else []
        if kind == "matrix":
            axes = "axes { axis { name 'OS'; values 'a', 'b' } }"
            body = self.block("matrix", [axes, self.block("stages", inside)])
        else:
            body = self.steps() if kind == "leaf" else self.block(kind, inside)
        before = self.decoy()
        parts = [before, self.comment() + body, self.decoy() if kind == "leaf" and not before else ""]
        return self.block(head, parts)
