"""Drill questions of chapter 02: x86 and ARM."""

from __future__ import annotations

from ..question import Choice, Numeric, Open


def _draw_peak(rng):
    cores, ghz = int(rng.integers(2, 129)), int(rng.integers(12, 50)) / 10
    bits, units = (128, 256, 512)[int(rng.integers(3))], int(rng.integers(2, 5))
    return {"cores": cores, "ghz": ghz, "bits": bits, "units": units, "lanes": bits // 32}


def _peak(v):
    return v["cores"] * v["ghz"] * v["lanes"] * v["units"] * 2


def _draw_pair(rng):
    a, w = int(rng.integers(100, 256)), int(rng.integers(60, 128))
    return {"a": a, "w": w, "sum": f"{2 * a * w:,}"}


def _headroom(v):
    return 32767 - 2 * v["a"] * v["w"]


def _draw_tiles(rng):
    m, k, n = (int(rng.integers(1, 33)) for _ in range(3))
    return {"m": m, "k": k, "n": n, "tm": -(-m // 2), "tn": -(-n // 2), "tk": -(-k // 8)}


def _tiles(v):
    return v["tm"] * v["tn"] * v["tk"]


def _draw_energy(rng):
    return {"watts": int(rng.integers(2, 351)), "rate": int(rng.integers(2, 200)) * 10}


def _energy(v):
    return 1000 * v["watts"] / v["rate"]


QUESTIONS = [
    Numeric(
        "02.peak", 1, "A CPU has {cores} cores at {ghz} GHz. Each core has {units} vector units of {bits} bits for fused multiply–adds. What is its FP32 "
        "peak in GFLOP/s?",
        _draw_peak, _peak,
        "{bits} / 32 = {lanes} lanes. {cores} × {ghz} GHz × {lanes} lanes × {units} units × 2 operations = {answer} GFLOP/s.",
        unit="GFLOP/s", rtol=0.01,
        traps=((lambda v: _peak(v) / 2, "A fused multiply–add is two operations."),
               (lambda v: _peak(v) * 4, "A lane of FP32 has 32 bits, not 8."),
               (lambda v: _peak(v) / v["units"], "That is one vector unit a core."),
               (lambda v: _peak(v) / v["cores"], "That is one core."))),
    Numeric(
        "02.headroom", 2, "VPMADDUBSW adds two products of an activation {a} and a weight {w} (both pairs the same). How far below 32,767 is the exact sum? "
        "(Negative: by how much it is above.)",
        _draw_pair, _headroom,
        "2 × {a} × {w} = {sum}, so the distance is 32,767 − {sum} = {answer}. A negative one means that the instruction returns 32,767 instead.",
        traps=((lambda v: 32767 - v["a"] * v["w"], "That is one product. The instruction adds two."),
               (lambda v: -_headroom(v), "The sign is turned round: 32,767 minus the sum is asked."),
               (lambda v: 65535 - 2 * v["a"] * v["w"], "The 16 bits are signed: they end at 32,767."))),
    Numeric(
        "02.smmla", 2, "How many SMMLA instructions does an INT8 product of ({m}, {k}) by ({k}, {n}) take? (One multiplies two rows of eight by two columns of eight.)",
        _draw_tiles, _tiles,
        "⌈{m}/2⌉ × ⌈{n}/2⌉ × ⌈{k}/8⌉ = {tm} × {tn} × {tk} = {answer}.",
        traps=((lambda v: v["m"] // 2 * (v["n"] // 2) * (v["k"] // 8), "Edges cost an instruction too: round up."),
               (lambda v: v["m"] * v["n"] * v["k"], "These are multiply–accumulates; one instruction does 32."),
               (lambda v: -(-v["m"] * v["n"] * v["k"] // 32), "Partly filled tiles can't be shared: round each dimension up."))),
    Numeric(
        "02.energy", 2, "A server draws {watts} W while it does {rate} inferences a second. How many millijoules does an inference take?",
        _draw_energy, _energy,
        "{watts} J a second over {rate} inferences a second is {answer} mJ each.",
        unit="mJ", rtol=0.01,
        traps=((lambda v: v["watts"] / v["rate"], "These are joules. A joule is 1000 mJ."),
               (lambda v: v["rate"] / v["watts"], "That is inferences a joule: the other way round."))),
    Choice(
        "02.low_power", 1, "Most Arm chips draw less power than most x86 chips. What is the main reason?",
        "They are usually designed for a lower power point",
        (("Simple instructions need a simple decoder", "Measured cores of both sets differ by the performance that they were designed for, not by their set."),
         ("Their instructions have 32 bits", "The length of an instruction says little about work or power: one SMMLA does 32 multiply–accumulates in 32 bits."),
         ("They have no caches", "They do. Graviton3 has 64 MB of L2.")),
        "Blem et al. (2013) measured cores of both kinds: the instruction set made no difference that mattered. A phone chip is built for a few watts, and a "
        "6 W x86 chip exists as well."),
    Choice(
        "02.avx2_accuracy", 3, "An INT8 model loses accuracy on an AVX2 server and not on one with VNNI. What is the most likely cause?",
        "Pair sums saturate at 16 bits on the first one",
        (("The weights are rounded differently", "They are the same integers in the same file. Only the sums differ."),
         ("Denormals are flushed to zero", "Integers have none."),
         ("The byte order differs", "Both are little endian, and a wrong order would break everything.")),
        "VPMADDUBSW adds two products in 16 bits. VPDPBUSD adds four in 32. Weights of 7 bits (reduce_range) cure it."),
    Choice(
        "02.isa_and_speed", 2, "Which fact says most about the INT8 speed of a CPU?",
        "Its dot-product or matrix extension",
        (("x86 or Arm", "Both have slow and fast members: 64 operations a cycle on a Cortex-A76, 256 on a Neoverse V1, 128 on a Zen 4, 2,048 with AMX."),
         ("The length of its instructions", "A64 instructions all have 4 bytes, from an addition to SMMLA."),
         ("Its number of hardware threads", "Threads of one core share its vector units.")),
        "Operations a cycle of the widest INT8 instruction, times cores, times clock."),
    Open(
        "02.graviton", 2, "You are to move an inference service from x86 to Graviton. What do you check?",
        ("Kernels and libraries: a build for arm64 with oneDNN + Arm Compute Library, KleidiAI or the runtime's own kernels",
         "Extensions: dot product, I8MM, BF16, SVE; which of them the runtime uses",
         "A numerics test: outputs of both machines on the same inputs, INT8 first",
         "p99 latency and cost of a result at your load, not the price of an hour",
         "Container images, native wheels and custom operators for arm64"),
        "First whether everything exists for arm64: image, wheels, custom operators. Then whether the runtime has kernels for the extensions of that chip "
        "(I8MM, BF16, SVE). Then outputs on both machines for the same inputs: the old machine may have saturated, or its calibration hid it. Then p99 at the "
        "planned load and US dollars for a million results. Code with its own threads needs a look too: Arm orders memory accesses more weakly."),
]
