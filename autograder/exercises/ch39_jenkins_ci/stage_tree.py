"""Exercise 39.stage_tree: the stages of a declarative Jenkinsfile as a tree."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from utils.delivery import ci_pipeline as ci

from ...compare import exact
from ...exercise import Case, Exercise, Misconception
from .jenkinsfiles import BROKEN, SCRIPTED, TRAPS, VISIBLE, random_file

COMMENT = r"//[^\n]*|/\*.*?\*/"
TRIPLE = r"'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\""
SINGLE = r"'(?:\\.|[^'\\\n])*'"
DOUBLE = r'"(?:\\.|[^"\\\n])*"'
Block = tuple[Any, list]  # (name, or a list with a stage's name; the blocks inside)


class _Parser:
    """A reader of Jenkinsfiles whose parts can be replaced. A string is a token in a list: ["text"]."""

    def __init__(self, *, strings: str = f"{TRIPLE}|{SINGLE}|{DOUBLE}", comments: str = COMMENT, escapes: bool = True, strict: bool = True,
                 declared: bool = True, kinds: tuple[str, ...] = ("parallel", "matrix", "stages"), inside: str = "declared",
                 matrix: str = "stages", prepare: Callable[[str], str] = lambda text: text, kind_names: dict | None = None) -> None:
        self.strings, self.comments, self.escapes, self.strict, self.declared = strings, comments, escapes, strict, declared
        self.kinds, self.inside, self.matrix, self.prepare, self.kind_names = kinds, inside, matrix, prepare, kind_names or {}

    def __call__(self, jenkinsfile: str) -> list:
        tokens = self.tokens(self.prepare(jenkinsfile))
        blocks, at = self.blocks(tokens, 0)
        if self.strict and at < len(tokens):
            raise ValueError("line: a brace too many")
        top = next((inside for name, inside in blocks if name == "pipeline"), None)
        if top is None:
            if self.declared:
                raise ValueError("not declarative")
            return self.stages(blocks)
        return self.stages(next((inside for name, inside in top if name == "stages"), []))

    def tokens(self, text: str) -> list:
        found = []
        for match in re.finditer(rf"(?P<c>{self.comments or '(?!)'})|(?P<s>{self.strings or '(?!)'})|\w+|\S", text, re.DOTALL):
            if match["s"]:
                word = match["s"]
                cut = 3 if len(word) >= 6 and word[:3] in ("'''", '"""') else 1
                found.append([re.sub(r"\\(.)", r"\1", word[cut:-cut], flags=re.DOTALL) if self.escapes else word[cut:-cut]])
            elif not match["c"]:
                if match[0] in "'\"" and self.strict:
                    raise ValueError("line: a string is open")
                found.append(match[0])
        return found

    def blocks(self, tokens: list, at: int) -> tuple[list[Block], int]:
        found: list[Block] = []
        while at < len(tokens) and tokens[at] != "}":
            if tokens[at] == "{":
                name = self.name(tokens, at)
                inside, at = self.blocks(tokens, at + 1)
                if at == len(tokens) and self.strict:
                    raise ValueError("line: a brace is missing")
                found.append((name, inside))
            at += 1
        return found, min(at, len(tokens))

    def name(self, tokens: list, at: int) -> Any:
        if at >= 4 and tokens[at - 1] == ")" and isinstance(tokens[at - 2], list) and tokens[at - 4] == "stage":
            return tokens[at - 2]
        return tokens[at - 1] if at and isinstance(tokens[at - 1], str) else ""

    def stages(self, blocks: list[Block]) -> list:
        tree = []
        for name, inside in blocks:
            if isinstance(name, list):
                tree.append(self.stage(name[0], inside))
            elif self.inside == "anywhere":
                tree += self.stages(inside)
        return tree

    def stage(self, name: str, inside: list[Block]) -> tuple:
        where = {n: b for n, b in reversed(inside) if isinstance(n, str)}
        if self.inside == "steps" and "steps" in where:
            where = {n: b for n, b in reversed(where["steps"]) if isinstance(n, str)} | where
        kind = next((k for k in self.kinds if k in where), "leaf")
        if self.inside == "anywhere":
            below = self.stages(inside)
        elif kind == "matrix" and self.matrix == "stages":
            below = self.stages(next((b for n, b in where["matrix"] if n == "stages"), []))
        elif kind == "matrix" and self.matrix == "direct":
            below = self.stages(where["matrix"])
        else:
            below = self.stages(where.get(kind, []))
        if kind in self.kind_names:
            kind = self.kind_names[kind]
        return name, kind, below


