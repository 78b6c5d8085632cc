# %% [markdown]
# # 17 · Which mainstream edge AI hardware platforms are there?
# **主流AI端侧硬件平台有哪些？**
#
# A recorder for 16 cameras needs a chip. Three brochures lie on the table: 72 TOPS, 67 TOPS, 26 TOPS. Which one is the fastest?
# The order on paper is not the order of what they can do. This chapter turns headlines into numbers that can be compared, treats missing ones honestly, and makes a shortlist.
#
# About 80 minutes: 50 for the four exercises, the rest to read, measure and explain. It helps to know chapters 14 (core metrics of an edge deployment) and 44 (memory bandwidth). No special hardware is needed.

# %% setup
import math

# %% [markdown]
# ## The short answer
#
# > I group platforms by kind. GPU modules: NVIDIA Jetson. SoCs with an NPU, for cameras and boxes: HiSilicon, Rockchip, Axera, Ambarella, Novatek, Kneron, Horizon. Add-in accelerators: Hailo, Google Coral, Ascend 310, SOPHGO (whose SOPHON line began at Bitmain), Cambricon MLU220. Then phones, PCs, cars and microcontrollers: Qualcomm, MediaTek, Apple, Intel, TI, NXP, ST.
# >
# > A list is not a choice. Headlines in TOPS mix sparse and dense, 4 and 8 bit. I convert them to dense INT8: the 67 of a Jetson Orin Nano Super are 33.5, the 2,070 of a Jetson T5000 about 517, the 72 of an AX650N 18.
# >
# > Peak TOPS belong to the highest power mode, and real networks use a small part of them. On published figures MobileNetV2 uses 4 to 13 %. For language models the DRAM bandwidth decides.
# >
# > So I check dense TOPS, bandwidth, power, then video codec, operators, toolchain, supply and price. What nobody states counts as unknown, not as zero. Two or three remain, and on those I measure my own model.

# %% [markdown]
# ## How it works
#
# ### Three brochures
#
# Four words first:
#
# - An **NPU** (neural processing unit) is a processor for convolutions and matrix products. An **SoC** (system on a chip) has CPU cores, an NPU, a video codec and more on one chip.
# - A **MAC** is a multiply-accumulate: a · b + c. Networks are counted in MACs.
# - **TOPS** are tera-operations a second, 10¹². A MAC counts as *two* operations, a multiplication and an addition.
#
# Here are six headlines, and what remains of them at 8 bit. The chips are introduced below.

# %%
from utils.widgets.ch17_edge_platforms import headline_picture

headline_picture()

# %% [markdown]
# The largest headline is the fourth at 8 bit. Two corrections did that.
#
# ### Correction one: zeros
#
# NVIDIA's GPUs since 2020 can skip zeros in **2:4 sparsity**: of each four weights two are zero. Skipping them doubles the rate, and the headline counts the skipped operations as done.
# An ordinary network is *dense*: it has no such pattern of zeros. For it the headline is halved.

# %%
print("Jetson Orin Nano Super:", 67 / 2, "dense TOPS (NVIDIA's data sheet lists 33)")

# %% [markdown]
# ### Correction two: bits
#
# Smaller numbers need smaller multipliers, so a chip has more of them. AX650N states 72 TOPS at INT4, for 4-bit integers. What is it at INT8? Half would be the usual **step**. Its maker states 18, a quarter: the step is 4.
#
# So three things turn a headline into a comparable number: sparse or not, the bits, and the step.

# %%
from utils.hardware import chips

print("AX650N:      ", chips.dense_equiv(72, bits=4, sparse=False, step_ratio=4.0))
print("Jetson T5000:", chips.dense_equiv(2070, bits=4, sparse=True), "(2,070 TFLOPS at FP4, sparse)")
print("Ascend 310 at 16 bit:", chips.dense_equiv(16, bits=8, sparse=False, target_bits=16))
try:
    chips.dense_equiv(67, bits=8, sparse=True, target_bits=4)
except ValueError as error:
    print("Orin Nano at 4 bit:", error)

