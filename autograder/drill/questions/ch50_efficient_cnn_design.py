"""Drill questions of chapter 50: memory access, alignment, Winograd and fused branches."""

from __future__ import annotations

from ..question import Choice, Numeric, Open


def _draw_1x1(rng):
    size = int(rng.choice([14, 28, 56, 112]))
    return {"size": size, "area": size * size, "c": int(rng.choice([32, 64, 128, 256, 512]))}


def _draw_depthwise(rng):
    return {"size": int(rng.choice([14, 28, 56, 112])), "c": int(rng.choice([32, 64, 128, 256, 512]))}


def _draw_tile(rng):
    granule = int(rng.choice([8, 16, 32]))
    while True:
        c = int(rng.integers(3, 100))
        if c % granule:
            return {"c": c, "granule": granule, "padded": -(-c // granule) * granule}


def _draw_stride(rng):
    c_in, stride = int(rng.choice([16, 24, 32, 48, 64])), int(rng.choice([2, 4]))
    return {"c_in": c_in, "stride": stride, "ratio": stride * stride, "product": c_in * c_in * stride * stride}


def _draw_density(rng):
    m, peak = int(rng.choice([2, 4])), round(float(rng.uniform(8, 14)), 1)
    saving = {2: 2.25, 4: 4.0}[m]
    return {"m": m, "saving": saving, "peak": peak, "share": int(rng.integers(70, 96))}


QUESTIONS = [
    Numeric(
        "50.access_square", 2, "A 1x1 convolution maps {c} channels to {c} channels on {size} x {size} maps, stride 1, no bias. How many "
        "elements does it move, input, output and weights once each?",
        _draw_1x1, lambda v: 2 * v["area"] * v["c"] + v["c"] ** 2,
        "2 · {area} · {c} for the two maps and {c} · {c} weights: {answer}.",
        traps=((lambda v: 2 * v["area"] * v["c"], "The weights are missing."),
               (lambda v: v["area"] * v["c"] ** 2, "That is the number of multiply–accumulates."),
               (lambda v: v["area"] * v["c"] + v["c"] ** 2, "Only one of the two maps is counted."),
               (lambda v: 4 * (2 * v["area"] * v["c"] + v["c"] ** 2), "Elements are asked, not bytes."))),
    Numeric(
        "50.depthwise_intensity", 2, "A depthwise 3x3 convolution on {size} x {size} maps with {c} channels, stride 1, FP32. What is its "
        "arithmetic intensity in FLOP per byte, at two FLOPs a multiply–accumulate?",
        _draw_depthwise,
        lambda v: 18 * v["size"] ** 2 * v["c"] / (4 * (2 * v["size"] ** 2 * v["c"] + 9 * v["c"])),
        "18 FLOPs an output element, over 4 bytes for each of 2 · {size}² · {c} map elements and 9 · {c} weights: {answer}.",
        unit="FLOP/B", rtol=0.01,
        traps=((lambda v: 9 * v["size"] ** 2 * v["c"] / (4 * (2 * v["size"] ** 2 * v["c"] + 9 * v["c"])),
                "You count multiply–accumulates. Each is two FLOPs."),
               (lambda v: 18 * v["size"] ** 2 * v["c"] / (2 * v["size"] ** 2 * v["c"] + 9 * v["c"]),
                "That is FLOPs per element. An FP32 element has 4 bytes."),
               (lambda v: 18 * v["size"] ** 2 * v["c"] / (4 * (v["size"] ** 2 * v["c"] + 9 * v["c"])),
                "Both maps are moved, input and output."))),
    Numeric(
        "50.padding_waste", 1, "An NPU computes channels in tiles of {granule}. A layer has {c} output channels. Which fraction of the work "
        "on outputs is wasted?",
        _draw_tile, lambda v: 1 - v["c"] / v["padded"],
        "{c} channels are padded to {padded}, so 1 − {c}/{padded} = {answer}.", rtol=0.005,
        traps=((lambda v: v["c"] / v["padded"], "That is the useful part."),
               (lambda v: (v["padded"] - v["c"]) / v["c"], "The waste is a part of what is computed, of the padded count."),
               (lambda v: v["c"] % v["granule"] / v["granule"], "That is how far the last tile is filled."))),
    Numeric(
        "50.winograd_saving", 3, "Winograd's F({m}x{m}, 3x3) computes a tile of {m} x {m} outputs. By which factor has it fewer "
        "multiplications than the direct form, transforms not counted?",
        lambda rng: {"m": (m := int(rng.choice([2, 4, 6]))), "side": m + 2, "direct": 9 * m * m, "few": (m + 2) ** 2},
        lambda v: v["direct"] / v["few"],
        "Directly 9 · {m}² = {direct}; in the transformed domain ({m} + 2)² = {few}. The factor is {answer}.", rtol=0.005,
        traps=((lambda v: v["few"] / v["direct"], "That is the part that is left."),
               (lambda v: v["few"], "That is how many are left."),
               (lambda v: 3 * v["m"] / v["side"], "That is one dimension. A tile has two: square it."))),
    Numeric(
        "50.stride_channels", 2, "A convolution of stride {stride} has {product} = c_in · c_out at a fixed number of multiply–accumulates. Both "
        "sides of the map shrink by {stride}. How many output channels move the fewest elements?",
        _draw_stride, lambda v: v["c_in"] * v["ratio"],
        "c_out / c_in = {ratio}, the ratio of the two maps, so c_in = {c_in} and c_out = {answer}.",
        traps=((lambda v: v["c_in"] * v["stride"], "That is the root of the product: right for equal maps only."),
               (lambda v: v["c_in"], "That is c_in. The smaller map should have more channels."))),
    Numeric(
        "50.density", 3, "A GPU has a peak of {peak} TFLOP/s. A 3x3 convolution by F({m}x{m}, 3x3) keeps its multipliers {share} % busy. Which "
        "rate in TFLOP/s is printed, if one divides the FLOPs of the direct form by the time?",
        _draw_density, lambda v: v["peak"] * v["share"] / 100 * v["saving"],
        "{peak} · {share} % really done, each worth {saving} of the direct form: {answer} TFLOP/s.", unit="TFLOP/s", rtol=0.01,
        traps=((lambda v: v["peak"] * v["share"] / 100, "That is what the multipliers do. The paper counts the direct form's FLOPs."),
               (lambda v: v["peak"] * v["saving"], "The multipliers are not always busy."))),
    Choice(
        "50.above_peak", 2, "RepVGG's authors print 38 TFLOP/s for a 3x3 convolution on a GPU with a peak of 11.3. How can that be?",
        "The library used Winograd: it did fewer multiplications than were counted",
        (("The GPU boosted its clock", "By a factor of 3.4? A boost is a few percent."),
         ("It ran in FP16", "The table is in FP32, and this generation has no fast FP16."),
         ("The maps stayed in the cache", "A cache saves traffic. It adds no multipliers.")),
        "Theoretical FLOPs over time is no hardware rate. F(4x4, 3x3) has 4 times fewer multiplications, so 38.1 means about 9.5 real ones."),
    Choice(
        "50.best_stride_2", 2, "At stride 2 and a fixed number of multiply–accumulates, which c_out / c_in moves the least?",
        "4",
        (("1", "That is for equal maps. Here the output map has a quarter of the elements."),
         ("2", "The side shrinks by 2, the map by 4."),
         ("0.25", "Turned round: the smaller map can afford more channels.")),
        "The two maps should have the same number of elements: h·w·c_in = (h/2)·(w/2)·c_out."),
    Choice(
        "50.fused_in_training", 2, "What goes wrong when RepVGG's branches are fused in training mode?",
        "Batch norm uses the statistics of the batch, so there is no fixed kernel yet",
        (("The padding of the 1x1 branch", "That is the same in both modes."),
         ("The ReLU stands before the sum", "It stands after the sum, in both modes."),
         ("The convolutions have no bias", "They need none: the norm brings it.")),
        "Only with stored statistics is batch norm a fixed scale and shift. Call eval() first."),
    Choice(
        "50.fragments", 1, "Four small convolutions side by side replace one large, at equal FLOPs. What did ShuffleNet V2's authors see?",
        "3.5 times slower on the GPU, a little slower on ARM",
        (("Equal speed, since FLOPs are equal", "2446 against 691 batches a second on the GPU."),
         ("Faster on both, since branches run at the same time", "A small operator can't fill a GPU, and each has its launch."),
         ("Slower on ARM only", "A single ARM core has little to lose: 40.2 against 35.0 images a second.")),
        "Fragments leave parallel units idle and add launches. RepVGG trains with branches and deploys without them."),
    Open(
        "50.same_flops", 3, "Two networks have the same FLOPs, and one takes twice as long. How do you find out why?",
        ("Arithmetic intensity: elements moved, layer by layer", "Depthwise and elementwise layers", "Many small operators: launches and "
         "idle units", "Channels that don't fill the hardware's tiles", "Profile on the target before any redesign"),
        "I profile both on the target and list time by layer, beside MACs and bytes moved. Layers far from the peak fall into kinds. "
        "Depthwise layers sit near 2 FLOP a byte in FP32, ReLU, add and concat far below. Memory limits them however few FLOPs they have: fuse them or "
        "take fewer. Many short operators mean launches and idle units: merge branches, as RepVGG does. Layers with 36 or 90 channels may "
        "be padded to the tile: round the widths. Dense layers with a good shape that are still slow have the wrong kernel or layout. Only "
        "then do I change the architecture, one thing at a time, and measure again."),
]
