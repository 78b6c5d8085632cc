"""Drill questions of chapter 44: GPU memory bandwidth."""

from __future__ import annotations

from ..question import Choice, Numeric, Open


def _draw_gddr6(rng):
    clock, bus = int(rng.integers(50, 101)) * 25, int(rng.integers(2, 13)) * 32
    return {"clock": clock, "bus": bus, "rate": f"{clock * 8:,}"}


def _gddr6(v, factor=8):
    return v["clock"] * factor * v["bus"] / 8 / 1000


def _draw_hbm(rng):
    rate = (2.0, 2.4, 3.2, 5.2, 6.25, 6.4, 8.0)[int(rng.integers(7))]
    stacks = int(rng.integers(2, 9))
    return {"stacks": stacks, "rate": rate, "pins": f"{stacks * 1024:,}"}


def _hbm(v):
    return v["stacks"] * 1024 * v["rate"] / 8 / 1000


def _draw_decode(rng):
    bandwidth = (300, 448, 936, 1008, 1555, 2039, 3350, 4800)[int(rng.integers(8))]
    params, bits = int(rng.integers(1, 71)), (4, 4.5, 8, 16)[int(rng.integers(4))]
    return {"params": params, "bits": bits, "bandwidth": bandwidth, "gb": f"{params * bits / 8:g}"}


def _tokens(v):
    return 8 * v["bandwidth"] / (v["params"] * v["bits"])


def _draw_kernel(rng):
    peak = (320, 448, 936, 1008, 1555, 2039, 3350)[int(rng.integers(7))]
    read, written = int(rng.integers(2, 40)) * 50, int(rng.integers(4, 30)) * 50
    ms = round((read + written) / peak / float(rng.uniform(0.25, 0.9)), 3)
    return {"read": read, "written": written, "ms": ms, "peak": peak, "gb_s": f"{(read + written) / ms:.1f}"}


def _share(v):
    return 100 * (v["read"] + v["written"]) / v["ms"] / v["peak"]


