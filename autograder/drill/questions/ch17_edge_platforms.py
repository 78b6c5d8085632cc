"""Drill questions of chapter 17: edge AI platforms."""

from __future__ import annotations

from ..question import Choice, Numeric, Open

_SPARSE = "Half of the operations of a sparse headline are skipped zeros"
_FOUR = "from 4 to 8 bit the rate halves"


def _draw_headline(rng):
    bits = int(rng.choice([4, 8]))
    sparse = bool(rng.random() < 0.7) or bits == 8
    return {"headline": int(rng.choice([40, 67, 100, 157, 200, 275, 400, 2070])), "bits": bits, "kind": "sparse" if sparse else "dense",
            "factor": (2 if sparse else 1) * (2 if bits == 4 else 1),
            "why": f"{_SPARSE}, and {_FOUR}" if sparse and bits == 4 else _SPARSE if sparse else _FOUR.capitalize()}


def _draw_bus(rng):
    return {"bits": int(rng.choice([32, 64, 128, 192, 256])), "rate": int(rng.choice([2133, 3200, 4224, 4267, 5500, 6400, 8533]))}


def _draw_time(rng):
    return {"macs": float(rng.choice([0.3, 0.57, 1.8, 4.1, 8.7, 15.5])), "tops": int(rng.choice([2, 4, 6, 8, 16, 26])),
            "util": int(rng.choice([5, 10, 20, 25, 30, 40]))}


def _ms(v, ops=2, util=True):
    return ops * v["macs"] / v["tops"] / (v["util"] / 100 if util else 1)


def _draw_energy(rng):
    return {"watts": int(rng.choice([2, 3, 5, 8, 10, 15, 25])), "fps": int(rng.choice([10, 25, 30, 60, 120, 240]))}


def _draw_share(rng):
    return {"fps": int(rng.choice([72, 150, 400, 433, 900, 2434])), "macs": int(rng.choice([300, 570, 1800])), "tops": int(rng.choice([6, 8, 16, 26]))}