# %% [markdown]
# Going to *fewer* bits is refused. A chip that states 8 bits may have no units for 4.
#
# ### The power mode belongs to the figure
#
# A module comes with a range, "15 to 60 W". Its peak belongs to the top of it. NVIDIA publishes what a Jetson AGX Orin has in each mode. Besides the GPU it has two DLAs, fixed-function accelerators for networks:

# %%
from utils.widgets.ch17_edge_platforms import power_mode_picture

power_mode_picture()

# %% [markdown]
# 54 of 276 TOPS remain at 15 W: a fifth. ("MAXN" means no limit. The brochure rounds to 275.) To divide 275 TOPS by 15 W would promise 18 TOPS/W; it is 3.6, still sparse.
#
# ### What networks use of it
#
# Makers also publish rates of real networks. Each rate times the operations of a frame is the number of operations that the chip *did* in a second. MobileNetV2, a small network for phones, has 300.8 million MACs. Hailo-8, an accelerator of 26 TOPS, runs it 2,434 times a second:

# %%
did = 2 * 300.8e6 * 2434
print(f"{did / 1e12:.2f} of 26 TOPS: {did / 26e12:.1%}")

# %% [markdown]
# The share of the peak that is reached is called **utilisation**. Six published rates:

# %%
from utils.widgets.ch17_edge_platforms import delivered_table

delivered_table()

# %% [markdown]
# - MobileNetV2 uses 4 to 13 % on four chips. (RK3588's rate is that of one of its three cores, so 2 of 6 TOPS count.) Its layers are thin, and most units idle. ResNet-50, with thick layers, uses 37 % of the same Hailo-8.
# - The language model, Llama 3.1 8B on the Orin Nano Super, uses 1 % of the TOPS and 70 % of the *bandwidth*. Each token reads all weights from DRAM once, 3.75 GB here.
#
# ### Bandwidth
#
# A data sheet may hide it: "64-bit LPDDR4X-4224". The number behind the type says how many million **transfers** a second each wire makes. A transfer over 64 wires carries 8 bytes:

# %%
from utils.hardware import chips

print(f"RK3588, 64 bit at 4,224: {64 / 8 * 4224 / 1000:.1f} GB/s")
for name, bits, rate in (("Orin Nano Super", 128, 6400), ("AGX Orin", 256, 6400), ("T5000", 256, 8533)):
    print(f"{name}: {chips.lpddr_gb_s(bits, rate):.1f} GB/s")

# %% [markdown]
# All four are the figures that makers print. Some accelerators have no DRAM at all: Hailo-8 and Google's Edge TPU work from memory on the chip.
#
# ### A bound for the rate
#
# Arithmetic and memory work at the same time, so the slower one sets the pace. This is the **roofline** of chapter 07. MobileNetV2 in INT8 moves about 10 MB a frame (3.5 MB of weights, 6.7 MB of activations, each once). On RK3588, at 30 % of its peak:

# %%
compute_ms = 2 * 300.8e6 / (6e12 * 0.3) * 1e3
memory_ms = 10e6 / 33.8e9 * 1e3
print(f"arithmetic {compute_ms:.3f} ms, memory {memory_ms:.3f} ms: at most {1000 / max(compute_ms, memory_ms):,.0f} frames per second")

# %% [markdown]
# Whether 30 % is right is the question. At the 13 % of the table it would be 1,300, on all three cores.
# The point at which both times are equal is the **ridge point**. Here it lies at a utilisation of 34 %: beyond it, more TOPS don't help.
#
# ### The table
#
# These are the platforms of the source's list and some that it misses. *checked* was read in the maker's own text, *reported* is the maker's figure as others quote it, *computed* follows from a stated bus, and *unconfirmed* means that no figure could be confirmed.

# %%
from utils.widgets.ch17_edge_platforms import platform_table

platform_table()

