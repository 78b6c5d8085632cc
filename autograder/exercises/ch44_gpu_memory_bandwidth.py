"""Exercises of chapter 44: GPU memory bandwidth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from statistics import mean

import numpy as np

from utils.cost import bandwidth
from utils.cost.bandwidth.memory_clock import SPECS, TRANSFERS_PER_CLOCK

from ..compare import close, exact
from ..exercise import Case, Exercise, Misconception

# --- 1. peak_gb_s -----------------------------------------------------------------------------


def _refusing(answer: Callable[[float, int, float], float]) -> Callable[[float, int, float], float]:
    """The same answer, with the bad input refused."""

    def checked(clock_mhz: float, bus_bits: int, transfers_per_clock: float) -> float:
        if min(clock_mhz, bus_bits, transfers_per_clock) <= 0 or bus_bits % 8:
            raise ValueError("all must be positive and bus_bits a multiple of 8")
        return answer(clock_mhz, bus_bits, transfers_per_clock)

    return checked


def _both(answer: Callable) -> dict:
    """`answer` and `also` of a misconception: with and without the refusals."""
    return {"answer": _refusing(answer), "also": (answer,)}


@_refusing
def _pin_rate_first(clock_mhz: float, bus_bits: int, transfers_per_clock: float) -> float:
    gbit_s_a_pin = clock_mhz * transfers_per_clock / 1000
    return gbit_s_a_pin * bus_bits / 8


def _exact_peak(clock_mhz: float, bus_bits: int, transfers_per_clock: float) -> float:
    if not (clock_mhz > 0 and bus_bits > 0 and transfers_per_clock > 0):
        raise ValueError("all three must be positive")
    lanes, rest = divmod(bus_bits, 8)
    if rest:
        raise ValueError("a bus has whole bytes")
    bytes_a_second = Fraction(clock_mhz) * 10**6 * Fraction(transfers_per_clock) * lanes
    return float(bytes_a_second / 10**9)


def _draw_peak(rng: np.random.Generator) -> Case:
    clock = round(float(rng.uniform(400, 11_000)), 2)
    return Case(clock, 8 * int(rng.integers(1, 1025)), int(2 ** rng.integers(0, 6)))


peak_gb_s = Exercise(
    id="44.peak_gb_s", points=2, difficulty=1, minutes=6, idea="clock × bits a clock × pins / 8",
    reference=bandwidth.peak_gb_s,
    cases=[Case(1750, 256, 8), Case(877, 4096, 2)],
    hidden=[Case(14_000, 256, 1), Case(1313, 384, 16), Case(3996, 7680, 2), Case(1250.25, 256, 8), Case(1000, 8, 1),
            Case(0.5, 8, 0.25)],
    draw=_draw_peak,
    raises=[Case(0, 256, 8), Case(-1750, 256, 8), Case(1750, 0, 8), Case(1750, -256, 8), Case(1750, 256, 0),
            Case(1750, 256, -8), Case(1750, 260, 8), Case(1750, 255, 8), Case(1750, 4, 8)],
    compare=close(1e-9),
    misconceptions=[
        Misconception(
            "ddr_only", **_both(lambda clock, bus, transfers: clock * 2 * bus / 8 / 1000),
            message="You use the factor 2 of double-data-rate memory for every memory: that is how 112 GB/s comes out "
                    "for this GDDR6. How many bits a pin moves in one cycle of this clock is an argument of the function.",
            title="Every memory is treated as DDR."),
        Misconception(
            "gbit", **_both(lambda clock, bus, transfers: clock * transfers * bus / 1000),
            message="This is Gbit/s: every pin moves bits. Bandwidth is quoted in GB/s, and a byte has 8 bits.",
            title="Bits were taken for bytes."),
        Misconception(
            "binary", _refusing(lambda clock, bus, transfers: clock * transfers * bus / 8 / 1024),
            "You divided by 1024. Clocks and bandwidths are quoted in decimal units: 1 GB/s is 10^9 bytes a second, so "
            "MB/s become GB/s by a division by 1000.",
            "Decimal and binary units are mixed.",
            also=(lambda clock, bus, transfers: clock * transfers * bus / 8 / 1024,
                  _refusing(lambda clock, bus, transfers: clock * 1e6 * transfers * bus / 8 / 2**30),
                  lambda clock, bus, transfers: clock * 1e6 * transfers * bus / 8 / 2**30)),
        Misconception(
            "hertz", **_both(lambda clock, bus, transfers: clock * transfers * bus / 8 / 1e9),
            message="The clock comes in MHz, and you used it as if it were in Hz: the result is a million times too small.",
            title="MHz were read as Hz."),
        Misconception(
            "mb_s", **_both(lambda clock, bus, transfers: clock * transfers * bus / 8),
            message="MHz times bytes gives MB/s. The function is asked for GB/s.",
            title="The unit is MB/s."),
        Misconception(
            "doubles", **_both(lambda clock, bus, transfers: 2 * clock * transfers * bus / 8 / 1000),
            message="You multiplied by 2 on top of the transfers. `transfers_per_clock` counts every bit of a cycle already, "
                    "both edges of the clock included.",
            title="One factor 2 too many."),
    ],
    alternatives=[_pin_rate_first, _exact_peak],
    hints=(
        "One pin moves `clock_mhz * transfers_per_clock` megabits in a second.",
        "All pins together: times `bus_bits`. Then bits to bytes, and mega to giga.",
        "Before the arithmetic: `if min(...) <= 0 or bus_bits % 8: raise ValueError(...)`.",
    ),
    worth_knowing="The result is a ceiling for reads and writes together: a copy moves each byte twice.",
)


# --- 2. identify_clock ------------------------------------------------------------------------


def _ratio(shown_mhz: float, bus_bits: int, published_gb_s: float) -> float:
    return published_gb_s * 8000 / (shown_mhz * bus_bits)


def _misses(transfers: float, ratio: float) -> bool:
    return abs(transfers - ratio) > 0.03 * ratio


def _clock(transfers: Callable[[float], float], pin: Callable[..., float] | None = None, *,
           check: bool = True) -> Callable[[float, int, float], tuple[float, float]]:
    """An answer from a rule for the factor (a function of the ratio) and one for the pin rate."""

    def answer(shown_mhz: float, bus_bits: int, published_gb_s: float) -> tuple[float, float]:
        ratio = _ratio(shown_mhz, bus_bits, published_gb_s)
        found = transfers(ratio)
        if check and _misses(found, ratio):
            raise ValueError("the clock does not fit the published bandwidth")
        rate = pin(shown_mhz, bus_bits, published_gb_s, found) if pin else published_gb_s * 8 / bus_bits
        return found, rate

    return answer


def _nearest_power(ratio: float) -> int:
    return 2 ** min(max(round(math.log2(ratio)), 0), 5)


def _of_computed(shown_mhz: float, bus_bits: int, published_gb_s: float) -> tuple[int, float]:
    ratio = _ratio(shown_mhz, bus_bits, published_gb_s)
    found = _nearest_power(ratio)
    if abs(ratio / found - 1) > 0.03:
        raise ValueError("the clock does not fit the published bandwidth")
    return found, published_gb_s * 8 / bus_bits


def _search(shown_mhz: float, bus_bits: int, published_gb_s: float) -> tuple[int, float]:
    """Tries the six factors instead of taking a logarithm."""
    for transfers in (1, 2, 4, 8, 16, 32):
        computed = shown_mhz * transfers * bus_bits / 8 / 1000
        if abs(computed / published_gb_s - 1) <= 0.03:
            return transfers, published_gb_s / (bus_bits / 8)
    raise ValueError("none of the six factors fits")


def _argmin(shown_mhz: float, bus_bits: int, published_gb_s: float) -> tuple[int, float]:
    factors = 2 ** np.arange(6)
    computed = shown_mhz * 1e6 * factors * bus_bits / 8 / 1e9
    best = int(np.argmin(np.abs(np.log(computed / published_gb_s))))
    if not np.isclose(computed[best], published_gb_s, rtol=0.03, atol=0):
        raise ValueError("does not fit")
    return int(factors[best]), float(np.float64(published_gb_s) * 8 / bus_bits)


def _draw_clock(rng: np.random.Generator) -> Case:
    """A row of the table as one of its tools shows it; sometimes with a rounded or another published figure."""
    spec = SPECS[int(rng.integers(len(SPECS)))]
    shown = list(TRANSFERS_PER_CLOCK[spec.mem_type].values())
    factor = shown[int(rng.integers(len(shown)))] if rng.random() < 0.7 else int(2 ** rng.integers(0, 6))
    published = round(spec.mem_gb_s * (1 + float(rng.uniform(-0.028, 0.028))), 2)
    return Case(round(spec.data_rate_gbit_s * 1000 / factor, 3), spec.bus_bits, published)


identify_clock = Exercise(
    id="44.identify_clock", points=3, difficulty=2, minutes=12, idea="a clock means nothing without its factor",
    reference=bandwidth.identify_clock,
    cases=[Case(875, 256, 448), Case(7000, 256, 448), Case(3996, 8192, 8000)],
    hidden=[Case(1750, 256, 448), Case(14_000, 256, 448), Case(437.5, 256, 448), Case(877, 4096, 900),
            Case(5001, 256, 320), Case(1750, 128, 112), Case(437.5, 256, 456.5), Case(437.5, 256, 437.5),
            Case(14_000, 256, 437), Case(1000, 64, 8.22), Case(1000, 64, 31.2), Case(1000, 64, 32.9),
            Case(1000, 64, 7.7674), Case(1000, 64, 8.247)],  # 2.995 % of the published figure, both ways
    draw=_draw_clock, draws=40,
    raises=[Case(1000, 64, 24), Case(1000, 64, 47), Case(1000, 64, 8 * 1.05), Case(1000, 64, 16 * 0.95),
            Case(1000, 64, 8 * 64), Case(1000, 64, 4), Case(3996, 7680, 8000), Case(1000, 64, 8 * 33.2),
            Case(1000, 64, 256 * 1.035), Case(1000, 64, 256 * 0.965), Case(1000, 64, 7.7666), Case(1000, 64, 8.2479)],
    compare=close(1e-9),
    misconceptions=[
        Misconception(
            "nearest_integer", _clock(round),
            "You rounded the ratio to the nearest whole number. Memories move 1, 2, 4, 8, 16 or 32 bits per cycle of a "
            "clock, never 3 or 31: round the logarithm, and refuse what fits no power of two.",
            "The factor is not a power of two.",
            also=(_clock(round, check=False), _clock(lambda r: min(max(round(r), 1), 32)))),
        Misconception(
            "cuts_the_logarithm", _clock(lambda r: 2 ** min(max(math.floor(math.log2(r)), 0), 5), check=False),
            "Published figures are rounded, so the ratio is never exactly a power of two: for the B200 as announced it is "
            "1.955. Cutting its logarithm, or always rounding it up, lands one power off. Take the nearest.",
            "The logarithm is cut, not rounded.",
            also=(_clock(lambda r: 2 ** min(max(math.floor(math.log2(r)), 0), 5)),
                  _clock(lambda r: 2 ** min(max(math.ceil(math.log2(r)), 0), 5), check=False),
                  _clock(lambda r: 2 ** min(max(math.ceil(math.log2(r)), 0), 5)),
                  _clock(lambda r: 2 ** int(math.log2(r)) if r >= 1 else 1, check=False))),
        Misconception(
            "mt_s", _clock(_nearest_power, lambda shown, bus, published, t: published * 8000 / bus),
            "The second number is in MT/s (or Mbit/s). It is asked in Gbit/s for one pin: 14.0, not 14000.",
            "The pin rate has the wrong unit.",
            also=(_clock(_nearest_power, lambda shown, bus, published, t: shown * t),
                  _clock(_nearest_power, lambda shown, bus, published, t: published * 8000 / bus, check=False),
                  _clock(_nearest_power, lambda shown, bus, published, t: shown * t, check=False))),
        Misconception(
            "assumes_ddr", _clock(lambda r: 2, check=False),
            "You take the factor 2 for granted. It holds for HBM, for DDR5 and for what nvidia-smi shows; 875 MHz of an "
            "AMD driver needs another one. Compare the published figure with what a factor of 1 would give.",
            "Every clock is treated as DDR.",
            also=(_clock(lambda r: 2),)),
        Misconception(
            "rate_from_the_clock", _clock(_nearest_power, lambda shown, bus, published, t: shown * t / 1000),
            "The factor is right. The pin rate was computed from the shown clock; the task asks for the one behind the "
            "published figure. They differ where the figure is rounded (900 GB/s for 898 on the V100).",
            "The pin rate comes from the clock.",
            also=(_clock(_nearest_power, lambda shown, bus, published, t: shown * t / 1000, check=False),)),
        Misconception(
            "gb_a_pin", _clock(_nearest_power, lambda shown, bus, published, t: published / bus),
            "The second number is in GB/s a pin. A pin's rate is quoted in bits: Gbit/s.",
            "The pin rate is in bytes.",
            also=(_clock(_nearest_power, lambda shown, bus, published, t: published / bus, check=False),)),
        Misconception(
            "percent_of_computed", _of_computed,
            "Factor and rate are right. The 3 % are meant of the published figure; you took them of the computed one, which "
            "moves the border a little.",
            "3 % of the other figure."),
    ],
    alternatives=[_search, _argmin, _clock(_nearest_power)],
    hints=(
        "With one transfer a clock the bandwidth would be `shown_mhz * bus_bits / 8 / 1000` GB/s. The factor is how many "
        "times the published figure is larger.",
        "The nearest power of two on a log scale: `2 ** round(math.log2(ratio))`, kept between 1 and 32. Trying the six "
        "candidates works as well.",
        "The pin rate needs no clock: published GB/s, times 8 bits, over the number of pins.",
    ),
    worth_knowing="B200's driver reports 3996 MHz and 7680 bit: 7.67 TB/s. With 7680 bit and the announced 8 TB/s the function refuses.",
)


# --- 3. sectors_touched -----------------------------------------------------------------------


def _by_bytes(addresses: Sequence[int], item_bytes: int, sector: int = 32) -> int:
    return len({byte // sector for a in addresses for byte in range(a, a + item_bytes)})


def _by_intervals(addresses: Sequence[int], item_bytes: int, sector: int = 32) -> int:
    """Sorted items, counting for each the sectors beyond the last one seen."""
    seen, count = -1, 0
    for address in sorted(addresses):
        first, last = max(address // sector, seen + 1), (address + item_bytes - 1) // sector
        count += max(0, last - first + 1)
        seen = max(seen, last)
    return count


def _with_numpy(addresses: Sequence[int], item_bytes: int, sector: int = 32) -> int:
    every_byte = np.asarray(addresses)[:, None] + np.arange(item_bytes)
    return int(np.unique(every_byte // sector).size)


def _sum_of_lanes(addresses: Sequence[int], item_bytes: int, sector: int = 32) -> int:
    return sum((a + item_bytes - 1) // sector - a // sector + 1 for a in addresses)


def _draw_addresses(rng: np.random.Generator) -> Case:
    lanes = int(rng.integers(1, 33))
    item = int(rng.choice([1, 2, 4, 8, 16, 5, 24, 48, 100]))
    sector = int(rng.choice([32, 32, 32, 64, 128, 16]))
    if rng.random() < 0.4:  # strided, from anywhere
        addresses = int(rng.integers(0, 200)) + np.arange(lanes) * int(rng.integers(0, 40)) * item
    else:
        addresses = rng.integers(0, int(rng.choice([64, 600, 5000])), lanes)
    addresses = rng.permutation(addresses).tolist()
    return Case(addresses, item) if sector == 32 else Case(addresses, item, sector)


_FLOATS = [4 * lane for lane in range(32)]

sectors_touched = Exercise(
    id="44.sectors_touched", points=4, difficulty=2, minutes=15, idea="memory moves whole sectors",
    reference=bandwidth.sectors_touched,
    cases=[
        Case(_FLOATS, 4, label="sectors_touched([0, 4, 8, …, 124], 4)"),
        Case([a + 4 for a in _FLOATS], 4, label="sectors_touched([4, 8, 12, …, 128], 4)"),
        Case([2 * a for a in _FLOATS], 4, label="sectors_touched([0, 8, 16, …, 248], 4)"),
        Case([8 * a for a in _FLOATS], 4, label="sectors_touched([0, 32, 64, …, 992], 4)"),
        Case([256] * 32, 4, label="sectors_touched([256, 256, …, 256], 4)"),
    ],
    hidden=[Case([30], 8), Case([16], 100), Case([0], 32), Case([1], 32), Case([31], 1), Case([32], 1), Case([0, 0, 31], 2),
            Case([1000, 3], 4), Case([64, 0], 4), Case([0], 300), Case(_FLOATS[::-1], 4, label="32 floats, last lane first"),
            Case(_FLOATS, 4, 128, label="32 floats, sectors of 128 bytes"), Case([60, 124], 8, 64),
            Case([32 * a for a in _FLOATS], 4, label="stride 32"), Case([28, 4, 12], 4), Case([0, 64], 48)],
    draw=_draw_addresses, draws=60,
    compare=exact(),
    misconceptions=[
        Misconception(
            "total_bytes", lambda addresses, item, sector=32: -(-len(addresses) * item // sector),
            "The sum of the requested bytes over the sector size counts a perfectly packed, aligned access. It sees neither "
            "where the first item begins nor the gaps between the items. Ask for every item in which sectors it lies.",
            "Alignment and stride are ignored.",
            also=(lambda addresses, item, sector=32: -(-len(set(addresses)) * item // sector),)),
        Misconception(
            "first_bytes", lambda addresses, item, sector=32: len({a // sector for a in addresses}),
            "You look at the first byte of each item only. An 8-byte item at address 30 ends at byte 37, in the next "
            "sector. Its last byte counts as well.",
            "Items that cross a border are missed."),
        Misconception(
            "first_and_last", lambda addresses, item, sector=32: len(
                {a // sector for a in addresses} | {(a + item - 1) // sector for a in addresses}),
            "First and last byte are looked at, what lies between them is not. An item of 100 bytes can cover five sectors.",
            "The middle of a long item is missed."),
        Misconception(
            "lines_of_128", lambda addresses, item, sector=32: _by_bytes(addresses, item, 128),
            "You count cache lines of 128 bytes. Tags are kept for such lines, but data moves in sectors of 32 bytes: 32 "
            "consecutive floats are 4 sectors, not 1 line.",
            "Lines were counted, not sectors."),
        Misconception(
            "every_lane_counts", _sum_of_lanes,
            "You add up the sectors of all lanes. A sector is fetched once for the whole warp, however many lanes ask for "
            "it: 32 lanes at one address cost 1.",
            "A sector was counted more than once."),
        Misconception(
            "one_a_lane", lambda addresses, item, sector=32: len(set(addresses)),
            "You count lanes, or different addresses. Neighbouring lanes share sectors: 32 consecutive floats lie in 4 of "
            "them.",
            "Every lane got a sector of its own.",
            also=(lambda addresses, item, sector=32: len(addresses),)),
        Misconception(
            "counts_gaps", lambda addresses, item, sector=32:
                (max(addresses) + item - 1) // sector - min(addresses) // sector + 1,
            "You count everything between the lowest and the highest address. Sectors in which no lane asked for a byte "
            "stay where they are; ask lane by lane.",
            "Untouched sectors were counted.",
            also=(lambda addresses, item, sector=32: -(-(max(addresses) + item - min(addresses)) // sector),)),
        Misconception(
            "element_numbers", lambda addresses, item, sector=32: _by_bytes([a * item for a in addresses], item, sector),
            "The addresses are byte addresses. You multiplied them by the item size, as if they were element numbers.",
            "Addresses were read as element numbers."),
        Misconception(
            "end_is_inside", lambda addresses, item, sector=32: len(
                {s for a in addresses for s in range(a // sector, (a + item) // sector + 1)}),
            "`address + item_bytes` is the first byte after the item. An item that ends exactly at a sector's border does "
            "not touch the next one.",
            "One byte too many.",
            also=(lambda addresses, item, sector=32: len(
                {a // sector for a in addresses} | {(a + item) // sector for a in addresses}),)),
        Misconception(
            "always_32", lambda addresses, item, sector=32: _by_bytes(addresses, item, 32),
            "The default of 32 bytes is right. The argument `sector` can bring another size, and it must be used.",
            "The sector size is fixed."),
    ],
    alternatives=[_by_bytes, _by_intervals, _with_numpy],
    hints=(
        "The byte at address b lies in sector number `b // sector`.",
        "An item covers the bytes from `a` to `a + item_bytes - 1`, so the sectors from `a // sector` to "
        "`(a + item_bytes - 1) // sector`, all of them.",
        "Put the sector numbers of all lanes into one set. Its size is the answer.",
    ),
    worth_knowing="Nsight Compute reports this as sectors per request: 4 is ideal for 4-byte items, 32 means that 7/8 is wasted.",
)


# --- 4. stream_gb_s ---------------------------------------------------------------------------

_ARRAYS = {"copy": 2, "scale": 2, "add": 3, "triad": 3}


def _stream(arrays: Callable[[str, bool], int] = lambda kernel, wa: _ARRAYS[kernel] + wa,
            pick: Callable[[list], float] = lambda seconds: min(seconds[1:]), unit: float = 1e9, *,
            check: bool = True) -> Callable[..., float]:
    """A parametrised answer; with its defaults it is right."""

    def answer(kernel: str, n: int, item_bytes: int, seconds: list[float], write_allocate: bool = False) -> float:
        if check and len(seconds) < 2:
            raise ValueError("at least two repetitions")
        return arrays(kernel, write_allocate) * n * item_bytes / pick(seconds) / unit

    return answer


def _if_chain(kernel: str, n: int, item_bytes: int, seconds: list[float], write_allocate: bool = False) -> float:
    """Reads and writes counted apart, the best rate over the repetitions."""
    reads = 1 if kernel in ("copy", "scale") else 2
    if write_allocate:
        reads += 1  # the line that the store fetches
    rates = [(reads + 1) * n * item_bytes / t for t in seconds[1:]]
    return max(rates) * 1e-9


def _median(values: list[float]) -> float:
    return float(np.median(values))


def _draw_stream(rng: np.random.Generator) -> Case:
    kernel = ("copy", "scale", "add", "triad")[int(rng.integers(4))]
    seconds = [float(f"{t:.4g}") for t in rng.uniform(0.005, 0.05, int(rng.integers(2, 9)))]
    if rng.random() < 0.5:
        seconds[0] *= 10
    args = (kernel, int(rng.integers(1, 50)) * 10**6, int(rng.choice([1, 2, 4, 8])), seconds)
    return Case(*args) if rng.random() < 0.5 else Case(*args, bool(rng.random() < 0.7))


stream_gb_s = Exercise(
    id="44.stream_gb_s", points=3, difficulty=1, minutes=10, idea="count the bytes before you divide",
    reference=bandwidth.stream_gb_s,
    cases=[Case("triad", 10_000_000, 8, [0.9, 0.03, 0.024]), Case("copy", 10_000_000, 4, [0.5, 0.02, 0.016], True)],
    hidden=[Case("scale", 1_000_000, 4, [0.001, 0.004, 0.002]), Case("add", 1_000_000, 8, [0.1, 0.002]),
            Case("copy", 1_000_000, 2, [0.0005, 0.001, 0.003, 0.002]), Case("add", 5_000_000, 4, [1.0, 0.01, 0.02], True),
            Case("scale", 5_000_000, 4, [1.0, 0.01, 0.02], True), Case("triad", 3_000_000, 8, [0.2, 0.3, 0.25], False)],
    draw=_draw_stream, draws=30,
    raises=[Case("copy", 1000, 4, [0.1], label="a single repetition"), Case("triad", 1000, 4, [], label="no repetition")],
    compare=close(1e-9),
    misconceptions=[
        Misconception(
            "two_arrays", _stream(lambda kernel, wa: 2 + wa),
            "Add and triad read two arrays and write one: three in all. Count what the loop touches, read by read.",
            "Every kernel was given two arrays.", also=(_stream(lambda kernel, wa: 2 + wa, check=False),)),
        Misconception(
            "averages", _stream(pick=mean),
            "You took an average. Other programs only ever make a repetition slower, so the fastest one is closest to "
            "what the memory can do; and the first one, the warm-up, does not count.",
            "The mean instead of the best.",
            also=(_stream(pick=lambda s: mean(s[1:])), _stream(pick=_median), _stream(pick=lambda s: _median(s[1:])),
                  _stream(pick=lambda s: mean(s) if s else 1.0, check=False),
                  _stream(pick=lambda s: mean(s[1:] or [1.0]), check=False))),
        Misconception(
            "keeps_warm_up", _stream(pick=min),
            "The first repetition takes part in your minimum. It is the warm-up (first touch of the pages, cold caches, "
            "clocks still rising) and is dropped, fast or slow.",
            "The warm-up was kept.", also=(_stream(pick=lambda s: min(s, default=1.0), check=False),)),
        Misconception(
            "drops_the_last", _stream(pick=lambda s: min(s[:-1])),
            "You dropped a repetition at the wrong end: the warm-up is the first one.",
            "The last repetition was dropped."),
        Misconception(
            "gib", _stream(unit=2**30),
            "That is GiB/s. Bandwidth is quoted in decimal GB/s, 10^9 bytes a second; the two differ by 7 %.",
            "The unit is GiB/s.", also=(_stream(unit=2**30, check=False), _stream(unit=1e6 * 1024), _stream(unit=1e3 * 2**20))),
        Misconception(
            "write_always_twice", _stream(lambda kernel, wa: _ARRAYS[kernel] + 1),
            "You count the read that a store may cause in every case. STREAM's rule counts what the loop asks for; the "
            "extra array belongs in only with `write_allocate=True`.",
            "The extra read is always counted.", also=(_stream(lambda kernel, wa: _ARRAYS[kernel] + 1, check=False),)),
        Misconception(
            "ignores_write_allocate", _stream(lambda kernel, wa: _ARRAYS[kernel]),
            "With `write_allocate=True` a store first reads the line that it will overwrite. That is one more array on "
            "the bus for each kernel.",
            "The flag makes no difference.", also=(_stream(lambda kernel, wa: _ARRAYS[kernel], check=False),)),
        Misconception(
            "doubles_with_write_allocate", _stream(lambda kernel, wa: _ARRAYS[kernel] * (1 + wa)),
            "You doubled everything for `write_allocate`. Only the array that is stored is read in addition: one array more.",
            "Too much is read again.", also=(_stream(lambda kernel, wa: _ARRAYS[kernel] * (1 + wa), check=False),)),
        Misconception(
            "items", lambda kernel, n, item_bytes, seconds, write_allocate=False:
                _stream()(kernel, n, 1, seconds, write_allocate),
            "You count items. Each of them has `item_bytes` bytes.",
            "Items were taken for bytes.",
            also=(lambda kernel, n, item_bytes, seconds, write_allocate=False:
                  _stream(check=False)(kernel, n, 1, seconds, write_allocate),)),
        Misconception(
            "reads_only", _stream(lambda kernel, wa: _ARRAYS[kernel] - 1 + wa),
            "You count what is read. What is written crosses the same bus and counts too: copy moves two arrays.",
            "The writes are missing.", also=(_stream(lambda kernel, wa: _ARRAYS[kernel] - 1 + wa, check=False),)),
    ],
    alternatives=[_if_chain, _stream()],
    hints=(
        "Write the loops down: copy `c = a`, scale `b = 3 c`, add `c = a + b`, triad `a = b + 3 c`. How many arrays does "
        "each one touch?",
        "The time that counts is `min(seconds[1:])`.",
        "Bytes are arrays × n × item_bytes. Divide by seconds, then by 10^9.",
    ),
    worth_knowing="A kernel that stores around the cache avoids the extra read; then STREAM's count is what the bus really carries.",
)


# --- 5. decode_plan ---------------------------------------------------------------------------


def _plan(*, weights: Callable = lambda n, bits, batch: n * bits / 8,
          cache: Callable = lambda kv, context, batch, bits: batch * kv * context,
          flops: Callable = lambda n, batch: 2 * n * batch, step: Callable = max,
          tokens: Callable = lambda batch, ms: batch / ms * 1e3, binary: bool = False) -> Callable[..., dict]:
    """A parametrised plan; with its defaults it is right."""

    def answer(n_matmul_params: int, bits_per_weight: float, kv_bytes_per_token: float, context: int, batch: int,
               bw_gb_s: float, peak_tflop_s: float) -> dict:
        moved = weights(n_matmul_params, bits_per_weight, batch)
        moved += cache(kv_bytes_per_token, context, batch, bits_per_weight)
        memory = moved / (bw_gb_s * (2**30 if binary else 1e9)) * 1e3
        compute = flops(n_matmul_params, batch) / (peak_tflop_s * 1e12) * 1e3
        return {"memory_ms": memory, "compute_ms": compute, "tokens_per_s": tokens(batch, step(memory, compute)),
                "bound": "memory" if memory >= compute else "compute"}

    return answer


def _by_token(n_matmul_params: int, bits_per_weight: float, kv_bytes_per_token: float, context: int, batch: int,
              bw_gb_s: float, peak_tflop_s: float) -> dict:
    """Seconds per token of each resource first; the larger one decides."""
    a_token = {"memory": (n_matmul_params * bits_per_weight / 8 / batch + kv_bytes_per_token * context) / bw_gb_s / 1e9,
               "compute": 2 * n_matmul_params / peak_tflop_s / 1e12}
    bound = max(a_token, key=a_token.get)
    return {"bound": bound, "tokens_per_s": 1 / a_token[bound],
            **{f"{name}_ms": 1e3 * batch * seconds for name, seconds in a_token.items()}}


_LLAMA = (7_504_658_432, 16, 131_072)
_H100 = (3350, 989)


def _draw_plan(rng: np.random.Generator) -> Case:
    params = int(rng.integers(1, 70_000)) * 10**6
    bits = float(rng.choice([3.5, 4, 4.5, 6.25, 8, 16]))
    kv = int(rng.integers(8, 400)) * 1024
    context = int(rng.choice([0, 0, int(rng.integers(1, 500)), int(rng.integers(500, 9000))]))
    batch = int(rng.choice([1, int(rng.integers(2, 16)), int(rng.integers(16, 1500))]))
    return Case(params, bits, kv, context, batch, int(rng.integers(200, 8001)), int(rng.integers(50, 2501)))


decode_plan = Exercise(
    id="44.decode_plan", points=5, difficulty=3, minutes=20, idea="weights once a step, the cache once a sequence",
    reference=bandwidth.decode_plan,
    cases=[Case(*_LLAMA, 0, 1, *_H100), Case(*_LLAMA, 8192, 1, *_H100), Case(*_LLAMA, 1024, 64, *_H100)],
    hidden=[Case(*_LLAMA, 0, 295, *_H100), Case(*_LLAMA, 0, 296, *_H100), Case(*_LLAMA, 8192, 296, *_H100),
            Case(*_LLAMA, 8192, 4096, *_H100), Case(7_504_658_432, 4.5, 131_072, 0, 1, *_H100),
            Case(7_504_658_432, 4.5, 131_072, 4096, 8, *_H100), Case(*_LLAMA, 0, 2000, *_H100),
            Case(1_000_000, 8, 512, 1, 3, 100, 10)],
    draw=_draw_plan, draws=40,
    compare=close(1e-9),
    misconceptions=[
        Misconception(
            "weights_per_sequence", _plan(weights=lambda n, bits, batch: n * bits / 8 * batch),
            "You read the weights once for each sequence. All sequences of a step use the same weights, so they are read "
            "once for all of them: that is why servers batch.",
            "Weights are read for every sequence."),
        Misconception(
            "cache_once", _plan(cache=lambda kv, context, batch, bits: kv * context),
            "You read one cache for the whole batch. Keys and values belong to a sequence; each of the sequences has "
            "its own cache, and each is read in every step.",
            "One cache serves the whole batch."),
        Misconception(
            "one_token_a_step", _plan(tokens=lambda batch, ms: 1e3 / ms),
            "A step yields one token for each sequence. Your tokens/s are those of one sequence; asked are those of the "
            "whole batch.",
            "The batch is missing in the tokens."),
        Misconception(
            "adds_the_times", _plan(step=lambda memory, compute: memory + compute),
            "You added the two times. Transfers and arithmetic overlap, so as a lower bound the step takes the longer of "
            "the two, not their sum.",
            "The times were added."),
        Misconception(
            "memory_only", _plan(step=lambda memory, compute: memory),
            "Your tokens/s follow from the memory time alone. From the batch on at which arithmetic takes longer, it is "
            "arithmetic that ends the step.",
            "Arithmetic never limits."),
        Misconception(
            "bits_as_bytes", _plan(weights=lambda n, bits, batch: n * bits),
            "`bits_per_weight` was used as if it were bytes: the weights came out 8 times too large.",
            "Bits were taken for bytes."),
        Misconception(
            "cache_shrinks_too", _plan(cache=lambda kv, context, batch, bits: batch * kv * context * bits / 16),
            "You scaled the cache with the bits of a weight. Quantizing the weights leaves keys and values as they are; "
            "`kv_bytes_per_token` is already the whole size of a token's entry.",
            "The cache shrank with the weights.",
            also=(_plan(cache=lambda kv, context, batch, bits: batch * kv * context * bits / 8),)),
        Misconception(
            "macs", _plan(flops=lambda n, batch: n * batch),
            "One FLOP per weight is the count of multiply-accumulates. A weight costs a multiplication and an addition: "
            "two FLOPs for each token.",
            "Multiply-accumulates were counted."),
        Misconception(
            "computes_one_token", _plan(flops=lambda n, batch: 2 * n),
            "The arithmetic of a step was counted for one sequence. Each sequence of the batch multiplies with all weights.",
            "The batch is missing in the arithmetic."),
        Misconception(
            "no_context", _plan(cache=lambda kv, context, batch, bits: batch * kv),
            "You read one token of cache per sequence. Attention looks back at all `context` tokens, so all their keys "
            "and values are read in every step.",
            "The context is missing in the cache.",
            also=(_plan(cache=lambda kv, context, batch, bits: 0),)),
        Misconception(
            "tokens_per_ms", _plan(tokens=lambda batch, ms: batch / ms),
            "The times are in milliseconds, so batch over time gives tokens per millisecond. Asked are tokens per second.",
            "Tokens per millisecond."),
        Misconception(
            "binary", _plan(binary=True),
            "You took a GB/s as 2^30 bytes a second. Bandwidth is quoted in decimal units: 10^9.",
            "Decimal and binary units are mixed."),
    ],
    alternatives=[_by_token, _plan()],
    hints=(
        "Bytes of a step: the weights once, n × bits / 8, plus batch × context × kv_bytes_per_token.",
        "FLOPs of a step: 2 × n for each sequence. Milliseconds: bytes / (bw_gb_s × 10^6) and FLOPs / (peak_tflop_s × 10^9).",
        "The step lasts as long as the slower of the two. It yields `batch` tokens.",
    ),
    worth_knowing="With 8,192 tokens of context the H100 never becomes compute-bound: each sequence's cache takes longer to read "
                  "than its token takes to compute.",
)

EXERCISES = [peak_gb_s, identify_clock, sectors_touched, stream_gb_s, decode_plan]