QUESTIONS = [
    Numeric(
        "17.dense_tops", 1, "A brochure prints {headline} TOPS, {kind}, at {bits} bit. The chip is twice as fast when bits are halved. How many dense TOPS are "
        "that at 8 bit?",
        _draw_headline, lambda v: v["headline"] / v["factor"],
        "{why}: {headline}/{factor} = {answer} TOPS.",
        unit="TOPS", rtol=0.01,
        traps=((lambda v: v["headline"], "That is the headline itself."),
               (lambda v: v["headline"] / v["factor"] / 2, "You halved once too often: sparsity counts once, and each doubling of the bits once."),
               (lambda v: v["headline"] / 2, "There are two things to look at here, zeros and bits. Check both."))),
    Numeric(
        "17.bus", 1, "The DRAM bus of a chip has {bits} bits and runs at {rate} million transfers a second. What is its bandwidth in GB/s?",
        _draw_bus, lambda v: v["bits"] * v["rate"] / 8000,
        "{bits}/8 bytes times {rate} million transfers: {answer} GB/s.",
        unit="GB/s", rtol=0.01,
        traps=((lambda v: v["bits"] * v["rate"] / 1000, "Those are Gbit/s."),
               (lambda v: v["bits"] * v["rate"] / 4000, "The rate counts transfers already, not clocks."),
               (lambda v: v["bits"] * v["rate"] / 8, "Those are MB/s."))),
    Numeric(
        "17.compute_time", 2, "A network has {macs} billion MACs. A chip of {tops} dense TOPS reaches {util} % of its peak. How many ms does the arithmetic of one "
        "frame take?",
        _draw_time, _ms,
        "2 · {macs} billion operations over {tops} · {util} % tera-operations a second: {answer} ms.",
        unit="ms", rtol=0.01,
        traps=((lambda v: _ms(v, ops=1), "TOPS count two operations a MAC."),
               (lambda v: _ms(v, util=False), "The chip reaches a part of its peak only."),
               (lambda v: _ms(v, ops=1, util=False), "Two operations a MAC, and only a part of the peak."))),
    Numeric(
        "17.energy", 2, "A box draws {watts} W while it handles {fps} frames per second. How many mJ does a frame take?",
        _draw_energy, lambda v: v["watts"] / v["fps"] * 1000,
        "{watts} joules a second over {fps} frames a second, in thousandths: {answer} mJ.",
        unit="mJ", rtol=0.01,
        traps=((lambda v: v["watts"] / v["fps"], "Those are joules."),
               (lambda v: v["watts"] * v["fps"], "Divide: the frames share the joules of a second."),
               (lambda v: v["fps"] / v["watts"], "Those are frames per joule."))),
    Numeric(
        "17.used_share", 2, "A chip of {tops} dense TOPS runs a network of {macs} million MACs at {fps} frames per second. What share of the peak is that, in %?",
        _draw_share, lambda v: 2 * v["macs"] * 1e6 * v["fps"] / (v["tops"] * 1e12) * 100,
        "2 · {macs} million operations times {fps}, over {tops} tera: {answer} %.",
        unit="%", rtol=0.01,
        traps=((lambda v: v["macs"] * 1e6 * v["fps"] / (v["tops"] * 1e12) * 100, "A MAC is two operations."),
               (lambda v: 2 * v["macs"] * 1e6 * v["fps"] / (v["tops"] * 1e12), "That is the share as a fraction: asked are %."))),
    Choice(
        "17.int4_headline", 2, "A maker prints 72 TOPS at INT4. What has the chip at INT8?",
        "What the maker says: here 18",
        (("72", "Operations on 8-bit numbers need larger multipliers: a chip has fewer of them."),
         ("36, always half", "Half is common, and a good guess where nothing is stated. This maker states 18, a quarter."),
         ("144", "More bits never give more operations.")),
        "How much a step costs is a property of the chip. AX650N has 72 TOPS at INT4 and 18 at INT8."),
    Choice(
        "17.hisilicon_ascend", 1, "An answer lists HiSilicon and Ascend as two platforms. What are they?",
        "A company, and a product line of the same group",
        (("Competitors", "Both are Huawei: HiSilicon designs chips, and announced Ascend 310 on its own site."),
         ("Two makers of GPUs", "Ascend chips are NPUs, and HiSilicon's camera chips have NPUs too."),
         ("Two firms in the USA", "Both belong to Huawei, in Shenzhen.")),
        "HiSilicon is Huawei's chip company; Ascend is its line of AI processors. Ascend 310 is the one for the edge."),
    Choice(
        "17.power_mode", 2, "A module has 275 TOPS and \"15 to 60 W\". How many TOPS does it have at 15 W?",
        "Far fewer: the peak belongs to the highest mode",
        (("275", "The clocks are lowered to stay at 15 W. NVIDIA's table for the AGX Orin says 54."),
         ("275/4, exactly", "Power does not fall in proportion to speed. Ask for the table of modes."),
         ("It depends on the batch", "The batch changes how much of a peak is used, not the peak of a mode.")),
        "For the Jetson AGX Orin 64GB NVIDIA's table of modes lists 276 sparse TOPS without a limit (the brochure rounds to 275), 131 at 30 W and 54 at 15 W."),
    Open(
        "17.nvr", 2, "Choose a platform for a video recorder with 16 cameras (an NVR).",
        ("Decoding: 16 streams, counted in megapixels a second", "The network's budget: frames a second times MACs, at a measured share of the peak",
         "DRAM: bandwidth and size for frames and network", "Toolchain: which operators run on the NPU, how the model converts, accuracy in INT8",
         "Supply, price and years of support", "Power and heat in the closed box"),
        "I start with what is fixed: 16 streams of 1080p at 25 fps must be decoded, which rules out chips without such a codec. Then the network: 400 frames "
        "a second times its operations, over a share of the peak that I take from published or own measurements of similar networks, say 10 %. The frames "
        "and the network share the DRAM, so I add up bytes a second and stay below 60 % of its bandwidth. I normalise every TOPS figure to dense INT8 and "
        "treat missing figures as unknown. Two or three chips remain. I convert my own model for each, look at operators that fall back to the CPU and at the "
        "accuracy in INT8, measure frame rate and temperature over hours, and compare price, supply and support."),
]
