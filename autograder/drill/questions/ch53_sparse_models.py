"""Drill questions of chapter 53: what is a sparse model?"""

from __future__ import annotations

from utils.cost.roofline.speedup import amdahl

from ..question import Choice, Numeric, Open

_KINDS = (("FP32", 4), ("FP16", 2), ("INT8", 1))


def _format_bytes(*args, **kwargs):
    from utils.compression.sparsity.formats import format_bytes  # here: it brings torch in

    return format_bytes(*args, **kwargs)


def _compliance(sparsity):
    from utils.compression.sparsity.two_four import group_compliance

    return group_compliance(sparsity)


def _draw_csr(rng):
    kind, size = _KINDS[int(rng.integers(3))]
    rows, cols = int(rng.choice([256, 512, 1000, 4096])), int(rng.choice([256, 768, 1024, 4096]))
    v = {"rows": rows, "cols": cols, "nnz": int(rng.integers(2, 40)) * 1000, "kind": kind, "size": size}
    return v | {"total": f"{_csr(v):,}"}


def _csr(v, fmt="csr"):
    return _format_bytes((v["rows"], v["cols"]), v["nnz"], fmt=fmt, item_bytes=v["size"])


def _draw_bitmap(rng):
    kind, bits = (("FP32", 32), ("FP16", 16), ("INT8", 8), ("INT4", 4), ("FP64", 64), ("FP6", 6), ("INT5", 5), ("INT3", 3))[int(rng.integers(8))]
    return {"kind": kind, "bits": bits}


def _draw_two_four(rng):
    kind, size = _KINDS[int(rng.integers(3))]
    v = {"rows": int(rng.choice([512, 1024, 4096, 11008])), "cols": int(rng.choice([1024, 4096, 8192])), "kind": kind,
         "size": size}
    return v | {"total": f"{_two_four(v):,}"}


def _two_four(v):
    return _format_bytes((v["rows"], v["cols"]), 0, fmt="nm", item_bytes=v["size"])


def _draw_group(rng):
    sparsity = int(rng.integers(6, 19)) / 20
    return {"sparsity": sparsity, "percent": round(100 * sparsity)}


def _draw_share(rng):
    return {"percent": int(rng.integers(6, 19)) * 5}


