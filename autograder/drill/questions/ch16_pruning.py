"""Drill questions of chapter 16: what is model pruning?"""

from __future__ import annotations

import numpy as np

from ..question import Choice, Numeric, Open


def _draw_csr(rng):
    sizes = (256, 512, 1024, 2048, 4096)
    v = {"rows": int(rng.choice(sizes)), "columns": int(rng.choice(sizes)), "percent": (25, 50, 75, 87.5, 93.75)[rng.integers(5)]}
    return v | {"nonzeros": _nonzeros(v), "total": f"{_csr(v):,}"}


def _nonzeros(v):
    return round(v["rows"] * v["columns"] * (1 - v["percent"] / 100))


def _csr(v):
    return _nonzeros(v) * 8 + (v["rows"] + 1) * 4


def _draw_hidden(rng):
    return {"d0": int(rng.choice([64, 256, 784])), "d1": int(rng.choice([128, 256, 512, 1024])),
            "d2": int(rng.choice([10, 64, 128])), "percent": int(rng.choice([25, 50, 75]))}


def _params(v, left=None):
    left = v["d1"] * (100 - v["percent"]) // 100 if left is None else left
    return v["d0"] * left + left + left * v["d2"] + v["d2"]


def _draw_cubic(rng):
    steps = int(rng.choice([10, 20, 50]))
    begin = int(rng.integers(1, 10))
    return {"percent": int(rng.choice([60, 80, 90])), "start": int(rng.choice([5, 10, 20])), "begin": begin, "steps": steps,
            "step": begin + int(rng.integers(1, steps * 6 // 10))}


def _cubic(v, power=3):
    final, initial, t = v["percent"] / 100, v["start"] / 100, (v["step"] - v["begin"]) / v["steps"]
    return final + (initial - final) * (1 - t) ** power


def _draw_obs(rng):
    while True:
        a, b, c = int(rng.integers(1, 10)), int(rng.integers(1, 6)), int(rng.integers(1, 10))
        if a * c > b * b:
            return {"a": a, "b": b, "c": c, "w0": int(rng.integers(1, 6)), "w1": int(rng.integers(1, 6))}


def _obs(v):
    inverse = np.linalg.inv([[v["a"], v["b"]], [v["b"], v["c"]]])
    return v["w0"] ** 2 / (2 * inverse[0, 0])


QUESTIONS = [
    Numeric(
        "16.csr_bytes", 1,
        "A {rows} × {columns} weight matrix is {percent} % zeros. It is stored as CSR: an FP32 value and an int32 column index "
        "for each non-zero, and {rows} + 1 row pointers in int32. How many bytes is that?",
        _draw_csr, _csr,
        "Each of the {nonzeros:,} non-zeros takes 4 + 4 bytes, and there are {rows} + 1 pointers of 4 bytes: {total} bytes. "
        "The indices cost as much as the values, so CSR pays above about 50 % sparsity only.",
        unit="B",
        traps=((lambda v: _nonzeros(v) * 4, "Those are the values alone. Somebody has to know where they belong."),
               (lambda v: _nonzeros(v) * 8, "The row pointers are missing."),
               (lambda v: _nonzeros(v) * 8 + v["rows"] * 4, "There is one pointer more than rows: the last one marks the end."),
               (lambda v: v["rows"] * v["columns"] * 4, "That is the dense matrix."),
               (lambda v: (v["rows"] * v["columns"] - _nonzeros(v)) * 8 + (v["rows"] + 1) * 4,
                "You stored the zeros. The sparsity is the share of zeros."))),
    Numeric(
        "16.neurons", 2,
        "A network {d0} → {d1} → {d2} has two linear layers with biases. {percent} % of its hidden neurons are cut out. How many "
        "parameters are left?",
        _draw_hidden, _params,
        "With h hidden neurons there are {d0}·h weights and h biases before them, h·{d2} weights after them, and {d2} biases that "
        "stay: {answer}.",
        traps=((lambda v: _params(v, v["d1"]), "That is the whole network."),
               (lambda v: _params(v, v["d1"]) * (100 - v["percent"]) / 100,
                "Nearly: the output biases belong to no hidden neuron, and all of them stay."),
               (lambda v: _params(v, v["d1"] * v["percent"] // 100), "That keeps what was to be removed."),
               (lambda v: v["d0"] * (v["d1"] * (100 - v["percent"]) // 100) + v["d1"] * (100 - v["percent"]) // 100
                + v["d1"] * v["d2"] + v["d2"], "The next layer loses its columns as well."))),
    Numeric(
        "16.cubic", 2,
        "A cubic schedule raises the sparsity from {start} % at step {begin} to {percent} %, over {steps} steps. What is the sparsity, "
        "as a fraction, at step {step}?",
        _draw_cubic, _cubic,
        "t = ({step} − {begin}) / {steps}, and s = final + (initial − final)·(1 − t)³ = {answer}.",
        atol=1e-4,
        traps=((lambda v: _cubic(v, 1), "That is the straight line. The schedule cubes what is left of the way."),
               (lambda v: 100 * _cubic(v), "That is in percent. The question asks for a fraction."),
               (lambda v: _cubic({**v, "begin": 0}), "Progress starts at step `begin`, not at step 0."),
               (lambda v: v["percent"] / 100 * (1 - (1 - (v["step"] - v["begin"]) / v["steps"]) ** 3),
                "That starts from 0. The ramp starts from the initial sparsity."))),
    Numeric(
        "16.saliency", 3,
        "The loss rises by ½·δᵀHδ with H = [[{a}, {b}], [{b}, {c}]]. The weights are [{w0}, {w1}]. What does it cost to remove the first "
        "weight when the second may compensate?",
        _draw_obs, _obs,
        "The cost is w₀² / (2·[H⁻¹]₀₀), and [H⁻¹]₀₀ = {c} / ({a}·{c} − {b}²). That gives {answer}.",
        rtol=1e-3,
        traps=((lambda v: v["w0"] ** 2 * v["a"] / 2, "That is the cost when the second weight stays where it is."),
               (lambda v: 2 * _obs(v), "The factor ½ is missing."),
               (lambda v: v["w0"] ** 2 / (2 * v["a"]), "You divided by H₀₀. It takes the diagonal of the inverse."))),
    Choice(
        "16.same_speed", 1, "90 % of the weights of an ONNX model were set to zero. It runs as fast as before. Why?",
        "Dense kernels multiply zeros like any other number",
        (("It must be re-trained first", "Training changes values. The number of multiplications stays."),
         ("ONNX cannot hold zeros", "It holds them like any number, four bytes each in FP32."),
         ("90 % is too little", "A dense kernel does not get faster at 99 % either: it never looks at the values.")),
        "The shapes did not change, so the same kernel does the same work. Speed needs smaller shapes, or a sparse kernel."),
    Choice(
        "16.revived", 2, "After pruning, a model is fine-tuned with AdamW, and the gradients of pruned weights are set to zero. In the end "
        "3 % of the pruned weights are not zero. What moved them?",
        "The optimiser's stored momentum",
        (("Rounding in floating point", "0 plus 0 is exactly 0. Something non-zero was added."),
         ("Too high a learning rate", "It scales the update. Without stored moments the update of these weights would be zero at any rate."),
         ("Batch normalisation", "It changes activations and its own parameters, not the weights of other layers.")),
        "AdamW steps along a running mean of earlier gradients. Apply the mask to the weights after each step."),
    Choice(
        "16.baseline", 2, "Half of a network's channels were removed, and it was fine-tuned. Which result must it beat to be worth the "
        "trouble?",
        "A dense network of the small shape, trained for the same budget",
        (("The large network without fine-tuning", "That one is easy to beat in size, and it is not what you would use instead."),
         ("A random guess", "Anything that has learnt beats it."),
         ("The same network pruned at random", "Worth knowing, and too weak: the alternative to pruning is a small network from the start.")),
        "If the small shape trained from scratch is as good, the pruning has found a shape, and the inherited weights brought nothing."),
    Open(
        "16.phone", 3, "You must halve the latency of a ResNet on a phone's NPU by pruning. What do you do?",
        ("Structured granularity: whole channels, because the NPU runs dense kernels",
         "Sensitivity per layer; channels that meet in a residual sum are pruned together",
         "Channel counts rounded to what the hardware likes (multiples of 8, 16 or 32)",
         "Fine-tune or distil from the large network",
         "Measure on the device, and compare with a smaller dense network and with INT8"),
        "I remove channels, since scattered zeros do not make an NPU faster. I prune one layer at a time to see which ones tolerate "
        "it. Layers that a residual sum ties together lose the same channels. The counts that are left are rounded to the hardware's "
        "multiples. Then I fine-tune with the large model as a teacher. I measure on the phone, layer by layer, and compare with a "
        "smaller ResNet trained as long, and with INT8, which may give the factor alone."),
]