# %% [markdown]
# 18 of 32 cells for bandwidth and power are unknown; "on chip" is not counted as unknown. That is normal for chips whose data sheets only customers get.
# Two rows that teach something:
#
# - Horizon's manual calls its 5 TOPS "equivalent", and does not say how they are counted.
# - Intel's Myriad X was announced with 4 TOPS. That adds every engine of the chip. Its neural engine has "more than 1 TOPS", and no number format is stated. Nothing can be converted, so the table has no headline for it.
#
# Phones and PCs (Qualcomm, MediaTek, Apple, Intel) are not in it, since they come as whole devices. Nor is Denglin, which the source lists: no figure was confirmed. Kneron, Ambarella and Novatek make SoCs for cameras. The source lists them, so each has a row with one chip, but no figure of theirs could be confirmed.
#
# ### Unknown is not zero
#
# A need may be: at least 15 dense TOPS, at most 15 W. BM1684X has 32 TOPS, and its power is not known. Does it pass? Not yet. But it should not vanish either: ask the maker. So there are three outcomes.

# %%
from utils.hardware import chips

rows = [chips.plain_row(p) for p in chips.PLATFORMS.values()]
need = {"min_tops": 15, "max_watts": 15}
for v in chips.verdicts(rows, need):
    print(f"{v.name:27}", "meets it" if v.ok else f"fails {', '.join(v.failed)}" if v.failed else f"unknown: {', '.join(v.unknown)}")
sure, asked = chips.shortlist(rows, need), chips.shortlist(rows, need, allow_unknown=True)
print("shortlist:", sure, " to be asked for:", [name for name in asked if name not in sure])

# %% [markdown]
# ### What it costs
#
# A device that you own costs its price and its electricity. Say two boxes work for five years, busy a quarter of the time, at 0.25 dollars a kWh (prices and rates are made up). A box draws its watts all the time, busy or not:

# %%
from utils.hardware.chips import owned_usd_per_million

for name, price, watts, per_s in (("small box", 120, 6, 300), ("large box", 900, 35, 3000)):
    usd = owned_usd_per_million(price, life_years=5, watts=watts, usd_per_kwh=0.25, per_s=per_s, duty=0.25)
    print(f"{name}: {usd:.4f} USD for a million frames")

# %% [markdown]
# The large box is cheaper per frame, but only if you have 3,000 frames a second for it. **BOM** (bill of materials) is the word for the part of the price that is components.
#
# ### What a table can't say
#
# - **Operator coverage**: the share of your network's operators that the NPU runs. What it lacks falls back to the CPU, with copies (chapter 13).
# - The toolchain: does your model convert, and what is its accuracy in INT8 then?
# - Codec, camera inputs, supply, years of support.
#
# They need your model and a board. The table only says on which two or three boards to spend that time.

# %% [markdown]
# ## See it
#
# ![Dense TOPS at 8 bits against the highest power mode for twelve platforms, both axes logarithmic. With at most 15 watts Hailo-8, Ascend 310, MLU220 and Edge TPU are left. Orin Nano Super, AGX Orin and T5000 need more; the power of BM1684X, AX650N, RK3588, X3M and STM32MP25 is unknown. Beside it a list with the predicted frames per second of MobileNetV2 at 30 percent of the peak.](figure.svg)
#
# MobileNetV2 at 30 % of the dense peak, at most 15 W: four of twelve are left, Hailo-8 with 12,965 frames per second, Ascend 310 and MLU220 with at most 7,979 and 3,989, Edge TPU with 1,995. ("At most": the bandwidth of these two is unknown and may lower the rate.) For five the power is unknown.
#
# **Who is left, and why not the others.** Filled marks were read in the maker's own text, hollow ones were not. The rates are predictions from the table, not measurements.

# %% figure
from utils.widgets.ch17_edge_platforms import explore_map

explore_map()

# %% [markdown]
# Try three things. Set the share of the peak to 6 %, as published for MobileNetV2 on Hailo-8: the prediction becomes 2,593, close to the published 2,434. Take the language model: chips without DRAM drop out, and the share of the peak hardly matters any more. Ask for 16 bits: Edge TPU and STM32MP25 vanish, because they run 8-bit networks only.

