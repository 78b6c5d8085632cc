"""Drill questions of chapter 23: ONNX."""

from __future__ import annotations

from math import prod

from utils.graphs.protobuf import encode_varint

from ..question import Choice, Numeric, Open

SIZES = {"float32": 4, "float16": 2, "int8": 1, "float64": 8}
TABLE = {13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11, 24: 12, 25: 13, 26: 13}


def _draw_varint(rng):
    """Numbers of every length, some of them beside a power of 128."""
    k = int(rng.integers(1, 6))
    value = int(rng.integers(0, 2**40)) >> int(rng.integers(0, 40)) if rng.integers(3) else 128**k - int(rng.integers(0, 2))
    value = max(value, 1)
    return {"n": f"{value:,}", "value": value, "length": value.bit_length()}


def _draw_tensor(rng):
    shape = [int(d) for d in rng.choice([3, 7, 16, 64, 96, 128, 256, 512], int(rng.integers(2, 5)))]
    if prod(shape) > 50_000_000:
        shape = shape[:2]
    name = str(rng.choice(list(SIZES)))
    size = prod(shape) * SIZES[name]
    rest = int(rng.integers(5, 60)) * max(1, size // 100)
    return {"shape": "(" + ", ".join(map(str, shape)) + ")", "dtype": name, "size": size, "count": prod(shape), "item": SIZES[name],
            "file": size + rest, "file_text": f"{size + rest:,}"}


def _draw_versions(rng):
    max_ir = int(rng.choice([8, 9, 10, 11, 12, 13]))
    max_opset = int(rng.integers(17, 27))
    opset = max(o for o, ir in TABLE.items() if o <= max_opset and ir <= max_ir)
    ages = {"Conv": 11, "LayerNormalization": 17, "Gelu": 20, "Attention": 23}
    ops = [op for op, since in ages.items() if since <= opset]
    return {"max_opset": max_opset, "max_ir": max_ir, "opset": opset, "ops": " and ".join(f"{op} (opset {ages[op]} or later)" for op in ops[-2:]),
            "since": max(ages[op] for op in ops),
            "table": "15–18: 8, 19–20: 9, 21–22: 10, 23: 11, 24: 12, 25–27: 13, 28: 14"}


QUESTIONS = [
    Numeric(
        "23.varint_bytes", 1,
        "How many bytes does the number {n} take as a protobuf varint?",
        _draw_varint, lambda v: len(encode_varint(v["value"])),
        "The number in binary has length {length}. Seven bits go into a byte: {length} / 7, rounded up, is {answer}.", unit="bytes",
        traps=((lambda v: max(1, -(-v["value"].bit_length() // 8)), "A byte carries seven bits of the number; the eighth announces another byte."),
               (lambda v: 8, "A varint has no fixed size: small numbers are short."))),
    Numeric(
        "23.initializer_bytes", 1,
        "An initializer has the shape {shape} and the type {dtype}. How many bytes is its raw data?",
        _draw_tensor, lambda v: v["size"], "{count:,} elements × {item} B = {size:,} B.", unit="B",
        traps=((lambda v: v["count"], "That is the number of elements. Each takes as many bytes as its type has."),
               (lambda v: v["count"] * 8 * v["item"], "Those are bits."))),
    Numeric(
        "23.initializer_share", 2,
        "A file of {file_text} bytes holds one initializer, of the shape {shape} and the type {dtype}. Which share of the file is its raw data, in per cent?",
        _draw_tensor, lambda v: 100 * v["size"] / v["file"], "{size:,} of {file:,} bytes: {answer} %.", unit="%", rtol=0.01,
        traps=((lambda v: 100 * v["count"] / v["file"], "You counted elements instead of bytes."),
               (lambda v: 100 * v["size"] / (v["file"] + v["size"]), "The file's size contains the weights already."))),
    Numeric(
        "23.export_opset", 2,
        "A runtime loads opsets up to {max_opset} and IR versions up to {max_ir}. Opset and IR version go together like this: {table}. The model uses {ops}. Which is the highest opset to export with?",
        _draw_versions, lambda v: v["opset"], "Within both limits the table ends at opset {answer}, which is enough for all operators.",
        traps=((lambda v: v["max_opset"], "Its IR version is too new for this runtime."),
               (lambda v: v["max_ir"], "That is an IR version, not an opset."),
               (lambda v: v["since"], "That is the lowest opset which the operators need. Asked is the highest that the runtime loads."))),
    Choice(
        "23.what_is_onnx", 1, "What is ONNX?",
        "a file format and a specification of operators",
        (("a framework for training", "It trains nothing. Training frameworks export to it."),
         ("a runtime", "ONNX Runtime is one, and TensorRT and OpenVINO are others. ONNX itself runs nothing, apart from a slow reference evaluator."),
         ("a compiler", "Compilers such as TensorRT's builder read ONNX. The format compiles nothing.")),
        "ONNX says how a graph is stored and what each operator means. Everything else is done by tools around it."),
    Choice(
        "23.ir_too_new", 2, "A file has IR version 14 and opset 20. The runtime loads IR versions up to 13 and opsets up to 26. What happens, and what helps?",
        "it refuses to load; save again with a lower IR version if no newer field is used",
        (("it runs with a warning", "The check of the IR version is an error, and comes before anything else."),
         ("the runtime converts the file", "No runtime does that by itself."),
         ("lower the opset only", "The opset is within its limit. The IR version is a number of its own, and stays 14.")),
        "The IR version describes the file's structure. If nothing new in it is used, a lower number describes it as well."),
    Choice(
        "23.minus_one", 2, "Why does the int64 −1 take ten bytes as a varint in an ONNX file?",
        "it is stored as 64-bit two's complement, without zigzag",
        (("one byte for the sign, nine for the value", "There is no sign byte."),
         ("varints are padded to ten bytes", "8 takes one byte."),
         ("it is stored as text", "It is a number of wire type 0.")),
        "All 64 bits are ones, and seven fit into a byte: ten bytes. Zigzag (protobuf's sint64) would make it one byte, but onnx.proto uses int64."),
    Choice(
        "23.three_gigabytes", 2, "A model with 3 GB of weights can't be serialised into one .onnx file. Why, and what helps?",
        "protobuf messages must stay below 2 GiB: put the weights into external data",
        (("too little memory: use a larger machine", "The limit is the format's, on any machine."),
         ("the opset is too old: export with a newer one", "The limit has nothing to do with operators."),
         ("the weights are float64: use float32", "Any 3 GB are too much for one message, whatever their type.")),
        "With external data the tensors hold a file name, an offset and a length, and the bytes lie in a second file."),
    Open(
        "23.two_runtimes", 3,
        "Two runtimes give a different top-1 class on 0.3 % of the images, from the same ONNX file. How do you find out whether something is wrong?",
        ("the same preprocessing, byte for byte", "the semantics of the opset: Resize modes, count_include_pad of AveragePool, Softmax's axis",
         "precision and fusion: float16, TF32, another order of sums", "compare the intermediate tensors, find the first that differs beyond rounding",
         "a tolerance, and the margin between the two best classes: near ties flip", "decide by accuracy on labelled data, not by bitwise equality"),
        "First I feed both the same tensors, so that the preprocessing is out of the way. Then I expose the intermediate tensors as outputs and look for the first one "
        "whose difference jumps beyond rounding; that points at an operator, its attributes or its opset. I check whether one of them computes in float16 or TF32, or fuses. "
        "For the images that flip I look at the margin between the two best classes: tiny margins flip by rounding alone. In the end accuracy on labelled images decides, "
        "since the specification promises no bitwise equality."),
]
