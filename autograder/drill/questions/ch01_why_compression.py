"""Drill questions of chapter 01: why model compression is necessary, and why it is feasible."""

from __future__ import annotations

from ..question import Choice, Numeric, Open


def _draw_weights(rng):
    return {"billions": float(rng.choice([0.5, 1.5, 3, 7, 8, 13, 32, 70])), "bits": int(rng.choice([3, 4, 5, 6, 8, 16]))}


def _draw_ceiling(rng):
    return {"billions": _draw_weights(rng)["billions"], "bits": int(rng.choice([3, 4, 5, 6, 8])), "gb_s": int(rng.choice([17, 34, 60, 77, 102, 205, 936]))}


def _ceiling(v, bits=None):
    from utils.compression.feasibility.necessity import decode_ceiling_tokens_s  # here: it brings torch in

    return decode_ceiling_tokens_s(v["billions"] * 1e9, v["bits"] if bits is None else bits, v["gb_s"])


def _draw_watts(rng):
    return {"millions": int(rng.choice([5, 25, 60, 140, 500, 900])), "bits": int(rng.choice([2, 4, 8])),
            "hz": int(rng.choice([10, 20, 30, 60])), "pj": int(rng.choice([160, 320, 640]))}


def _watts(v):
    from utils.compression.feasibility.necessity import dram_power_w

    return dram_power_w(v["millions"] * 1e6, v["bits"], v["hz"], v["pj"])


def _draw_error(rng):
    return {"acc": float(rng.choice([70, 80, 90, 95, 98])), "n": int(rng.choice([200, 500, 1000, 2000, 5000, 10000]))}


def _error(v):
    from utils.compression.feasibility.tolerance import accuracy_standard_error

    return 100 * accuracy_standard_error(v["acc"] / 100, v["n"])


QUESTIONS = [
    Numeric(
        "01.weight_gb", 1,
        "A model of {billions:g} billion parameters is stored with {bits} bits a weight. How many GB (1e9 bytes) is that?",
        _draw_weights, lambda v: v["billions"] * v["bits"] / 8,
        "{billions:g} billion × {bits} bits / 8 = {answer} GB.",
        unit="GB", rtol=0.01,
        traps=((lambda v: v["billions"] * v["bits"], "Those are gigabits. Eight bits are a byte."),
               (lambda v: v["billions"] * 4, "That is FP32, with 32 bits a weight."),
               (lambda v: v["billions"] * v["bits"] / 8 / 1.073741824, "Those are GiB. GB counts in powers of ten."))),
    Numeric(
        "01.decode_ceiling", 1,
        "A chat model has {billions:g} billion weights of {bits} bits, on a device whose memory delivers {gb_s} GB/s. What is the "
        "upper bound on its tokens/s for one user?",
        _draw_ceiling, _ceiling,
        "Every token reads {billions:g}e9 × {bits} / 8 bytes. {gb_s}e9 B/s over that: {answer} tokens/s.",
        unit="tokens/s", rtol=0.01,
        traps=((lambda v: _ceiling(v, 8 * v["bits"]), "Bits were taken for bytes: you are eight times too slow."),
               (lambda v: 2 * _ceiling(v), "A bound by bandwidth counts bytes. The factor 2 belongs to FLOPs."),
               (lambda v: _ceiling(v, 8), "That counts one byte a weight."),
               (lambda v: 1 / _ceiling(v), "Those are seconds a token."))),
    Numeric(
        "01.dram_watts", 2,
        "A vision model has {millions} million weights of {bits} bits, packed, and runs {hz} times a second. Each run reads all of "
        "them from DRAM at {pj} pJ for 32 bits. How many watts is that?",
        _draw_watts, _watts,
        "{millions}e6 × {bits}/32 accesses × {pj} pJ × {hz} Hz = {answer} W.",
        unit="W", rtol=0.01,
        traps=((lambda v: _watts(v) * 32 / v["bits"], "A whole access was charged for every weight. Packed weights share it."),
               (lambda v: _watts(v) / v["hz"], "That is the energy of one run, in joules."),
               (lambda v: _watts(v) * 1000, "A picojoule is 1e-12 J."),
               (lambda v: 2 * _watts(v), "Every weight is moved once. The factor 2 belongs to FLOPs."))),
    Numeric(
        "01.standard_error", 2,
        "A model has {acc:g} % accuracy on {n} test images. How large is the standard error of this figure, in percentage points?",
        _draw_error, _error,
        "√(p (1 − p) / n) with p = {acc:g} % gives {answer} points. Two of them are about the half width of a 95 % interval. The "
        "difference of two models on different images has √2 times the error.",
        unit="points", rtol=0.05,
        traps=((lambda v: 2 * _error(v), "Those are two standard errors."),
               (lambda v: _error(v) ** 2 / 100, "That is the variance. Take the root."),
               (lambda v: _error(v) * v["n"] ** 0.5, "That is the spread of one image. Divide by √n."),
               (lambda v: 100 / v["n"] ** 0.5, "That is 1/√n. It forgets p (1 − p), which is small near 100 %."))),
    Choice(
        "01.parameter_count", 1, "Which of these leaves the number of parameters unchanged?",
        "quantization to INT8",
        (("channel pruning", "Whole filters go, with their parameters. The layers get narrower."),
         ("distillation into a smaller student", "The student is another network with fewer parameters."),
         ("replacing a matrix by two thin factors", "The factors hold r (m + n) values instead of m n.")),
        "Every weight is still there, with fewer bits. Compression does not have to mean fewer parameters."),
    Choice(
        "01.lose_80", 2, "A trained network loses 80 % of its weights, is fine-tuned, and works. Why not train it that small from the start?",
        "the surplus makes the search easier, and which weights may go is known only after it",
        (("most neurons are dead, and only training shows which", "A dead neuron never fires. What is pruned here works, and others can stand in for it."),
         ("a small network can't represent the function", "It can: the pruned network is one that does."),
         ("weights that are zero still take part in the computation", "A zero adds nothing to a sum.")),
        "Over-parameterisation serves the optimisation. Small networks can be trained too, often with more effort or less accuracy."),
    Choice(
        "01.average_hides", 2, "After compression the overall accuracy is the same. What may still be wrong?",
        "some classes lost a lot and others gained, or the probabilities are no longer calibrated",
        (("nothing: the test set says so", "It says so about its mixture of classes. One rare class can lose everything within a tenth of a point."),
         ("the training accuracy", "Nobody deploys for the training set. Look at groups of the test set."),
         ("the number of parameters", "That is known without a test.")),
        "Look at each class, at rare groups, at calibration, and at the samples whose answer changed."),
    Open(
        "01.product_manager", 2, "A product manager asks: “Why should we spend four weeks on compressing the model?” What do you say?",
        ("A limit with a number: memory, tokens/s, watts, or the size of the download",
         "What the user gets: it runs on her device, answers faster, keeps data at home, drains less battery",
         "Options by effort: 8 or 4 bits first, then pruning or distillation",
         "The risk: a cliff and rare cases, and how you will measure them",
         "The cost of doing nothing: larger devices or servers, and users who can't run it"),
        "Our 8 B model needs 32 GB in FP32, and the phone leaves us 6. With 4 bits it takes 4 GB, and the phone's memory "
        "allows up to 19 tokens/s. Then it works offline. Four bits is a standard tool and takes days; the weeks are for "
        "measuring what it breaks, class by class, before a user does. If we don't, every answer needs a server."),
]