# %% [markdown]
# ## Exercises
#
# An answer may use what the set-up cell imports (`math`), Python's own modules, and nothing from other exercises.

# %% [markdown] about="dense_equiv"
# What is a headline worth for a dense network, at `target_bits`?
#
# - `headline` is a number above 0 (TOPS or TFLOPS). `bits` are the bits of the numbers it is stated for, `target_bits` those that you ask for: ints, powers of two.
# - `sparse` is True when the headline counts skipped zeros (2:4 sparsity). Then half of it is dense.
# - `step_ratio`, a number of at least 1, says by how much the rate falls for each doubling of the bits.
# - Return the dense figure in the unit of `headline`, a float, not rounded.
# - Raise `ValueError` with a message that contains `fewer bits` if `target_bits` is below `bits`. Equal bits are fine.
#
# | call | result |
# |---|---|
# | `dense_equiv(67, 8, True)` | 33.5 |
# | `dense_equiv(2070, 4, True)` | 517.5 |
# | `dense_equiv(72, 4, False, 8, 4.0)` | 18.0 |

# %% exercise="dense_equiv"
def dense_equiv(headline: float, bits: int, sparse: bool, target_bits: int = 8, step_ratio: float = 2.0) -> float:
    """A headline as dense operations a second at `target_bits`, in the unit of the headline."""
    ### BEGIN SOLUTION
    if target_bits < bits:
        raise ValueError("target_bits must not be fewer bits than the headline's")
    value = headline / 2 if sparse else headline
    while bits < target_bits:
        bits *= 2
        value /= step_ratio
    return value
    ### END SOLUTION

# %% check="dense_equiv"
check("17.dense_equiv", dense_equiv)

# %% [markdown] about="lpddr_gb_s"
# The bandwidth of a DRAM bus.
#
# - `bus_bits` is the width of the whole bus, all channels together, an int. `mega_transfers` is the number of transfers in millions a second, an int or float. In each transfer every bit of the bus carries one bit.
# - Return GB/s, a float, not rounded. A GB is 10⁹ bytes, and a byte has 8 bits.
# - Raise `ValueError` unless both arguments are above 0.
#
# For example `lpddr_gb_s(64, 4224)` → 33.792 and `lpddr_gb_s(128, 6400)` → 102.4.

# %% exercise="lpddr_gb_s"
def lpddr_gb_s(bus_bits: int, mega_transfers: float) -> float:
    """Peak GB/s (1e9 bytes) of a DRAM bus."""
    ### BEGIN SOLUTION
    if bus_bits <= 0 or mega_transfers <= 0:
        raise ValueError("bus_bits and mega_transfers must be positive")
    return bus_bits / 8 * mega_transfers / 1000
    ### END SOLUTION

# %% check="lpddr_gb_s"
check("17.lpddr_gb_s", lpddr_gb_s)

# %% [markdown] about="fps_on"
# How many frames a second, at most?
#
# - A frame needs `macs` multiply-accumulates (above 0), each of them two operations. It moves `nbytes` bytes (0 or more) through the DRAM.
# - The chip has `tops` dense TOPS (10¹² operations a second, above 0), of which it reaches the share `util`. Its DRAM has `gb_s` GB/s (10⁹ bytes a second, above 0), all of which counts. `gb_s` may be None: the network then stays on the chip, and the DRAM sets no limit, whatever `nbytes` is.
# - Arithmetic and memory overlap: a frame takes the longer of the two times.
# - Return frames per second, a float, not rounded.
# - Raise `ValueError` with a message that contains `util` unless 0 < `util` ≤ 1.
#
# | macs | nbytes | tops | gb_s | util | result |
# |---|---|---|---|---|---|
# | 300.8e6 | 10e6 | 6 | 33.8 | 0.3 | 2992.0 |
# | 300.8e6 | 10e6 | 6 | 33.8 | 0.6 | 3380.0 |
# | 300.8e6 | 10e6 | 26 | None | 0.3 | 12965.4 |

