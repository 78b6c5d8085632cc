"""Drill questions of chapter 35: onnxsim and what it does to a graph."""

from __future__ import annotations

import math

from ..question import Choice, Numeric, Open

_DTYPES = {"float32": 4, "float16": 2, "int64": 8, "uint8": 1}


def _scale(v):
    return v["gamma"] / math.sqrt(v["var"] + v["eps"])


def _outside(v):
    return v["gamma"] / (math.sqrt(v["var"]) + v["eps"])


def _bias(v):
    return (v["b"] - v["mean"]) * _scale(v) + v["beta"]


BIAS_TRAPS = (
    (lambda v: v["b"] + v["beta"] - v["mean"] * _scale(v), "The old bias is scaled too."),
    (lambda v: v["beta"] - v["mean"] * _scale(v), "The old bias is missing."),
    (lambda v: (v["b"] - v["mean"] + v["beta"]) * _scale(v), "beta is added after the scaling."),
)


def _draw_weight(rng):
    while True:
        v = {"w": round(float(rng.uniform(0.1, 3)), 2), "gamma": round(float(rng.uniform(0.1, 3)), 2),
             "var": round(float(rng.uniform(0.1, 3)), 2), "eps": float(rng.choice([0.01, 0.05, 0.1]))}
        if abs(_outside(v) / _scale(v) - 1) > 2e-3 and abs(v["var"] + v["eps"] - 1) > 0.02:
            return v


def _draw_bias(rng):
    while True:
        v = _draw_weight(rng) | {name: round(float(rng.uniform(-3, 3)), 2) for name in ("b", "beta", "mean")}
        if all(abs(trap(v) - _bias(v)) > 0.02 for trap, _ in BIAS_TRAPS):
            return v


def _draw_fold(rng):
    dims = [int(rng.choice([1, 8, 64, 256, 1024])) for _ in range(int(rng.integers(2, 4)))]
    dtype = str(rng.choice(list(_DTYPES)))
    return {"dims": "×".join(map(str, dims)), "dtype": dtype, "item": _DTYPES[dtype], "n": math.prod(dims),
            "read": 8 * len(dims), "total": f"{math.prod(dims) * _DTYPES[dtype]:,}"}


def _draw_perms(rng):
    while True:
        p, q = ([int(a) for a in rng.permutation(4)] for _ in range(2))
        if p[q[2]] != q[p[2]]:
            return {"p": str(tuple(p)), "q": str(tuple(q)), "_p": p, "_q": q, "q2": q[2]}