RIGHT = _Parser()


def _wrong(*answers: Callable) -> dict:
    return {"answer": answers[0], "also": tuple(answers[1:])}


def _parsers(*changes: dict) -> dict:
    """A misconception's parsers, each with and without refusing broken files."""
    return _wrong(*[_Parser(**change, **more) for change in changes for more in ({}, {"strict": False, "declared": False})])


def _refusing(parse: Callable[[str], list]) -> Callable[[str], list]:
    """A wrong reader of good files that refuses the bad ones rightly."""

    def answer(jenkinsfile: str) -> list:
        RIGHT(jenkinsfile)
        return parse(jenkinsfile)

    return answer


def _found(pattern: str) -> Callable[[str], list]:
    return lambda text: [(m[m.lastindex], "leaf", []) for m in re.finditer(pattern, text)]


def _found_names(text: str) -> list:
    return [m[2] for m in re.finditer(r"stage\((['\"])(.*?)\1\)", text)]


def _indented(text: str) -> list:
    """The tree by columns: a line further to the right is inside."""
    root: list = []
    open_: list[tuple[int, list]] = [(-1, root)]
    for line in re.sub(COMMENT, "", text).splitlines():
        match = re.match(r"(\s*)stage\((['\"])(.*?)\2\)", line)
        if match:
            column = len(match[1])
            while open_[-1][0] >= column:
                open_.pop()
            entry: list = [match[3], "leaf", []]
            open_[-1][1].append(entry)
            open_.append((column, entry[2]))
        group = re.match(r"(\s*)(stages|parallel|matrix)\b", line)
        if group:
            _mark(root, open_, len(group[1]), group[2])
    return [_tuple(entry) for entry in root]


def _mark(root: list, open_: list, column: int, kind: str) -> None:
    """Give the innermost open stage that begins to the left its kind."""
    entries = [e for e in _entries(root) if any(e[2] is inside for c, inside in open_ if c < column)]
    if entries and entries[-1][1] == "leaf":
        entries[-1][1] = kind


def _entries(root: list) -> list:
    return [e for entry in root for e in (entry, *_entries(entry[2]))]


def _tuple(entry: list) -> tuple:
    return entry[0], entry[1], [_tuple(e) for e in entry[2]]


def _by_characters(comments: bool) -> Callable[[str], list]:
    """Counts every brace, also those in strings (and in comments)."""

    def parse(text: str) -> list:
        text = re.sub(COMMENT, " ", text, flags=re.DOTALL) if comments else text
        pattern = re.compile(r"stage\s*\(\s*(?:'([^'\n]*)'|\"([^\"\n]*)\")\s*\)\s*\{|(\w+)\s*\{|(\{)|(\})")
        root: list = ["", "leaf", []]
        stack: list[tuple[str, list]] = [("", root)]
        for m in pattern.finditer(text):
            if m[5]:
                if len(stack) == 1:
                    raise ValueError("line: a brace too many")
                stack.pop()
            elif m[1] is not None or m[2] is not None:
                entry: list = [m[1] if m[1] is not None else m[2], "leaf", []]
                if stack[-1][0] in ("stages", "parallel"):
                    stack[-1][1][2].append(entry)
                stack.append(("stage", entry))
            elif m[3] in ("stages", "parallel", "matrix") and stack[-1][0] in ("stage", "pipeline", "matrix"):
                if stack[-1][0] == "stage":
                    stack[-1][1][1] = m[3]
                stack.append((m[3], stack[-1][1]))
            elif m[3] == "pipeline" and len(stack) == 1:
                stack.append(("pipeline", root))
            else:
                stack.append((m[3] or "", root))
        if len(stack) > 1:
            raise ValueError("line: a brace is missing")
        if not re.search(r"\bpipeline\s*\{", text):
            raise ValueError("not declarative")
        return [_tuple(e) for e in root[2]]

    return parse