# %% exercise="fps_on"
def fps_on(macs: float, nbytes: float, tops: float, gb_s: float | None, util: float) -> float:
    """Frames a second by the roofline; gb_s None means that no DRAM limits it."""
    ### BEGIN SOLUTION
    if not 0 < util <= 1:
        raise ValueError("util must lie above 0 and at most at 1")
    compute_s = 2 * macs / (tops * 1e12 * util)
    memory_s = 0.0 if gb_s is None else nbytes / (gb_s * 1e9)
    return 1 / max(compute_s, memory_s)
    ### END SOLUTION

# %% check="fps_on"
check("17.fps_on", fps_on)

# %% [markdown] about="shortlist"
# Which platforms meet a need, and in which order?
#
# - `platforms` is a list of dicts, perhaps empty. Each has `name` (a string, all different), `headline` (TOPS above 0, or None if none is published), `bits` (2, 4 or 8), `sparse` (bool), `dram_gb_s` (a number, or None: unknown or on the chip) and `watts` (a pair: lowest and highest power mode, above 0; or None: unknown). `step_ratio` may be there; without it, it is 2.0.
# - A platform without a headline is left out, always.
# - *Dense TOPS* are those of exercise 1 at 8 bits: halved if sparse, then divided by the step ratio for each doubling from `bits` to 8. Write that into this cell again.
# - `need` is a dict with any of three keys, perhaps none. `min_tops`: dense TOPS must be at least that. `min_gb_s`: `dram_gb_s` must be at least that. `max_watts`: the *highest* power mode must be at most that, because the peak belongs to it.
# - A None counts only where `need` asks for the value. Then the platform fails, unless `allow_unknown` is True: this limit is then skipped for it, the others still count. So a chip without DRAM fails `min_gb_s`, though DRAM sets it no limit in exercise 3. That is stricter on purpose: who asks for GB/s wants a stated figure.
# - Return the names as a list. Sort by dense TOPS per watt (highest power mode), most first. Platforms of unknown power come after all others. Equals go by name, and so do those of unknown power among each other, whatever their TOPS. If none is left, return `[]`. Leave the arguments unchanged.
#
# ```python
# six = [
#     {"name": "AX650N", "headline": 72, "bits": 4, "sparse": False, "step_ratio": 4.0, "dram_gb_s": None, "watts": None},
#     {"name": "Ascend 310", "headline": 16, "bits": 8, "sparse": False, "dram_gb_s": None, "watts": (8, 8)},
#     {"name": "CV22", "headline": None, "bits": 8, "sparse": False, "dram_gb_s": None, "watts": None},
#     {"name": "Hailo-8", "headline": 26, "bits": 8, "sparse": False, "dram_gb_s": None, "watts": (2.5, 2.5)},
#     {"name": "Orin Nano", "headline": 67, "bits": 8, "sparse": True, "dram_gb_s": 102.4, "watts": (7, 25)},
#     {"name": "RK3588", "headline": 6, "bits": 8, "sparse": False, "dram_gb_s": 33.792, "watts": None},
# ]
# shortlist(six, {"min_tops": 15, "max_watts": 15})        # ["Hailo-8", "Ascend 310"]
# shortlist(six, {"min_tops": 15, "max_watts": 15}, True)  # ["Hailo-8", "Ascend 310", "AX650N"]
# shortlist(six, {"min_gb_s": 30})                         # ["Orin Nano", "RK3588"]
# ```

# %% exercise="shortlist"
def shortlist(platforms: list[dict], need: dict, allow_unknown: bool = False) -> list[str]:
    """Names of the platforms that meet the need: best dense INT8 TOPS per watt first, unknown power last."""
    ### BEGIN SOLUTION
    found = []
    for p in platforms:
        if p["headline"] is None:
            continue
        doublings = round(math.log2(8 / p["bits"]))
        tops = p["headline"] / (2 if p["sparse"] else 1) / p.get("step_ratio", 2.0) ** doublings
        watts = p["watts"][1] if p["watts"] else None
        values = {"min_tops": tops, "min_gb_s": p["dram_gb_s"], "max_watts": watts}
        meets = True
        for key, limit in need.items():
            value = values[key]
            if value is None:
                meets = meets and allow_unknown
            else:
                meets = meets and (value <= limit if key == "max_watts" else value >= limit)
        if meets:
            found.append((watts is None, -tops / watts if watts else 0, p["name"]))
    return [name for _, _, name in sorted(found)]
    ### END SOLUTION

