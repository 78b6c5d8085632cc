"""Drill questions of chapter 51: NVIDIA's GPU architectures."""

from __future__ import annotations

import math

from utils.hardware.sm_limits import active_blocks

from ..question import Choice, Numeric, Open


def _draw_peak(rng):
    sms, lanes, ghz = ((56, 64, 1.48), (80, 64, 1.53), (108, 64, 1.41), (82, 128, 1.695), (132, 128, 1.98), (58, 128, 2.04), (40, 64, 1.59), (36, 64, 1.62))[rng.integers(8)]
    return {"sms": sms, "lanes": lanes, "ghz": ghz}


def _draw_blocks(rng):
    v = {"cc": str(rng.choice(["8.0", "9.0"])), "regs": int(rng.choice([32, 40, 48, 64, 72, 96, 128])), "threads": int(rng.choice([64, 96, 128, 192, 256, 320, 384, 512]))}
    warp = -(-32 * v["regs"] // 256) * 256
    return v | {"warp": f"{warp:,}", "quarter": 16384 // warp, "warps": -(-v["threads"] // 32)}


def _blocks(v):
    return active_blocks(v["cc"], v["regs"], 0, v["threads"]).blocks


def _draw_ridge(rng):
    peak, bandwidth = ((125, 0.9), (312, 1.56), (312, 2.04), (989, 3.35), (989, 4.8), (2250, 8.0), (121, 0.3), (65, 0.32))[rng.integers(8)]
    return {"peak": peak, "bandwidth": bandwidth}


def _draw_waves(rng):
    sms = int(rng.choice([40, 80, 108, 132]))
    v = {"sms": sms, "tiles": sms * int(rng.integers(1, 4)) + int(rng.integers(1, sms * 2 // 3))}
    return v | {"waves": _slots(v) // sms}


def _slots(v):
    return math.ceil(v["tiles"] / v["sms"]) * v["sms"]


QUESTIONS = [
    Numeric(
        "51.peak", 1, "A GPU has {sms} SMs with {lanes} FP32 lanes each, at {ghz} GHz. What is its FP32 peak in TFLOP/s?",
        _draw_peak, lambda v: 2 * v["sms"] * v["lanes"] * v["ghz"] / 1000, "{sms} · {lanes} · {ghz} · 2 / 1000 = {answer} TFLOP/s: a fused multiply-add counts two.", unit="TFLOP/s", rtol=0.01,
        traps=((lambda v: v["sms"] * v["lanes"] * v["ghz"] / 1000, "A fused multiply-add counts two operations."), (lambda v: 2 * v["sms"] * v["lanes"] * v["ghz"], "These are GFLOP/s."), (lambda v: 2 * v["lanes"] * v["ghz"] / 1000, "That is one SM."))),
    Numeric(
        "51.blocks", 3, "Capability {cc}: an SM keeps 64 warps, 32 blocks and 65,536 registers, a quarter of them in each of its four parts. A warp's registers are rounded up to a multiple of 256. A kernel has blocks of {threads} threads with {regs} registers each and no shared memory of its own. How many blocks fit on an SM?",
        _draw_blocks, _blocks, "Registers for a warp: 32 · {regs}, rounded up to a multiple of 256: {warp}. A quarter has 16,384, enough for {quarter} warps. Blocks of {warps} warps: the smallest of {quarter} · 4 / {warps} by registers, 64 / {warps} by warps and 32, rounded down: {answer}.",
        traps=((lambda v: 65536 // (v["regs"] * v["threads"]), "Registers are handed out for each warp, in units and by quarters; warps and blocks are limits too."), (lambda v: 64 // math.ceil(v["threads"] / 32), "That counts warps alone. The registers may run out first."),
               (lambda v: active_blocks(v["cc"], v["regs"], 0, v["threads"]).warps, "These are warps."))),
    Numeric(
        "51.ridge", 2, "A GPU has a dense FP16 peak of {peak} TFLOP/s and a bandwidth of {bandwidth} TB/s. What is its ridge point in FLOP per byte?",
        _draw_ridge, lambda v: v["peak"] / v["bandwidth"], "{peak} / {bandwidth} = {answer} FLOP per byte. Below it, memory decides.", unit="FLOP/byte", rtol=0.01,
        traps=((lambda v: 2 * v["peak"] / v["bandwidth"], "The sparse peak does not count for a dense model."), (lambda v: v["bandwidth"] / v["peak"], "Upside down: operations for each byte."), (lambda v: v["peak"] / v["bandwidth"] / 2, "For each byte, not for each FP16 value."))),
    Numeric(
        "51.waves", 2, "{tiles} tiles that take equally long run on {sms} SMs, one on an SM at a time. Which share of the slots of all waves has work, in percent?",
        _draw_waves, lambda v: 100 * v["tiles"] / _slots(v), "Waves are whole: {tiles} / {sms}, rounded up, is {waves}. They have {waves} · {sms} slots, and {tiles} tiles fill {answer} %.", unit="%", rtol=0.01,
        traps=((lambda v: 100 * (v["tiles"] % v["sms"]) / v["sms"], "That is the last wave alone."), (lambda v: v["tiles"] / _slots(v), "In percent, please."), (lambda v: 100 * v["tiles"] / (v["tiles"] // v["sms"] * v["sms"]), "More than all of them? Round the number of waves up."))),
    Choice(
        "51.nvlink", 1, "With which GPU did NVLink first appear?", "Pascal's P100, 2016",
        (("Kepler's K80", "It is on PCIe 3.0, as all Kepler cards are."), ("Maxwell's GTX 980", "Often written, and wrong: no Maxwell has NVLink."), ("Volta's V100", "It has the second generation, 300 GB/s.")),
        "4 links with 160 GB/s in both directions together. V100: 300, A100: 600, H100: 900, B200: 1,800 GB/s."),
    Choice(
        "51.sparse", 2, "A data sheet prints “624 TFLOP/s FP16, with sparsity” for the A100. What is the peak of your dense model?", "312 TFLOP/s",
        (("624 TFLOP/s", "Only weights with 2 zeros in every 4 are skipped. A dense model has none."), ("1,248 TFLOP/s", "Sparsity is counted in already."), ("It depends on the batch", "What you reach does. The peak does not.")),
        "Half of any sparse headline. The tensor cores do 312 TFLOP/s on dense matrices."),
    Choice(
        "51.gddr6x", 2, "What is GDDR6X?", "A graphics DRAM on the board, not HBM",
        (("The third generation of HBM", "HBM is stacked beside the GPU. GDDR are chips on the board, with few fast pins."), ("SRAM on the chip", "It is DRAM, outside of the chip."), ("The memory of the A100", "The A100 has HBM2 or HBM2e.")),
        "It is on cards such as the RTX 3090 and 4090. Its gain is bandwidth a pin, not latency."),
    Choice(
        "51.family", 2, "A kernel uses `tcgen05`, the matrix instructions of the B200 (10.0). Does it run on an RTX 5090 (12.0)?", "No, they belong to another family",
        (("Yes, 12.0 is greater than 10.0", "That holds for most features. Family-specific instructions are not carried on."), ("Yes, both are Blackwell", "The name covers two kinds of SM: 10.x and 12.x."), ("Yes, but more slowly", "It does not load at all.")),
        "tcgen05 is in 10.x and 11.x. Likewise Hopper's wgmma, 9.0, is in no later family."),
    Choice(
        "51.register", 3, "On an A100 a kernel with 512 threads a block goes from 64 to 65 registers a thread. Its occupancy falls from 50 % to 25 %. What is the cheapest remedy to try first?", "Smaller blocks, for example of 128 threads",
        (("Larger blocks", "1,024 threads with 65 registers can't start at all."), ("More shared memory a block", "It is one more thing that has to fit."), ("A GPU with more SMs", "Each SM keeps as few warps as before.")),
        f"65 is rounded to 72. Then {active_blocks('8.0', 65, 0, 128).blocks} blocks of 128 fit, {100 * active_blocks('8.0', 65, 0, 128).occupancy:.2f} %. Then ask whether 64 registers can be had, and measure: less occupancy may not be slower."),
    Open(
        "51.low_occupancy", 3, "Why may a kernel at 25 % occupancy still run at 90 % of the peak?",
        ("Occupancy counts resident warps, not issued instructions", "Independent instructions within a warp hide latency (ILP)", "Tensor-core kernels keep tiles in registers: few, fat warps", "Little's law: how much must be under way", "Which resource is the limiter", "Measure: issue slots, tensor-pipe activity, bandwidth"),
        "Occupancy says how many warps are there to choose from. What counts is that the scheduler finds an instruction that is ready in nearly every cycle. A warp with many independent FMA or matrix instructions can feed the pipes alone: by Little's law latency times rate has to be under way, and it does not matter whether that comes from many warps or from one. "
        "Large matrix products keep their tiles in registers, so registers limit them to a few warps, on purpose: bigger tiles reuse each loaded byte more often. Raising the occupancy would shrink the tiles. I would look at issue-slot use, tensor-pipe activity and DRAM bandwidth in a profiler before I touch it."),
]