def _flat(parse: Callable[[str], list]) -> Callable[[str], list]:
    def flatten(tree: list) -> list:
        return [item for name, kind, below in tree for item in ((name, kind, []), *flatten(below))]

    return lambda text: flatten(parse(text))


# --- right answers ------------------------------------------------------------------------------


def _brace_stack(jenkinsfile: str) -> list:
    """Character by character, with a stack of open blocks."""
    stack: list[list] = [["", "top", []]]  # name, what it is, blocks inside
    word, before, string, i, line = "", ["", "", ""], None, 0, 1
    text = jenkinsfile
    while i < len(text):
        c = text[i]
        line += c == "\n"
        if text.startswith("//", i):
            i = text.find("\n", i) if "\n" in text[i:] else len(text)
            continue
        if text.startswith("/*", i):
            i = text.index("*/", i + 2) + 2
            continue
        if c in "'\"":
            quote = c * 3 if text.startswith(c * 3, i) else c
            i, out = i + len(quote), ""
            while not text.startswith(quote, i):
                if i >= len(text) or (len(quote) == 1 and text[i] == "\n"):
                    raise ValueError(f"the string in line {line} is open")
                if text[i] == "\\":
                    i += 1
                out += text[i : i + 1]
                i += 1
            i += len(quote)
            string, before, word = out, [*before[1:], "STRING"], ""
            continue
        if c.isalnum() or c == "_":
            word = word + c if i and (text[i - 1].isalnum() or text[i - 1] == "_") and word else c
            if word == c:
                before = [*before[1:], word]
            else:
                before = [*before[:2], word]
        elif not c.isspace():
            word = ""
            if c == "{":
                is_stage = before == ["(", "STRING", ")"] and stack[-1][1] in ("stages", "parallel")
                kind = "stage" if is_stage else before[-1]
                stack.append([string if is_stage else "", kind, []])
            elif c == "}":
                if len(stack) == 1:
                    raise ValueError(f"a brace too many in line {line}")
                done = stack.pop()
                stack[-1][2].append(done)
            before = [*before[1:], c]
        else:
            word = ""
        i += 1
    if len(stack) > 1:
        raise ValueError(f"a brace is missing in line {line}")
    pipelines = [b for b in stack[0][2] if b[1] == "pipeline"]
    if not pipelines:
        raise ValueError("this is no declarative pipeline")

    def tree(block: list) -> list:
        found = []
        for name, _, inside in (b for b in block[2] if b[1] == "stage"):
            group = next((b for b in inside if b[1] in ("stages", "parallel", "matrix")), None)
            if group is None:
                found.append((name, "leaf", []))
            elif group[1] == "matrix":
                found.append((name, "matrix", [s for b in group[2] if b[1] == "stages" for s in tree(b)]))
            else:
                found.append((name, group[1], tree(group)))
        return found

    return [s for b in pipelines[0][2] if b[1] == "stages" for s in tree(b)]