# %% check="shortlist"
check("17.shortlist", shortlist)

# %% [markdown]
# ## Measure it
#
# Your own CPU as a platform. MobileNetV2 runs in ONNX Runtime on one thread, in FP32, and beside it a matrix product in torch, which comes close to what a core can do. Both take turns, and the best of each counts.
# Before you run it: will the network reach more or less of its processor than the 4 to 13 % of the accelerators?

# %% experiment
from utils.widgets.ch17_edge_platforms import cpu_table
from utils.widgets.edge_measurements import measure_mobilenet

run = measure_mobilenet()
cpu_table(run)

# %% [markdown]
# A CPU core has few multipliers, and keeps them busy even with thin layers. An accelerator has thousands of them, and thin layers leave most of them idle.
# So utilisation is no property of the network alone. Hailo-8 has 13 times the TOPS of one RK3588 core, and runs MobileNetV2 5.6 times as often.
#
# Now a question with a budget. 16 cameras at 30 fps give four crops a frame to a MobileNetV2: 1,920 runs a second. The bars are predictions for 10 to 60 % of the dense peak. Diamonds are published rates (RK3588: one of three cores), the square is your CPU.

# %% experiment
from utils.widgets.ch17_edge_platforms import share_picture

share_picture(measured=run)

# %% [markdown]
# For four platforms the answer is yes or no depending on a number that no data sheet states. And all four published rates lie left of the bars. For three of them even 10 % would have been too optimistic. RK3588's lies there only because it is the rate of one core of three.
# A bar that is only a line is bound by DRAM at any utilisation.
#
# With a GPU the same network would run there:

# %% experiment
from utils.widgets.ch17_edge_platforms import gpu_note

gpu_note()

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors. Its answer is a list of eleven names: NVIDIA, HiSilicon, Cambricon, Bitmain, Ascend, Denglin, Novatek, Ambarella, Kneron, Axera, Rockchip.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | HiSilicon and Ascend are two platforms | overlapping | a company and a product line of one group, Huawei: HiSilicon itself announced Ascend 310 in 2018 (16 TOPS INT8, 8 W) |
# | 2 | Bitmain is a platform | dated | the AI chips are sold as SOPHGO: its documentation calls BM1684 and BM1684X chips of SOPHGO |
# | 3 | these are the mainstream platforms | incomplete | it lists vision chips, mostly Chinese and Taiwanese ones. Missing are Qualcomm, MediaTek, Apple, Intel, Google Coral, Hailo, Horizon, TI, NXP, Renesas, ST |
# | 4 | Denglin and Cambricon are edge platforms | depends | of Cambricon's products MLU220 (8 TOPS, 8.25 W as reported) is the edge part, the larger MLU numbers are for the cloud. For Denglin no figure was confirmed |
# | 5 | naming vendors answers the question (assumed) | wrong | comparable numbers and limits do: of 16 rows here, 12 have a usable headline, 7 of those a stated power, and two meet 15 TOPS within 15 W |
#
# The numbers of row 5, from the table:

# %%
from utils.hardware import chips
from utils.hardware.chips import PLATFORMS, dense_tops

listed = [p for p in PLATFORMS.values() if p.kind in ("module", "SoC", "accelerator")]
usable = [p for p in listed if dense_tops(p) is not None]
print(f"{len(listed)} rows, {len(usable)} with a usable headline, {sum(p.watts is not None for p in usable)} of those with a stated power,",
      f"{sum(p.mem_gb_s is not None for p in usable)} with a bandwidth")