QUESTIONS = [
    Numeric(
        "44.gddr6", 1, "A GDDR6 memory has a command clock of {clock} MHz and a bus of {bus} bits. What is its peak bandwidth in GB/s?",
        _draw_gddr6, _gddr6,
        "GDDR6 moves 8 bits a pin per cycle of the command clock: {clock} MHz × 8 = {rate} Mbit/s. Times {bus} pins, over 8 bits a "
        "byte and 1000: {answer} GB/s.",
        unit="GB/s", rtol=0.005,
        traps=((lambda v: _gddr6(v, 2), "That is the factor 2 of DDR. GDDR6 moves 8 bits per cycle of its command clock."),
               (lambda v: _gddr6(v, 4), "Factor 4 belongs to GDDR5. GDDR6 moves 8 bits per cycle of its command clock."),
               (lambda v: _gddr6(v, 16), "Factor 16 belongs to the clock that amdgpu shows, which is half the command clock."),
               (lambda v: 8 * _gddr6(v), "These are Gbit/s. Divide by 8."))),
    Numeric(
        "44.hbm", 1, "A GPU has {stacks} HBM stacks of 1024 bits; each pin carries {rate} Gbit/s. What is the bandwidth in TB/s?",
        _draw_hbm, _hbm,
        "{stacks} × 1024 = {pins} pins. Times {rate} Gbit/s, over 8 bits a byte and 1000: {answer} TB/s.",
        unit="TB/s", rtol=0.01,
        traps=((lambda v: 2 * _hbm(v), "The pin rate is given; the factor 2 is inside it already."),
               (lambda v: 8 * _hbm(v), "These are Tbit/s. Divide by 8."),
               (lambda v: _hbm(v) / v["stacks"], "That is one stack."))),
    Numeric(
        "44.decode", 2, "A dense model has {params} billion weights of {bits} bits and runs on a GPU with {bandwidth} GB/s (assume "
        "that it fits). At batch 1 with an empty cache, how many tokens/s are possible at most?",
        _draw_decode, _tokens,
        "Each step reads {params} × {bits} / 8 = {gb} GB of weights. {bandwidth} GB/s over {gb} GB is {answer} tokens/s.",
        unit="tokens/s", rtol=0.01,
        traps=((lambda v: v["bandwidth"] / (v["params"] * v["bits"]), "A byte has 8 bits: the weights are 8 times smaller."),
               (lambda v: v["bandwidth"] / v["params"], "That counts one byte a weight. Use the bits that are given."),
               (lambda v: v["bandwidth"] / (2 * v["params"]), "That counts 16 bits a weight. Use the bits that are given."))),
    Numeric(
        "44.share_of_peak", 2, "A kernel reads {read} MB and writes {written} MB in {ms} ms. The GPU's peak is {peak} GB/s. Which "
        "share of the peak does it reach, in percent?",
        _draw_kernel, _share,
        "({read} + {written}) MB / {ms} ms = {gb_s} GB/s. Over {peak} GB/s that is {answer} %.",
        unit="%", atol=1.0,
        traps=((lambda v: 100 * v["read"] / v["ms"] / v["peak"], "The writes are missing. Both directions share the bus."),
               (lambda v: 100 * v["written"] / v["ms"] / v["peak"], "The reads are missing. Both directions share the bus."),
               (lambda v: _share(v) / 1.048576, "Both figures are decimal here: no factor of 2^20."))),
    Choice(
        "44.nvidia_smi", 2, "nvidia-smi shows a memory clock of 5001 MHz for a T4, whose GDDR6 has a 256-bit bus. What is its "
        "bandwidth?", "320 GB/s",
        (("160 GB/s", "nvidia-smi shows half the data rate, so a factor of 2 is missing: 5001 × 2 × 256 / 8."),
         ("1,280 GB/s", "The factor 8 belongs to the command clock, 1250 MHz. nvidia-smi shows four times that."),
         ("40 GB/s", "One of the divisions by 8 is too many.")),
        "nvidia-smi shows half the data rate, whatever the memory: 5001 MHz × 2 × 256 bit / 8 = 320 GB/s."),
    Choice(
        "44.hbm_advantage", 2, "HBM3E gives more bandwidth than GDDR7. Where does the advantage come from?",
        "From the width: thousands of pins instead of hundreds",
        (("From a higher rate per pin", "It is lower: 6.25 Gbit/s in the H200 against 28 Gbit/s in the RTX 5090."),
         ("From a lower latency", "Latency does not enter: with enough bytes in flight the bus is full all the same."),
         ("From caching", "A cache saves accesses. It does not make the memory behind it faster.")),
        "H200: 6144 pins × 6.25 Gbit/s = 4.8 TB/s. RTX 5090: 512 pins × 28 Gbit/s = 1.8 TB/s. Stacks on an interposer can "
        "have that many pins."),
    Choice(
        "44.batching", 3, "Doubling the batch in LLM decoding nearly doubles the tokens/s. Until when?",
        "Until reading the caches or the arithmetic takes as long as reading the weights",
        (("Until the PCIe bus is full", "Weights and cache lie in the GPU's memory. Tokens are a few bytes."),
         ("Until the weights no longer fit the cache", "They never did: the weights are gigabytes, an L2 cache some tens of megabytes."),
         ("Always", "Each sequence brings its own cache and its own arithmetic. Only the weights are shared.")),
        "The weights are read once for the batch. Cache and arithmetic grow with it, and in the end one of them decides."),
    Open(
        "44.quarter", 3, "Your kernel reaches 25 % of the peak bandwidth. What do you check?",
        ("The access pattern: sectors per request, alignment, stride",
         "Bytes in flight: occupancy, vector loads, enough independent loads",
         "The measurement: a size beyond the cache, warm-up, events, what was counted",
         "The peak itself: right clock and width, ECC, throttled clocks",
         "Traffic that was not counted: write-allocate, temporaries, unfused operations"),
        "First the access pattern: a stride of 4 floats alone gives 25 %. Then whether enough bytes are in flight: occupancy, "
        "16-byte loads. Then the measurement: array sizes beyond the L2 cache, a warm-up, and which bytes were counted. Then "
        "the peak: the right clock and bus width, ECC on GDDR, throttling. Last, traffic that the formula leaves out, such as "
        "temporaries of unfused operations."),
]