def _masked(jenkinsfile: str) -> list:
    """Strings and comments are blanked out first, so that braces can be counted; names are read from the original."""
    pattern = re.compile(rf"({COMMENT})|{TRIPLE}|{SINGLE}|{DOUBLE}", re.DOTALL)

    def blank(match: re.Match) -> str:
        return " " * len(match[0]) if match[1] else "S" * len(match[0])

    bare = pattern.sub(blank, jenkinsfile)
    if re.search("['\"]", bare):
        raise ValueError("an open string in some line")
    partner, open_ = {}, []
    for at, char in enumerate(bare):
        if char == "{":
            open_.append(at)
        elif char == "}":
            if not open_:
                raise ValueError("line with a brace too many")
            partner[open_.pop()] = at
    if open_:
        raise ValueError("line with a brace too few")

    def inside(low: int, high: int) -> list[tuple[str, int, int]]:
        found, at = [], low
        while (at := bare.find("{", at, high)) >= 0:
            head = bare[low:at].rstrip()
            last = re.search(r"(?:\bstage\s*\(\s*(S+)\s*\)|\w+)$", head)
            name = ""
            if last and last[1]:
                literal = jenkinsfile[low + last.start(1) : low + last.end(1)]
                cut = 3 if literal[:3] in ("'''", '"""') else 1
                name = "stage:" + re.sub(r"(?s)\\(.)", r"\1", literal[cut:-cut])
            elif last:
                name = last[0]
            found.append((name, at + 1, partner[at]))
            at = partner[at] + 1
        return found

    def stages(low: int, high: int) -> list:
        tree = []
        for name, begin, end in inside(low, high):
            if name.startswith("stage:"):
                parts = {n: (b, e) for n, b, e in inside(begin, end)}
                kind = next((k for k in ("stages", "parallel", "matrix") if k in parts), "leaf")
                below = []
                if kind == "matrix":
                    below = [s for n, b, e in inside(*parts[kind]) if n == "stages" for s in stages(b, e)]
                elif kind != "leaf":
                    below = stages(*parts[kind])
                tree.append((name[6:], kind, below))
        return tree

    for name, begin, end in inside(0, len(bare)):
        if name == "pipeline":
            return [s for n, b, e in inside(begin, end) if n == "stages" for s in stages(b, e)]
    raise ValueError("a declarative pipeline has a pipeline block")


def _draw(rng: np.random.Generator) -> Case:
    text = random_file(rng)
    return Case(text, label=f"a random file of {len(text.splitlines())} lines and {len(text)} characters")


def _show(value: Any) -> str:
    """name, or kind:name(inside)."""
    if not isinstance(value, (list, tuple)):
        return str(value)[:70]
    shown = ", ".join(name if kind == "leaf" else f"{kind}:{name}({_show(below)})" for name, kind, below in value)
    return shown if len(shown) < 150 else shown[:149] + "…"