QUESTIONS = [
    Numeric(
        "35.fold_weight", 1, "A convolution weight is {w}. The batch norm after it has gamma = {gamma}, variance {var} and "
        "eps = {eps}. What is the weight after folding?",
        _draw_weight, lambda v: v["w"] * _scale(v),
        "w' = w · gamma / sqrt(var + eps) = {w} · {gamma} / sqrt({var} + {eps}) = {answer}.", rtol=1e-4,
        traps=((lambda v: v["w"] * _outside(v), "eps is inside the root."),
               (lambda v: v["w"] * v["gamma"] / (v["var"] + v["eps"]), "The root is missing."))),
    Numeric(
        "35.fold_bias", 2, "A convolution's bias is {b}. The batch norm after it has gamma = {gamma}, beta = {beta}, running mean {mean}, "
        "variance {var} and eps = {eps}. What is the bias after folding?",
        _draw_bias, _bias,
        "b' = (b − mean) · gamma / sqrt(var + eps) + beta = ({b} − {mean}) · {gamma} / sqrt({var} + {eps}) + {beta} = "
        "{answer}.", rtol=1e-4, atol=1e-4,
        traps=BIAS_TRAPS),
    Numeric(
        "35.blow_up", 2, "ConstantOfShape makes a {dtype} tensor of {dims}. It is folded into an initializer. How many bytes "
        "of tensor data does the file gain? (Leave out that the {read} bytes of the shape go.)",
        _draw_fold, lambda v: v["n"] * v["item"],
        "Elements: {n:,}. Times {item} B: {total} B.", unit="B",
        traps=((lambda v: v["n"], "That is the number of elements."),
               (lambda v: v["n"] * 4, "That would be float32."))),
    Numeric(
        "35.two_transposes", 2, "Transpose with perm {p}, then Transpose with perm {q}. They become one. What is the third "
        "entry of its perm?",
        _draw_perms, lambda v: v["_p"][v["_q"][2]],
        "Axis 2 of the result is axis q[2] = {q2} of the middle, and that is axis p[{q2}] = {answer} of the input.",
        traps=((lambda v: v["_q"][v["_p"][2]], "That is q[p[2]]: the other order."),)),
    Choice(
        "35.check", 1, "`model, check = onnxsim.simplify(m)`, all arguments left out. `check` is True. What was compared?",
        "Nothing",
        (("Three random inputs", "`check_n` would have to be 3. Its default is 0."),
         ("All outputs, bit by bit", "Nothing was run. And folding changes the last bits, so this would often fail."),
         ("The shapes of inputs and outputs", "With no run there are no outputs to compare.")),
        "`check_n` is 0 by default: no inference is run, and an empty comparison is True. Pass check_n=3, or compare yourself."),
    Choice(
        "35.skip_connection", 2, "The output of a Conv goes to a BatchNormalization and to a skip connection. What does a safe "
        "simplifier do?", "It leaves both nodes as they are",
        (("It folds the BN and keeps no copy", "Then the skip connection would get normalised values."),
         ("It folds the BN into the next Conv", "Relu or padding stand in between as a rule, and the output of the BN may have "
          "other readers too."),
         ("It folds, if the model is FP16", "The type does not matter. The second reader does.")),
        "Folding changes what the Conv puts out. That is allowed only if the BN is its single reader."),
    Choice(
        "35.optimisations_off", 2, "Why do you switch ONNX Runtime's own optimisations off for both models when you compare?",
        "The runtime would apply the same fusion to the original and could hide the same error",
        (("It is faster", "It is slower. That does not matter here."),
         ("Otherwise it computes in FP16", "It does not change the precision on the CPU."),
         ("The random inputs would differ", "They come from your generator, not from the runtime.")),
        "Only as written the two models are computed in two ways. With optimisations on, both may run the same graph."),
    Choice(
        "35.dynamic_batch", 2, "A model with a symbolic batch N keeps Shape, Gather, Unsqueeze, Concat before a Reshape after "
        "onnxsim; with batch 1 they vanish. Why?",
        "N is unknown, so that the chain is no constant",
        (("onnxsim does not know these operators", "It folds them as soon as the shape is fixed."),
         ("Opset 17 forbids a constant target", "It does not. [0, -1] would do the same."),
         ("They are needed for the check", "The check runs the model from outside.")),
        "Constant folding needs constants. `--overwrite-input-shape` fixes N, at the price of one batch size; a rewrite to "
        "[0, -1] keeps N."),
    Open(
        "35.other_boxes", 3, "Your detector gives other boxes after onnxsim. What do you do?",
        ("Compare output by output on real inputs, with optimisations switched off", "Bisect: skip constant folding, then single "
         "optimizers", "Suspects: BN epsilon or a second reader, a dynamic shape frozen by overwrite_input_shape, a folded random "
         "node or loop body", "Tell re-association (about 1e-6 relative) from a real error", "Keep the original; report a minimal model"),
        "First I reproduce it without the runtime's help: both files in ONNX Runtime with optimisations off, the same real image, "
        "and I compare each output, not only the boxes after NMS. A difference near 1e-6 is re-association, and a threshold in the "
        "post-processing may amplify it. A large one I bisect: onnxsim with constant folding skipped, then with single optimizers "
        "skipped, fuse_bn_into_conv first. I look whether overwrite_input_shape froze a size that varies, and whether a random node or "
        "the body of a loop was folded. Until it is found we ship the original. Then I cut the model down to the smallest part that "
        "still differs, and report that."),
]
