"""ncnn's .param file: the graph as text, a line a layer.

    7767517                              the magic number
    3 3                                  how many layers, how many blobs
    Input        x   0 1 x 0=28 1=28 2=1
    Convolution  c1  1 1 x c1 0=8 1=3 …  type, name, inputs, outputs, their names, then key=value

A blob is a tensor that a layer makes. The keys are numbers; each type has a list of its own. A key of -23300 - k holds
an array under key k: "-23303=2,2.0,3.0"; newer files may say "3=2.0,3.0".
Source: Tencent/ncnn, wiki "param and model file structure".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

MAGIC = "7767517"
ARRAY_KEY = -23300
Number = int | float
Row = tuple[str, str, list[str], list[str], dict[int, Number | list[Number]]]


@dataclass
class NcnnLayer:
    """One layer: its type, its name, the blobs that it reads and makes, and its parameters by number."""

    type: str
    name: str
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    params: dict[int, Number | list[Number]] = field(default_factory=dict)

    def as_tuple(self) -> Row:
        """(type, name, inputs, outputs, params)."""
        return self.type, self.name, self.inputs, self.outputs, self.params


# --- reading --------------------------------------------------------------------------------------


def parse_ncnn_param(text: str) -> list[NcnnLayer]:
    """The layers of a .param file, in their order.

    Blank lines are skipped. A value with "." or "e" (also "E") is a float, any other an int. The blob count is not
    checked, since ncnn's own files differ there. Raises ValueError with the line's number for a wrong magic number,
    a wrong layer count, a malformed line and an array of another length than it says.
    """
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines or lines[0][1] != [MAGIC]:
        raise ValueError(f"text must begin with the magic number {MAGIC} on line 1")
    if len(lines) < 2 or len(lines[1][1]) != 2:
        raise ValueError("text must have the layer count and the blob count on line 2")
    declared = _int(lines[1][1][0], lines[1][0])
    layers = [_layer(words, number) for number, words in lines[2:]]
    if declared != len(layers):
        raise ValueError(f"line {lines[1][0]} must give the layer count, got {declared} for {len(layers)} layers")
    return layers


def parse_param(text: str) -> list[Row]:
    """The layers of a .param file as tuples (type, name, inputs, outputs, params)."""
    return [layer.as_tuple() for layer in parse_ncnn_param(text)]


def _layer(words: list[str], number: int) -> NcnnLayer:
    if len(words) < 4:
        raise ValueError(f"line {number} must have type, name and two counts, got {len(words)} words")
    n_in, n_out = _int(words[2], number), _int(words[3], number)
    names = words[4:4 + n_in + n_out]  # found by their count: a name may even hold a "="
    if min(n_in, n_out) < 0 or len(names) < n_in + n_out:
        raise ValueError(f"line {number} must name {n_in} inputs and {n_out} outputs")
    params = dict(_param(word, number) for word in words[4 + n_in + n_out:])
    return NcnnLayer(words[0], words[1], names[:n_in], names[n_in:], params)


def _param(word: str, number: int) -> tuple[int, Number | list[Number]]:
    key_text, separator, value = word.partition("=")
    if not separator:
        raise ValueError(f"line {number} must end in key=value pairs, got {word!r}")
    key = _int(key_text, number)
    if key > ARRAY_KEY:
        items = [_number(item, number) for item in value.split(",")]
        return key, items if "," in value else items[0]
    count, *items = value.split(",")
    if _int(count, number) != len(items):
        raise ValueError(f"line {number} must hold as many array values as it says, got {len(items)} for {count}")
    return ARRAY_KEY - key, [_number(item, number) for item in items]


def _number(text: str, line: int) -> Number:
    try:
        return float(text) if "." in text or "e" in text.lower() else int(text)
    except ValueError as error:
        raise ValueError(f"line {line} must hold numbers, got {text!r}") from error


def _int(text: str, line: int) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ValueError(f"line {line} must hold a whole number, got {text!r}") from error


# --- writing --------------------------------------------------------------------------------------


def format_ncnn_param(layers: Sequence[NcnnLayer]) -> str:
    """The .param text of `layers`, with the counts of layers and blobs.

    Nothing is inserted or mended: see `insert_splits`. Raises ValueError for a blob that two layers make, that is
    read before a layer makes it, or that two layers read, and for names with white space.
    """
    _validate(layers)
    blobs = sum(len(layer.outputs) for layer in layers)
    return "\n".join([MAGIC, f"{len(layers)} {blobs}", *map(_line, layers)]) + "\n"


def _validate(layers: Sequence[NcnnLayer]) -> None:
    made: set[str] = set()
    read: set[str] = set()
    for layer in layers:
        for word in (layer.type, layer.name, *layer.inputs, *layer.outputs):
            if not word or any(c.isspace() for c in word):
                raise ValueError(f"layers must have names without white space, got {word!r}")
        for blob in layer.inputs:
            if blob not in made:
                raise ValueError(f"layers must read existing blobs, got undefined {blob!r} in {layer.name!r}")
            if blob in read:
                raise ValueError(f"layers must read a blob once, got {blob!r} read twice: it needs a Split layer")
            read.add(blob)
        for blob in layer.outputs:
            if blob in made:
                raise ValueError(f"layers must make a blob once, got duplicate {blob!r} in {layer.name!r}")
            made.add(blob)


def _line(layer: NcnnLayer) -> str:
    head = [f"{layer.type:<16}", f"{layer.name:<12}", str(len(layer.inputs)), str(len(layer.outputs))]
    return " ".join([*head, *layer.inputs, *layer.outputs, *(_pair(k, v) for k, v in layer.params.items())])


def _pair(key: int, value: Number | list[Number]) -> str:
    if isinstance(value, list):
        return f"{ARRAY_KEY - key}={','.join(map(str, [len(value), *map(_told, value)]))}"
    return f"{key}={_told(value)}"


def _told(value: Number) -> str:
    """A number so that it is read back with its type: floats keep a "." or an "e"."""
    text = repr(float(value)) if isinstance(value, float) else str(int(value))
    if text in ("inf", "-inf", "nan"):
        raise ValueError(f"params must be finite, got {text}")
    return text


# --- fan-out --------------------------------------------------------------------------------------


def insert_splits(layers: Sequence[NcnnLayer]) -> list[NcnnLayer]:
    """The same graph with a Split layer behind every blob that several layers read.

    An ncnn blob has one reader. A Split of blob "a" makes "a_splitncnn_0", "a_splitncnn_1", …, one a reader, as
    ncnn's own converters call them.
    """
    readers = Counter(blob for layer in layers for blob in layer.inputs)
    taken: Counter[str] = Counter()
    result: list[NcnnLayer] = []
    for layer in layers:
        inputs = []
        for blob in layer.inputs:
            inputs.append(f"{blob}_splitncnn_{taken[blob]}" if readers[blob] > 1 else blob)
            taken[blob] += 1
        result.append(NcnnLayer(layer.type, layer.name, inputs, list(layer.outputs), dict(layer.params)))
        for blob in layer.outputs:
            if readers[blob] > 1:
                copies = [f"{blob}_splitncnn_{i}" for i in range(readers[blob])]
                result.append(NcnnLayer("Split", f"splitncnn_{blob}", [blob], copies))
    return result
