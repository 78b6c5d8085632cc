"""Drill questions of chapter 34: exporting to ONNX and optimising the graph."""

from __future__ import annotations

from utils.cost.flops import conv_out_size

from ..question import Choice, Numeric, Open

LIMIT = 2**31 - 1
ITEM_BYTES = {"FP32": 4, "FP16": 2, "INT8": 1}


def _draw_room(rng):
    dtype = str(rng.choice(list(ITEM_BYTES)))
    near = LIMIT / ITEM_BYTES[dtype] / 1e6  # millions of parameters that just fit
    v = {"millions": int(near * rng.uniform(0.6, 1.5)), "dtype": dtype, "item": ITEM_BYTES[dtype]}
    return v | {"room": f"{_room(v):,}"}


def _room(v, limit=LIMIT):
    return limit - v["millions"] * 10**6 * v["item"]


def _draw_conv(rng):
    while True:
        v = {"h": int(rng.integers(20, 230)), "k": int(rng.choice([3, 5, 7])), "s": int(rng.choice([1, 2, 3])),
             "p": int(rng.choice([0, 1, 2, 3])), "d": int(rng.choice([1, 1, 2]))}
        if v["h"] > v["d"] * (v["k"] - 1) + 1:
            return v


def _conv(v, **other):
    w = {**v, **other}
    return conv_out_size(w["h"], w["k"], w["s"], w["p"], w["d"])


