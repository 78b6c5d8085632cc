"""Drill questions of chapter 49: what GPU-Util means."""

from __future__ import annotations

from utils.hardware.sm_limits import active_blocks

from ..question import Choice, Numeric, Open


def _draw_windows(rng):
    """Busy for the first `on` ms of each second; windows of half a second that begin with it."""
    return {"on": int(rng.choice([100, 150, 200, 250, 300, 350, 400, 600, 700, 800])), "window": 500}


def _second_window(v):
    return max(0, v["on"] - v["window"]) / v["window"] * 100


def _first_window(v):
    return min(v["on"], v["window"]) / v["window"] * 100


def _draw_mfu(rng):
    name, peak = (("H100", 989), ("A100", 312), ("B200", 2250))[int(rng.integers(3))]
    return {"gpu": name, "peak": peak, "params": float(rng.choice([8.03, 3.21, 1.24])),
            "rate": int(rng.choice([150, 200, 600, 2500]))}


def _mfu(v):
    return 100 * 2 * v["params"] * 1e9 * v["rate"] / (v["peak"] * 1e12)


def _draw_occupancy(rng):
    """A kernel of which one block fits at least, with the steps to its occupancy."""
    while True:
        v = {"threads": int(rng.choice([64, 96, 128, 192, 256, 512])), "regs": int(rng.choice([32, 40, 64, 80, 96, 128, 168]))}
        blocks = active_blocks("8.0", v["regs"], 0, v["threads"]).blocks
        if blocks:
            warp = -(-32 * v["regs"] // 256) * 256
            return v | {"warp": f"{warp:,}", "quarter": 16384 // warp, "warps": -(-v["threads"] // 32), "blocks": blocks}


def _occupancy(v):
    return 100 * active_blocks("8.0", v["regs"], 0, v["threads"]).occupancy


def _draw_overlap(rng):
    return {"sms": int(rng.choice([80, 100, 120])), "a": int(rng.choice([20, 30, 40])), "b": int(rng.choice([30, 40])),
            "end": int(rng.choice([500, 600])), "start": int(rng.choice([200, 300, 400])), "stop": int(rng.choice([700, 800]))}


def _overlap_activity(v):
    return 100 * (v["a"] * v["end"] + v["b"] * (v["stop"] - v["start"])) / (v["sms"] * 1000)


QUESTIONS = [
    Numeric(
        "49.window_reading", 1,
        "A GPU runs kernels for the first {on} ms of every second and idles for the rest. A monitor averages over windows of {window} ms, "
        "the first of which begins with the kernels. What does the first window of each second read, in percent?",
        _draw_windows, _first_window,
        "In the first {window} ms kernels run for min({on}, {window}) ms: {answer} %. The next window reads what is left.",
        unit="%", atol=0.5,
        traps=((lambda v: v["on"] / 10, "That is the mean over the whole second. The window is half as long."),
               (_second_window, "That is the second window."))),
    Numeric(
        "49.decode_mfu", 2,
        "A model of {params} billion parameters generates {rate} tokens/s in total on one {gpu} (dense peak {peak} TFLOP/s). At 2 FLOPs a "
        "parameter and token, what is its MFU in percent?",
        _draw_mfu, _mfu,
        "2 · {params}·10⁹ · {rate} over {peak}·10¹²: {answer} %. Meanwhile kernels run without gaps, so GPU-Util should read about 100 %.",
        unit="%", rtol=0.01,
        traps=((lambda v: _mfu(v) / 2, "A multiply-accumulate is two FLOPs."),
               (lambda v: _mfu(v) / 100, "That is the fraction. Percent are asked."),
               (lambda v: _mfu(v) / 2 * 6, "6 FLOPs a parameter is training. Decoding has only the forward pass."))),
    Numeric(
        "49.theoretical_occupancy", 2,
        "An SM of compute capability 8.0 has 64 warp slots, 32 block slots and 65,536 registers, given to warps in units of 256 and from "
        "four quarters of the SM. A kernel has {threads} threads a block, {regs} registers a thread and no shared memory. What occupancy "
        "is possible, in percent?",
        _draw_occupancy, _occupancy,
        "A warp takes {regs} · 32 registers, rounded up to a multiple of 256: {warp}. Each quarter has registers for 16,384 over that, rounded down, {quarter} warps; the SM "
        "holds 64 warps and 32 blocks at most. Blocks of {warps} warps that fit: {blocks}. {blocks} · {warps} of 64 warps are {answer} %.",
        unit="%", atol=0.01,
        traps=((lambda v: 100 * min(1, 65536 // (v["regs"] * v["threads"]) * v["threads"] / 2048),
                "Registers are handed out by the warp, in units of 256, in each quarter of the SM."),
               (lambda v: 100 * v["threads"] / 2048, "That is one block. As many as fit are resident."),
               (lambda v: _occupancy(v) / 100, "That is the fraction. Percent are asked."))),
    Numeric(
        "49.overlapping_kernels", 3,
        "In a window of 1,000 ms on a GPU with {sms} SMs one kernel runs from 0 to {end} ms on {a} SMs, another from {start} to {stop} ms on {b} "
        "SMs. What is the SM activity in percent?",
        _draw_overlap, _overlap_activity,
        "({a} · {end} + {b} · ({stop} − {start})) SM·ms over {sms} · 1,000: {answer} %. Together they never need more than {sms} SMs, so "
        "nothing is cut off.",
        unit="%", atol=0.1,
        traps=((lambda v: v["stop"] / 10, "That is GPU-Util: the union of the two over the window."),
               (lambda v: 100 * (v["a"] * v["end"] + v["b"] * (v["stop"] - v["start"])) / (v["sms"] * v["stop"]),
                "The idle time at the end belongs to the window too."),
               (lambda v: v["stop"] / 10 * (v["a"] + v["b"]) / 2 / v["sms"], "Utilisation times the mean SMs weighs the kernels wrongly."))),
    Choice(
        "49.volatile", 1, "In nvidia-smi's box, what does “Volatile” refer to?",
        "the counter of uncorrected ECC errors",
        (("GPU-Util, which fluctuates", "“GPU-Util” is the heading of the second line. “Volatile Uncorr. ECC” is that of the first."),
         ("the memory, which loses its contents without power", "DRAM is volatile, but the word belongs to the error counter."),
         ("the speed of the fan", "“Fan” is a heading of its own, in the first column.")),
        "Volatile counters start at zero whenever the driver loads; aggregate ones last for the life of the board."),
    Choice(
        "49.hundred_percent", 2, "GPU-Util reads 100 %. What is certain?",
        "that at every moment of the last window a kernel was running",
        (("that all SMs were busy", "One warp on one SM is enough."),
         ("that the memory is full", "Memory is another number of the box, and independent of this one."),
         ("that the arithmetic is the bottleneck", "Decoding an LLM can read 100 % at less than 1 % of the peak FLOPs.")),
        "It shows that the GPU was not idle in that window. It says nothing about how much of it worked."),
    Choice(
        "49.autoscaling", 2, "Which signal should scale replicas of an LLM server up and down?",
        "queue length or KV-cache occupancy and the latency objective, with SM activity as support",
        (("GPU-Util", "It can read 100 % with one request and with a hundred."),
         ("temperature", "It follows power, with a delay of minutes."),
         ("memory used", "A server reserves its cache at the start: the number never moves.")),
        "Scale on what the users wait for. GPU-Util saturates long before the server does."),
    Open(
        "49.busy_but_slow", 3, "GPU-Util is 98 %, the board draws 35 % of its power limit, and the throughput is poor. What do you do?",
        ("GPU-Util is presence only: a kernel was running, however small",
         "Low power is a hint that few SMs are active, or that they stall",
         "Look at SM activity, tensor activity and DRAM activity (DCGM or NVML's GPM)",
         "Few SMs active: small kernels, so batch more, fuse, use CUDA graphs or several streams",
         "DRAM active and tensor pipes idle: memory-bound, so quantise or put more sequences over the same weights"),
        "98 % says that a kernel was present, and 35 % of the power says that little of the chip worked. I read SM, tensor and DRAM activity. "
        "If SM activity is low, the kernels are too small: larger batches, fusion, CUDA graphs, more streams. If DRAM activity is high and the tensor "
        "pipes idle, the kernels wait for memory: quantise, or batch more sequences. Then I compare the tokens per second with the roofline."),
]