print("15 dense TOPS within 15 W:", chips.shortlist([chips.plain_row(p) for p in listed], {"min_tops": 15, "max_watts": 15}))
by_headline = sorted(usable, key=lambda p: -p.headline_tops)
by_dense = sorted(usable, key=lambda p: -dense_tops(p))
print("by headline: ", ", ".join(p.name for p in by_headline[:5]))
print("dense, 8 bit:", ", ".join(p.name for p in by_dense[:5]))

# %% [markdown]
# Where each row comes from:

# %%
from utils.widgets.ch17_edge_platforms import source_table

source_table()

# %% [markdown]
# ## Explain it
#
# A colleague proposes: "We take chip A. It has 80 TOPS and needs 10 W. Chip B has only 26 TOPS. For chip C no power is given, so it must be low. A will be three times as fast as B with our MobileNet." Answer in five or six sentences.
#
# A good answer names:
# 1. what to ask about the 80 TOPS (bits, sparse or dense);
# 2. which power mode the peak belongs to;
# 3. how to treat an unknown figure;
# 4. why TOPS don't predict the rate of a small network (utilisation, bandwidth);
# 5. what else decides, and what you would do next.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# 80 TOPS mean little before I know the bits and whether zeros are counted: 80 sparse TOPS at INT4 may be 20 dense ones at INT8, less than B's 26 if those are dense INT8.
# If A has a range of power modes, its peak belongs to the highest one, which may be well above 10 W.
# An unstated power is unknown, not low: C stays on the list of those to ask, and passes no limit until then.
# MobileNet uses 4 to 13 % of the peak on published figures, because its thin layers leave most units idle, so a ratio of TOPS is no ratio of rates; and if a frame moves many bytes, the DRAM decides.
# Codec, operators on the NPU, toolchain, supply and price may each rule a chip out.
# I would normalise the three, sort out those that break a limit, and run our own INT8 model on boards of the two that remain: rate, accuracy, watts, over an hour.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("17")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | TOPS | 每秒万亿次操作 | tera-operations a second, two to a MAC; the bits must be stated |
# | sparse TOPS | 稀疏算力 | a headline that counts skipped zeros (2:4) |
# | SoC | 片上系统 | CPU, NPU, codec and more on one chip |
# | NPU | 神经网络处理器 | processor for convolutions and matrix products |
# | accelerator card | 加速卡 | part that is added to a computer, mostly with memory of its own |
# | NVR | 网络录像机 | recorder for many cameras, a typical edge product |
# | operator coverage | 算子覆盖率 | share of a network's operators that the accelerator runs |
# | utilisation | 利用率 | reached over peak |
# | ridge point | 拐点 | where arithmetic and memory take equally long |
# | step ratio | 精度倍率 | how much faster a chip is when bits are halved |
# | power mode | 功耗模式 | configured power limit of a module |
# | BOM | 物料清单 | what the components of a product cost |

# %% [markdown]
# ## Sources
#
# All read in November 2026; the table above has the source of each row.
#
# - NVIDIA, Jetson Orin Nano Super Developer Kit (2024), Jetson AGX Orin series technical brief, Jetson Thor (2025).
# - NVIDIA, *Deep Learning Accelerator SW*, README on GitHub: TOPS of a Jetson AGX Orin 64GB by power mode.
# - HiSilicon, *Key Information About the Huawei Ascend 310*, newsroom, 10 October 2018.
# - Google, coral.ai: Edge TPU FAQ and benchmarks.
# - Hailo, *Hailo Model Zoo* on GitHub, v2.11: rates of classifiers on Hailo-8. CNX Software, *Learn more about Hailo-8* (2020).
# - Rockchip, *RK3588 Brief Datasheet* (2022), and *RKNN Model Zoo*, README on GitHub.
# - jas-hacks (a blog), September 2024, on AX650N and the Sipeed Maix-IV board: Axera's figures.
# - Horizon Robotics / D-Robotics, RDK X3 documentation. STMicroelectronics, wiki, *STM32MP2 NPU description*.
# - SOPHGO, *libsophon* documentation. AnandTech and Tom's Hardware on Movidius Myriad X (2017).