def _draw_reshape(rng):
    last, inferred = int(rng.choice([4, 8, 16, 32])), int(rng.integers(3, 12))
    c = int(rng.choice([d for d in range(2, last * inferred + 1) if (last * inferred) % d == 0]))
    return {"n": int(rng.integers(2, 9)), "c": c, "hw": last * inferred // c, "last": last}


def _draw_tolerance(rng):
    """Tolerances whose sum is a short decimal."""
    while True:
        v = {"ref": float(rng.choice([-250.0, -12.0, 0.0, 0.5, 4.0, 80.0])), "rtol": float(rng.choice([1e-4, 1e-3, 1e-2])),
             "atol": float(rng.choice([1e-6, 1e-5, 1e-3]))}
        if abs(float(f"{_largest(v):.6g}") - _largest(v)) < 1e-12:
            return v


def _largest(v):
    return v["atol"] + v["rtol"] * abs(v["ref"])


QUESTIONS = [
    Numeric(
        "34.room_in_protobuf", 1,
        "A model has {millions} million parameters in {dtype}. Count the weights only. How many bytes are left below the limit of one protobuf "
        "message, 2^31 - 1 bytes? (Negative: it does not fit into one file without external data.)",
        _draw_room, _room,
        "2,147,483,647 B less {millions} million · {item} B: {room} B are left.",
        unit="B",
        traps=((lambda v: _room(v, 2**31), "The limit is one byte below 2 GiB: 2,147,483,647."),
               (lambda v: _room(v, 2 * 10**9), "2 GiB are 2^31 bytes, not 2e9."),
               (lambda v: _room({**v, "item": 1 if v["item"] != 1 else 4}), "Look at the bytes of one parameter in this format."),
               (lambda v: -_room(v), "The sign: positive if there is room."))),
    Numeric(
        "34.conv_out", 2,
        "Shape inference meets a Conv: input height {h}, kernel {k}, stride {s}, padding {p} on each side, dilation {d}. What is the output height?",
        _draw_conv, _conv,
        "floor(({h} + 2·{p} - {d}·({k} - 1) - 1) / {s}) + 1 = {answer}.",
        traps=((lambda v: _conv(v, d=1), "The dilation spreads the kernel: it covers d·(k - 1) + 1 rows."),
               (lambda v: (v["h"] + v["p"] - v["d"] * (v["k"] - 1) - 1) // v["s"] + 1, "The padding is on both sides."),
               (lambda v: (v["h"] + 2 * v["p"] - v["d"] * (v["k"] - 1) - 1) // v["s"], "One more: the first position counts too."),
               (lambda v: -(-(v["h"] + 2 * v["p"] - v["d"] * (v["k"] - 1) - 1) // v["s"]) + 1, "Round down: a kernel that sticks out is not computed."))),
    Numeric(
        "34.reshape_target", 2,
        "A Reshape gets data of shape ({n}, {c}, {hw}) and the target [0, -1, {last}]. What is the size of axis 1 of the result?",
        _draw_reshape, lambda v: v["c"] * v["hw"] // v["last"],
        "0 copies {n}. {c} · {hw} values are left for each, in rows of {last}: {answer}.",
        traps=((lambda v: v["c"], "0 copies a size, -1 does not: it is inferred from what is left."),
               (lambda v: v["n"] * v["c"] * v["hw"] // v["last"], "The 0 has taken axis 0 already: divide by it as well."))),
    Numeric(
        "34.largest_passing", 2,
        "The reference output is {ref}, rtol {rtol}, atol {atol}. An element passes if |got - ref| is at most atol + rtol·|ref|. What is the largest "
        "deviation that passes?",
        _draw_tolerance, _largest,
        "{atol} + {rtol} · |{ref}| = {answer}.",
        traps=((lambda v: max(v["atol"], v["rtol"] * abs(v["ref"])), "The two add up."),
               (lambda v: v["rtol"] * abs(v["ref"]), "atol is added: without it nothing near zero would pass."),
               (lambda v: v["atol"] + v["rtol"] * v["ref"], "The magnitude of the reference counts, not its sign."))),
    Choice(
        "34.opset_13", 1, "You call `torch.onnx.export(..., opset_version=13)` with torch 2.13 and its default exporter. What is in the file?",
        "opset 18, and a message in the log",
        (("opset 13, as asked", "Only the older route, `dynamo=False`, still writes it. The newer one implements its operators from 18 on."),
         ("nothing: an exception is raised", "It converts the finished graph down to 13. If that fails, it keeps 18 and goes on."),
         ("opset 20, onnxscript's newest", "The exporter implements 18 and would convert from there.")),
        "Read the opset from the file after each export. The target's converter may know less than what was written."),
    Choice(
        "34.fold_random", 2, "What must constant folding do with a RandomNormalLike whose input has a static shape?",
        "leave it, and everything that depends on it",
        (("fold it with seed 0", "Then every inference returns the same noise: the network computes something else."),
         ("fold it, since its shape is static", "A static shape makes the size known, not the values."),
         ("nothing: ONNX forbids the operator in inference", "It is allowed. Diffusion models and some samplers use it.")),
        "A node may be folded if it gives the same result in every run. Random operators don't, although they may have no inputs at all."),
    Choice(
        "34.dynamic_dims", 2, "Where do you tell torch's present default exporter that the batch is dynamic?",
        "in `dynamic_shapes`, with `torch.export.Dim`",
        (("in `dynamic_axes` only", "That belongs to the older route. The newer one converts it with a warning, and may fail."),
         ("nowhere: edit the file after the export", "That is repair for a file that you can't export again."),
         ("in the attribute `opset_version`", "That is the version of the operator definitions.")),
        "The exporter goes through torch.export, which needs to know while it traces which sizes may change."),
    Open(
        "34.fails_at_batch_8", 3, "An exported model matches PyTorch at batch 1 and fails at batch 8. How do you find the cause, and where do you mend it?",
        ("A batch size baked into a constant: the target of a Reshape, an Expand, another constant",
         "Does it fail or is it wrong? Wrong values: batch norm or dropout in training mode, or a reduction over the batch axis",
         "Tracing followed one branch of an if that depends on the data",
         "Bisect: add intermediate tensors as outputs, and compare at batch 1 and 8",
         "Mend at the source: export with dynamic_shapes and compare at several batch sizes in CI"),
        "I look at the error first. A shape error names a node: its target holds a constant 1, since the export was static. If it runs and differs, "
        "I compare batch 8 with eight runs at batch 1, tensor by tensor, until the first one differs: batch norm in training mode, or a mean over "
        "the wrong axis. An if that was traced shows as a missing branch. I mend the model or the export call, with dynamic_shapes, and add batch "
        "sizes 1, 2 and 8 to the comparison that runs after each export."),
]