QUESTIONS = [
    Numeric(
        "53.csr_bytes", 1,
        "A matrix of {rows} × {cols} has {nnz:,} values that are not zero. It is stored as CSR with {kind} values and 4-byte indices "
        "and pointers. How many bytes?",
        _draw_csr, _csr,
        "{nnz:,} · ({size} + 4) bytes for values and columns, and ({rows} + 1) · 4 for the pointers: {total} bytes.",
        unit="B",
        traps=((lambda v: _csr(v) - 4, "One pointer is missing: the last row needs an end as well."),
               (lambda v: v["nnz"] * (v["size"] + 4), "The row pointers are missing."),
               (lambda v: _csr(v, "coo"), "That is COO, with two indices for each value."),
               (lambda v: v["nnz"] * v["size"], "These are the values alone. Each brings a column index."),
               (lambda v: v["rows"] * v["cols"] * v["size"], "That is the dense array."))),
    Numeric(
        "53.bitmap_break_even", 2,
        "A bitmap format stores one bit for each entry and then the values that are not zero, here in {kind}. What is the largest "
        "density at which it is not larger than the dense array?",
        _draw_bitmap, lambda v: 1 - 1 / v["bits"],
        "A bit for each entry costs 1/{bits} of a dense entry, so 1 − 1/{bits} = {answer} is left for values.",
        atol=1e-4,
        traps=((lambda v: 1 / v["bits"], "That is the share of zeros that it needs: the sparsity, not the density."),
               (lambda v: 0.5, "One half is for an index as large as the value. Here the price of an entry is one bit."))),
    Numeric(
        "53.two_four_bytes", 2,
        "A weight of {rows} × {cols} in {kind} is stored in the 2:4 format: two of four values, and 2 bits of position for each value "
        "that is kept. How many bytes?",
        _draw_two_four, _two_four,
        "{rows} · {cols} / 2 values are kept. Each takes {size} B and 2 bits: {total} B.",
        unit="B",
        traps=((lambda v: v["rows"] * v["cols"] * v["size"] // 2, "The positions are missing."),
               (lambda v: v["rows"] * v["cols"] * v["size"] // 2 + v["rows"] * v["cols"] // 4,
                "Only kept values have a position, and that is half of them."),
               (lambda v: v["rows"] * v["cols"] * v["size"] // 2 + v["rows"] * v["cols"], "A position has 2 bits, not 2 bytes."),
               (lambda v: v["rows"] * v["cols"] * v["size"], "That is the dense array."))),
    Numeric(
        "53.group_chance", 3,
        "{percent} % of a matrix's weights are zero, each independently. What is the chance that a group of four neighbours has at least "
        "two zeros, as 2:4 asks? Give a number between 0 and 1.",
        _draw_group, lambda v: _compliance(v["sparsity"]),
        "Take away the chances of no zero, (1 − s)⁴, and of one zero, 4·s·(1 − s)³, with s = {sparsity}: {answer} is left.",
        atol=1e-4,
        traps=((lambda v: 6 * v["sparsity"] ** 2 * (1 - v["sparsity"]) ** 2, "That is exactly two zeros. Three and four are fine as well."),
               (lambda v: 1 - _compliance(v["sparsity"]), "That is the chance that it has fewer than two."),
               (lambda v: v["sparsity"] ** 2, "That fixes which two are zero. Any two of the four will do, and more."),
               (lambda v: 1 - (1 - v["sparsity"]) ** 4, "That is at least one zero. Two are needed."))),
    Numeric(
        "53.amdahl", 2,
        "Matrix products that could become 2:4 take {percent} % of a model's latency. As 2:4 they run 1.6 times as fast on the device. How "
        "many times as fast is the whole model?",
        _draw_share, lambda v: amdahl(v["percent"] / 100, 1.6),
        "1 / (1 − f + f/1.6) with f = {percent} %: {answer}.",
        rtol=0.01,
        traps=((lambda v: 1.6, "That is the products alone. The rest of the time stays as it is."),
               (lambda v: amdahl(v["percent"] / 100, 2), "2 is the ratio of the peaks. The products were measured at 1.6."),
               (lambda v: 1 + 0.6 * v["percent"] / 100, "Speedups do not average like this. Add up the times."))),
    Choice(
        "53.moe_saves", 1, "A mixture of experts with 8 experts, 2 of them for each token: what does it save against a dense layer of all 8?",
        "FLOPs per token",
        (("GPU memory", "Any token may choose any expert, so all 8 are in memory."),
         ("the size of the checkpoint", "All experts are stored. The file has all of them."),
         ("the number of parameters", "The parameters are all there. A token uses a quarter of the experts' weights.")),
        "FLOPs follow the active parameters, bytes in memory follow all of them."),
    Choice(
        "53.seventy_percent", 2,
        "A model has 70 % of its weights pruned, wherever they stood. You run it on a GPU with sparse tensor cores. What happens?",
        "no gain, unless it is pruned again to 2:4",
        (("more than twice as fast, since 70 is more than 50", "The cores skip two of each four, no more. And some groups have three or four "
          "values left, so the pattern does not fit."),
         ("twice as fast", "That is the peak for a matrix in the 2:4 pattern. This one is not: about 8 % of the groups break it."),
         ("1 / 0.3 = 3.3 times as fast", "That assumes a kernel that skips every zero. Dense and 2:4 kernels do not.")),
        "With 70 % random zeros 92 % of the groups have two zeros or more. One group that has not is enough to break the format."),
    Open(
        "53.when_to_ship", 3, "When do you ship a sparse model?",
        ("The pattern is one that the target's kernels or hardware can use",
         "The crossover was measured on the target, at the batch that is served",
         "The accuracy was measured after fine-tuning, on the real task",
         "It was compared with a smaller dense and with a quantized model of the same cost",
         "The effect on memory is stated honestly: format and indices counted, all experts of a mixture resident"),
        "When the pattern, the kernel and the batch fit together. I would prune to what the target can run, 2:4 for a GPU with sparse "
        "tensor cores, or whole channels anywhere, and fine-tune. Then I measure latency at the served batch, because a product with one "
        "row is limited by other things than one with many. Bytes are counted with indices. And I compare with INT8 and with a smaller "
        "dense network, since those need no special kernel."),
]
