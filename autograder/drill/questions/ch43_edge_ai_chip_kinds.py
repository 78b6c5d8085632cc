"""Drill questions of chapter 43: accelerators and systolic arrays."""

from __future__ import annotations

import math

from ..question import Choice, Numeric, Open


def _draw_peak(rng):
    return {"rows": int(rng.choice([16, 32, 64, 128, 256])), "cols": int(rng.choice([16, 32, 64, 128, 256])), "ghz": float(rng.choice([0.5, 0.7, 0.8, 1.0, 1.25]))}


def _draw_cycles(rng):
    side = int(rng.choice([16, 32, 64, 128]))
    v = {"m": int(rng.choice([1, 10, 49, 100, 196, 784])), "k": int(rng.choice([64, 144, 256, 576, 1024])), "n": int(rng.choice([16, 64, 100, 256])), "rows": side, "cols": side}
    return v | {"tiles": _tiles(v)}


def _tiles(v):
    return math.ceil(v["k"] / v["rows"]) * math.ceil(v["n"] / v["cols"])


def _cycles(v):
    return _tiles(v) * (2 * v["rows"] + v["cols"] + v["m"] - 2)


def _draw_energy(rng):
    return {"mmac": int(rng.choice([50, 100, 200, 300, 600])), "mb": int(rng.choice([1, 2, 4, 8])), "mac": float(rng.choice([0.2, 0.23, 0.5])), "byte": int(rng.choice([80, 100, 160]))}


def _parts(v):
    return v["mmac"] * v["mac"], v["mb"] * v["byte"]  # both in µJ: 1e6 pJ


QUESTIONS = [
    Numeric(
        "43.peak", 1, "An array has {rows} × {cols} multiply-accumulate cells and runs at {ghz} GHz. What is its peak in TOPS?",
        _draw_peak, lambda v: v["rows"] * v["cols"] * 2 * v["ghz"] / 1000, "Two operations for each cell and cycle: {rows} · {cols} · 2 · {ghz} / 1000 = {answer} TOPS.", unit="TOPS", rtol=0.01,
        traps=((lambda v: v["rows"] * v["cols"] * v["ghz"] / 1000, "A multiply-accumulate is two operations."), (lambda v: v["rows"] * v["cols"] * 2 * v["ghz"], "These are GOPS."))),
    Numeric(
        "43.cycles", 2, "A weight-stationary array of {rows} × {cols} cells multiplies ({m}, {k}) by ({k}, {n}). Every pass loads its weights in {rows} cycles and then takes m + rows + cols − 2. Passes run one after the other. How many cycles in all?",
        _draw_cycles, _cycles, "Passes: ⌈{k}/{rows}⌉ · ⌈{n}/{cols}⌉ = {tiles}. Times {rows} + {m} + {rows} + {cols} − 2 cycles: {answer}.",
        traps=((lambda v: _tiles(v) * (v["rows"] + v["cols"] + v["m"] - 2), "The weights have to be loaded in each pass."), (lambda v: 2 * v["rows"] + v["cols"] + v["m"] - 2, "That is one pass. How many tiles are there?"),
               (lambda v: _tiles(v) * v["m"], "Loading, filling and draining are missing."))),
    Numeric(
        "43.memory_share", 2, "A network has {mmac} million MACs of {mac} pJ each, and reads {mb} MB (1e6 bytes) from DRAM at {byte} pJ a byte. Which share of the energy is memory, in percent?",
        _draw_energy, lambda v: 100 * _parts(v)[1] / sum(_parts(v)), "{mmac} · {mac} µJ for arithmetic, {mb} · {byte} µJ for memory: {answer} %.", unit="%", rtol=0.01,
        traps=((lambda v: 100 * _parts(v)[0] / sum(_parts(v)), "That is the share of the arithmetic."), (lambda v: 100 * _parts(v)[1] / _parts(v)[0], "That is memory over arithmetic. The share is over the sum."))),
    Choice(
        "43.tpu_v1", 1, "TPU v1's peak is given as 92. Of what?",
        "TOPS of 8-bit integers",
        (("TFLOP/s in FP32", "It has no floating-point matrix unit."), ("TFLOP/s in BF16", "BF16 came with TPU v2."), ("TOPS for a pod", "256 · 256 cells · 2 · 0.7 GHz are 91.75 TOPS for one chip.")),
        "65,536 cells for 8-bit integers at 700 MHz, two operations each. It was made for inference."),
    Choice(
        "43.depthwise", 2, "A depthwise 3 × 3 convolution runs on a weight-stationary array of 256 × 256. How busy is the array?",
        "Almost idle: each product uses 9 rows and one column",
        (("Fully, it is a convolution like others", "Each output channel sees one input channel: the inner dimension is 9, and there is one column."), ("Half", "9 of 65,536 cells hold a weight."), ("It can't run there", "It can, channel by channel, and that takes long.")),
        "0.01 % for 56 × 56 pixels. Compilers give such layers to a vector unit, or pack several channels block by block."),
    Choice(
        "43.which_is_edge", 1, "Which of these is made for the edge?",
        "Edge TPU",
        (("TPU v4", "A data-centre chip."), ("Ascend 910", "A training chip of up to 350 W; the small one is the 310."), ("Bow IPU", "A data-centre chip by Graphcore.")),
        "The Edge TPU makes 4 TOPS of INT8 at about 2 W. It shares its name with the data-centre TPUs, but not their software."),
    Choice(
        "43.bigger_array", 2, "MobileNetV2 at batch 1 takes 4.0 million cycles on a 64 × 64 array and 7.9 million on a 256 × 256 one, which has 16 times the cells. Why?",
        "Every depthwise channel is a pass, and a pass takes longer on a larger array",
        (("The larger array has a slower clock", "These are cycles; the clock does not matter."), ("It needs more weights", "The network is the same."), ("Batch 1 can't run on it", "It runs, in 7.9 million cycles.")),
        "Loading, filling and draining grow with the sides of the array. Small products pay them for nothing."),
    Choice(
        "43.what_differs", 2, "NPU, VPU, TPU: which difference decides how fast your network runs?",
        "How operands are moved and reused, and which layers fit that",
        (("The name of the class", "Makers choose names. Two NPUs may differ more than an NPU and a GPU."), ("The peak in TOPS", "A peak says what all cells do at once. Your layers may reach a thousandth of it."), ("The process in nanometres", "It sets energy and clock, not which cells have work.")),
        "Ask for the array's shape, the on-chip memory, the bandwidth and the operators; then measure your network."),
    Open(
        "43.two_watt_camera", 3, "A camera has 2 W for its detector. NPU, GPU or FPGA?",
        ("The power budget, for the whole chip and its DRAM", "Operators and tool chain: is every layer supported in INT8", "Utilization at batch 1 with this network, measured", "Energy of memory: on-chip memory against DRAM", "Price, volume, lifetime", "Flexibility: what happens when the network changes"),
        "At 2 W I begin with an SoC's NPU or a small accelerator with its own memory, because an INT8 MAC costs a fraction of a picojoule and most of the energy goes into moving data. I look at the operators that my detector needs, "
        "and whether the tool chain quantises it within the accuracy that we promise. Then I measure frames a second and watts at batch 1, for a peak in TOPS says little: depthwise layers may use a percent of it. "
        "A GPU of this size is easier to program and helps if layers are unusual, at several times the energy. An FPGA gives fixed latency and can follow a new network, for more engineering and a higher price; I would take it for small volumes or odd interfaces. "
        "Last come price, supply for ten years, and the second source."),
]