stage_tree = Exercise(
    id="39.stage_tree", points=5, difficulty=3, minutes=30, idea="a Jenkinsfile is Groovy: read tokens, not lines",
    reference=ci.stage_tree,
    cases=[Case(VISIBLE, label="the file above"),
           Case(TRAPS["a parallel step inside steps"], label="a parallel step inside steps"), Case(TRAPS["a matrix"], label="a matrix")],
    hidden=[Case(text, label=label) for label, text in TRAPS.items()],
    draw=_draw, draws=40, compare=exact(), show=_show,
    raises=[*(Case(text, label=label, word="declarative") for label, text in SCRIPTED.items()),
            *(Case(text, label=label, word="line") for label, text in BROKEN.items())],
    misconceptions=[
        Misconception(
            "a_search_for_stage", **_wrong(*[f for pattern in (r"stage\('(.*?)'\)", r"stage\((['\"])(.*?)\1\)")
                                             for f in (_refusing(_found(pattern)), _found(pattern))],
                                         _found_names, _refusing(_found_names)),
            message="A search for `stage(...)` finds names, also those in comments and inside `steps`, and no tree. Split the text into tokens "
                    "first, then follow the braces.",
            title="A search is no parser."),
        Misconception(
            "braces_in_strings", **_wrong(_by_characters(True), _refusing(_by_characters(True)), _by_characters(False),
                                          _refusing(_Parser(strings="", strict=False))),
            message="You count braces that stand in strings. The } of `echo \"}\"` then closes your stage. A string is one token, whatever is in "
                    "it.",
            title="That brace is text."),
        Misconception(
            "comments_count", **_parsers({"comments": ""}, {"comments": r"//[^\n]*"}, {"comments": r"/\*.*?\*/"}),
            message="You read what stands in comments, of one kind or of both: stages that are long gone, braces, or an apostrophe.",
            title="Comments are not code."),
        Misconception(
            "comments_first", **_parsers({"prepare": lambda text: re.sub(COMMENT, " ", text, flags=re.DOTALL)},
                                         {"prepare": lambda text: re.sub(r"//[^\n]*", " ", text)}),
            message="You take comments out before you look for strings. The // of a URL in a string then swallows the rest of its line. Strings "
                    "and comments have to be recognised in one go, from left to right.",
            title="Not every // is a comment."),
        Misconception(
            "indentation", **_wrong(_indented, _refusing(_indented)),
            message="You read the tree from the indentation. Groovy ignores it: a file on one line has the same stages.",
            title="Braces, not columns."),
        Misconception(
            "steps_as_groups", **_parsers({"inside": "anywhere"}, {"inside": "steps"}),
            message="You find stages inside `steps`, `script` or `post`. A `parallel` step or a `stage` step in there belongs to the steps. "
                    "Only `stages`, `parallel` and `matrix` directly in a stage make a group.",
            title="A step is not a directive."),
        Misconception(
            "matrix_dropped", **_parsers({"kinds": ("parallel", "stages")}, {"matrix": "none"}, {"matrix": "direct"}),
            message="The stages inside your `matrix` are missing. They are in its `stages` block.",
            title="A matrix has stages too."),
        Misconception(
            "kinds_of_quotes", **_parsers({"strings": SINGLE}, {"strings": DOUBLE}, {"strings": f"{SINGLE}|{DOUBLE}"}),
            message="You don't know all four kinds of strings: '…', \"…\", and each of them with three quotes, which may go over several lines and "
                    "hold single quotes.",
            title="Four kinds of strings."),
        Misconception(
            "escapes_in_names", **_parsers({"escapes": False}),
            message="A name with a backslash comes out as it is written. In `'it\\'s'` the backslash only says that the quote does not end the "
                    "string; the name is it's.",
            title="The backslash goes."),
        Misconception(
            "escaped_quotes", **_parsers({"strings": r"'''.*?'''|\"\"\".*?\"\"\"|'[^'\n]*'|\"[^\"\n]*\""}),
            message="A quote after a backslash ends your string. It belongs to the string.",
            title="An escaped quote goes on."),
        Misconception(
            "flat", **_wrong(_flat(RIGHT), _flat(_Parser(strict=False, declared=False))),
            message="You list all stages, one after the other. The third part of a tuple holds the stages inside.",
            title="A list is no tree."),
        Misconception(
            "kinds", **_parsers({"kind_names": {"stages": "leaf"}}, {"kind_names": {"stages": "group", "parallel": "group", "matrix": "group"}},
                                {"kind_names": {"matrix": "parallel"}}, {"kind_names": {"leaf": "steps"}}, {"kind_names": {"matrix": "stages"}}),
            message="The kinds are not those of the task: `leaf`, `stages`, `parallel`, `matrix`. The kind is the name of the block that holds the "
                    "stages inside; without one it is `leaf`.",
            title="Four kinds."),
        Misconception(
            "nothing_refused", _Parser(strict=False, declared=False),
            "A file that is broken or not declarative gives a tree instead of an error. Jenkins would not run it, and a tree of it is made up.",
            "Some files have no tree.", also=(_Parser(strict=False), _Parser(declared=False))),
    ],
    alternatives=[_brace_stack, _masked],
    hints=(
        "One regular expression with alternatives finds all tokens in order: comments, then the strings (three quotes before one), then words, "
        "then any other character. With `re.DOTALL` a dot matches line ends.",
        "Keep strings apart from other tokens (as a tuple, say), so that the string '{' is no brace. A { belongs to the word before it, or to "
        "`stage ( string )`.",
        "A recursive function from an opening brace to its partner gives the blocks inside. A second one keeps of these blocks only the stages, "
        "and looks into stages, parallel and matrix.",
    ),
    worth_knowing="Jenkins itself lets the Groovy compiler parse the file, and then reads the stages from the compiler's syntax tree.",
)
