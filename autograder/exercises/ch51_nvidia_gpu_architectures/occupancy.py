"""Exercise 51.occupancy: NVIDIA's rules for what fits on an SM."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from utils.hardware import gpu_arch

from ...compare import close
from ...exercise import Case, Exercise, Misconception

LIMITS = {cc: limits.as_dict() for cc, limits in gpu_arch.SM_LIMITS.items()}
# Not a product: two halves, other units and sizes, so that nothing can be typed in.
MADE_UP = {"cc": "made up", "max_threads": 1280, "max_blocks": 12, "smem_bytes": 80 * 1024, "smem_optin_block_bytes": 40 * 1024,
           "smem_reserved_block_bytes": 512, "smem_alloc_unit": 512, "regs": 49152, "reg_alloc_unit": 512, "subpartitions": 2}


def _up(value: int, unit: int) -> int:
    return -(-value // unit) * unit


def _warps(threads: int) -> int:
    return -(-threads // 32)


def _by_regs(lim: dict, regs: int, threads: int) -> int:
    per_part = lim["regs"] // lim["subpartitions"] // _up(32 * regs, lim["reg_alloc_unit"])
    return per_part * lim["subpartitions"] // _warps(threads)


def _whole_file(lim: dict, regs: int, threads: int) -> int:
    """Rounded for each warp, but one file for the SM."""
    return lim["regs"] // _up(32 * regs, lim["reg_alloc_unit"]) // _warps(threads)


def _regs_unrounded(lim: dict, regs: int, threads: int) -> int:
    return lim["regs"] // lim["subpartitions"] // (32 * regs) * lim["subpartitions"] // _warps(threads)


def _per_block(lim: dict, regs: int, threads: int) -> int:
    """Rounded once for the block."""
    return lim["regs"] // _up(32 * regs * _warps(threads), lim["reg_alloc_unit"])


def _block_in_one_part(lim: dict, regs: int, threads: int) -> int:
    """All warps of a block in one quarter."""
    per_part = lim["regs"] // lim["subpartitions"] // _up(32 * regs, lim["reg_alloc_unit"])
    return per_part // _warps(threads) * lim["subpartitions"]


def _by_smem(lim: dict, smem: int) -> float:
    need = _up(smem + lim["smem_reserved_block_bytes"], lim["smem_alloc_unit"])
    if need > lim["smem_optin_block_bytes"] + lim["smem_reserved_block_bytes"]:
        return 0
    return lim["smem_bytes"] // need if need else math.inf


def _no_reserved(lim: dict, smem: int) -> float:
    need = _up(smem, lim["smem_alloc_unit"])
    if need > lim["smem_optin_block_bytes"]:
        return 0
    return lim["smem_bytes"] // need if need else math.inf


def _smem_unrounded(lim: dict, smem: int) -> float:
    need = smem + lim["smem_reserved_block_bytes"]
    if need > lim["smem_optin_block_bytes"] + lim["smem_reserved_block_bytes"]:
        return 0
    return lim["smem_bytes"] // need if need else math.inf


def _no_optin(lim: dict, smem: int) -> float:
    need = _up(smem + lim["smem_reserved_block_bytes"], lim["smem_alloc_unit"])
    return lim["smem_bytes"] // need if need else math.inf


def _division_by_zero(lim: dict, smem: int) -> float:
    need = _up(smem + lim["smem_reserved_block_bytes"], lim["smem_alloc_unit"])
    return 0 if need > lim["smem_optin_block_bytes"] + lim["smem_reserved_block_bytes"] else lim["smem_bytes"] // need


def _rules(*, regs_rule: Callable = _by_regs, smem_rule: Callable = _by_smem, cap: bool = True, by_warps: Callable | None = None,
           warps: Callable[[int], float] = _warps, share: Callable | None = None, at_least_one: bool = False) -> Callable:
    """An answer with one of its steps replaced."""

    def answer(limits: dict, regs: int, smem: int, threads: int) -> tuple[int, float]:
        slots = limits["max_threads"] // 32
        fits = [by_warps(limits, threads) if by_warps else slots // _warps(threads), regs_rule(limits, regs, threads), smem_rule(limits, smem)]
        blocks = int(min(fits + [limits["max_blocks"]] if cap else fits))
        blocks = max(blocks, 1) if at_least_one else blocks
        return blocks, (share(limits, blocks, threads) if share else blocks * warps(threads) / slots)

    return answer


def _naive(limits: dict, regs: int, smem: int, threads: int) -> tuple[int, float]:
    """The formula that everybody writes first."""
    fits = [limits["regs"] // (regs * threads), limits["max_threads"] // threads, limits["max_blocks"], _by_smem(limits, smem)]
    blocks = int(min(fits))
    return blocks, blocks * _warps(threads) / (limits["max_threads"] // 32)


def _naive_with_warps(limits: dict, regs: int, smem: int, threads: int) -> tuple[int, float]:
    return _rules(regs_rule=lambda lim, r, t: lim["regs"] // (r * t))(limits, regs, smem, threads)


def _floor_warps(limits: dict, regs: int, smem: int, threads: int) -> tuple[int, float]:
    """threads // 32 everywhere; the remainder takes no slot."""
    warps = max(threads // 32, 1)
    per_part = limits["regs"] // limits["subpartitions"] // _up(32 * regs, limits["reg_alloc_unit"])
    slots = limits["max_threads"] // 32
    blocks = int(min(slots // warps, per_part * limits["subpartitions"] // warps, _by_smem(limits, smem), limits["max_blocks"]))
    return blocks, blocks * warps / slots


def _loop(limits: dict, regs: int, smem: int, threads: int) -> tuple[int, float]:
    """Adds blocks one by one until something overflows."""
    warps, unit = math.ceil(threads / 32), limits["reg_alloc_unit"]
    cost = -(-regs * 32 // unit) * unit
    room = sum(limits["regs"] // limits["subpartitions"] // cost for _ in range(limits["subpartitions"]))
    need = smem + limits["smem_reserved_block_bytes"]
    need += -need % limits["smem_alloc_unit"]
    blocks, slots = 0, limits["max_threads"] // 32
    if need <= limits["smem_optin_block_bytes"] + limits["smem_reserved_block_bytes"]:
        while (blocks < limits["max_blocks"] and (blocks + 1) * warps <= min(slots, room)
               and (blocks + 1) * need <= limits["smem_bytes"]):
            blocks += 1
    return blocks, blocks * warps / slots


def _by_placing_warps(limits: dict, regs: int, smem: int, threads: int) -> tuple[int, float]:
    """Hands each warp to the part with the most registers left."""
    warps, slots = (threads + 31) // 32, limits["max_threads"] // 32
    cost = _up(regs * 32, limits["reg_alloc_unit"])
    parts, blocks, shared = [limits["regs"] // limits["subpartitions"]] * limits["subpartitions"], 0, limits["smem_bytes"]
    need = _up(smem + limits["smem_reserved_block_bytes"], limits["smem_alloc_unit"])
    if need > limits["smem_optin_block_bytes"] + limits["smem_reserved_block_bytes"]:
        return 0, 0.0
    while blocks < limits["max_blocks"] and (blocks + 1) * warps <= slots and shared >= need:
        for _ in range(warps):
            part = parts.index(max(parts))
            if parts[part] < cost:
                return blocks, blocks * warps / slots
            parts[part] -= cost
        blocks, shared = blocks + 1, shared - need
    return blocks, blocks * warps / slots


def _table_driven(limits: dict, regs: int, smem: int, threads: int) -> tuple[int, float]:
    """With the launch check of NVIDIA's header written out: warps rounded up to the quarters."""
    parts, warps = limits["subpartitions"], math.ceil(threads / 32)
    cost = math.ceil(32 * regs / limits["reg_alloc_unit"]) * limits["reg_alloc_unit"]
    need = math.ceil((smem + limits["smem_reserved_block_bytes"]) / limits["smem_alloc_unit"]) * limits["smem_alloc_unit"]
    starts = (math.ceil(warps / parts) * parts * cost <= limits["regs"]
              and need <= limits["smem_optin_block_bytes"] + limits["smem_reserved_block_bytes"])
    table = {"warps": limits["max_threads"] / 32 / warps, "registers": limits["regs"] // parts // cost * parts / warps, "shared": limits["smem_bytes"] / max(need, 1), "blocks": limits["max_blocks"]}
    blocks = math.floor(min(table.values())) if starts else 0
    return blocks, float(blocks * warps / (limits["max_threads"] / 32))


def _case(cc: str, regs: int, smem: int, threads: int) -> Case:
    limits = MADE_UP if cc == "made up" else LIMITS[cc]
    return Case(limits, regs, smem, threads, label=f"occupancy(limits of {cc if cc == 'made up' else 'CC ' + cc}, {regs}, {smem}, {threads})")


def _draw(rng: np.random.Generator) -> Case:
    cc = str(rng.choice([*LIMITS, "made up", "made up"]))
    threads = int(rng.choice([32, 33, 64, 96, 100, 128, 192, 250, 256, 320, 384, 512, 640, 700, 768, 896, 1000, 1024])) if rng.random() < 0.6 else int(rng.integers(1, 1025))
    regs = int(rng.integers(8, 97)) if rng.random() < 0.75 else int(rng.integers(1, 256))
    most = (MADE_UP if cc == "made up" else LIMITS[cc])["smem_bytes"]
    smem = int(rng.choice([0, 0, int(rng.integers(0, 8192)), int(rng.integers(0, 33000)), int(rng.integers(0, most + 2000))]))
    return _case(cc, regs, smem, threads)


occupancy = Exercise(
    id="51.occupancy", points=8, difficulty=3, minutes=35, idea="four stocks, each handed out in its own unit",
    reference=gpu_arch.occupancy,
    cases=[_case("7.0", 37, 0, 128), _case("7.0", 37, 0, 320), _case("9.0", 128, 0, 256), _case("8.0", 64, 0, 512), _case("8.0", 65, 0, 512), _case("8.0", 32, 49152, 128)],
    hidden=[
        _case("8.0", 32, 0, 32), _case("7.5", 16, 0, 32), _case("8.6", 16, 0, 64), _case("8.9", 16, 0, 64), _case("8.0", 32, 0, 33), _case("9.0", 40, 0, 1), _case("8.0", 65, 0, 1024), _case("8.0", 255, 0, 1024), _case("8.0", 255, 0, 32),
        _case("8.0", 32, 163 * 1024, 64), _case("8.0", 32, 163 * 1024 + 1, 64), _case("7.0", 32, 96 * 1024, 64), _case("7.0", 32, 96 * 1024 + 1, 64), _case("8.6", 32, 33 * 1024, 64), _case("8.6", 32, 33 * 1024 - 683, 64), _case("9.0", 32, 5000, 64), _case("7.5", 32, 2000, 64),
        _case("8.0", 32, 0, 1000), _case("8.6", 40, 0, 1024), _case("12.0", 48, 16000, 96), _case("11.0", 56, 0, 700), _case("8.0", 40, 0, 224), _case("made up", 40, 3000, 96), _case("made up", 17, 0, 32), _case("made up", 96, 40 * 1024, 256), _case("made up", 33, 9000, 129),
    ],
    draw=_draw, draws=120, compare=close(1e-9), pure=True,
    misconceptions=[
        Misconception("naive_registers", _naive,
                      "You divide the registers by registers times threads. They are handed out for each warp, rounded up to a unit, and each quarter of the SM has its own. 37 registers and 320 threads give 5 blocks by your formula, and 4 on the hardware.",
                      "Registers are not handed out one by one.", also=(_naive_with_warps,)),
        Misconception("one_register_file", _rules(regs_rule=_whole_file),
                      "Your registers are one stock for the SM. Each quarter has its own, and a warp cannot be split between two: round down for each quarter before you add up.", "Each quarter has its own registers."),
        Misconception("regs_unrounded", _rules(regs_rule=_regs_unrounded),
                      "A warp gets its registers in multiples of `reg_alloc_unit`. 32 times `regs` has to be rounded up first.", "Registers come in units."),
        Misconception("rounded_per_block", _rules(regs_rule=_per_block),
                      "You round the registers of the whole block. They are handed out for each warp, so round up for one warp, then count warps.", "Round for each warp."),
        Misconception("block_in_one_quarter", _rules(regs_rule=_block_in_one_part),
                      "You keep all warps of a block in one quarter. They are spread: add up the warps that fit into all quarters, then divide by the warps of a block.", "A block spreads over the quarters."),
        Misconception("no_reserved", _rules(smem_rule=_no_reserved),
                      "The shared memory that is reserved for each block is missing. From capability 8.0 on it is 1 KiB for every block, also for those that ask for none.", "Each block pays 1 KiB more."),
        Misconception("smem_unrounded", _rules(smem_rule=_smem_unrounded),
                      "Shared memory is handed out in multiples of `smem_alloc_unit`. Round what a block needs up, the reserved bytes included.", "Shared memory comes in units."),
        Misconception("no_optin_limit", _rules(smem_rule=_no_optin),
                      "A block asks for more shared memory than one block may have, and yours still starts. Compare with `smem_optin_block_bytes`.", "Too much for one block."),
        Misconception("division_by_zero", _rules(smem_rule=_division_by_zero),
                      "A block without any shared memory, where nothing is reserved, divides by zero. Then shared memory is no limit.", "Nothing needed is no limit."),
        Misconception("threads_over_32", _floor_warps,
                      "You drop what is left of threads over 32. 33 threads occupy two warps: round up.", "Warps are whole.",
                      also=(_rules(warps=lambda t: t / 32), _rules(warps=lambda t: t / 32, by_warps=lambda lim, t: lim["max_threads"] // t), _rules(by_warps=lambda lim, t: lim["max_threads"] // t))),
        Misconception("block_cap_ignored", _rules(cap=False),
                      "Tiny blocks hit a limit of their own: an SM keeps at most `max_blocks` of them, however small they are.", "Blocks are limited too."),
        Misconception("percent", _rules(share=lambda lim, blocks, t: 100 * blocks * _warps(t) / (lim["max_threads"] // 32)),
                      "The second value is in percent. A fraction is asked: 0.75, not 75.", "A fraction, not percent."),
        Misconception("share_of_blocks", _rules(share=lambda lim, blocks, t: blocks / lim["max_blocks"]),
                      "You divide blocks by the most blocks. Occupancy counts warps: resident warps over warp slots.", "Occupancy counts warps."),
        Misconception("at_least_one", _rules(at_least_one=True),
                      "A block that does not fit still runs in your answer. It can't start: 0 blocks, and occupancy 0.", "This block can't start."),
        Misconception("fixed_64", _rules(share=lambda lim, blocks, t: blocks * _warps(t) / 64),
                      "You divide by 64 warps. That is so for capabilities 7.0, 8.0, 9.0, 10.0 and 10.3; others hold 32 or 48. Take it from `limits`.", "Not every SM holds 64 warps."),
    ],
    alternatives=[_loop, _by_placing_warps, _table_driven],
    hints=(
        "Compute four numbers of blocks, one for each stock, and take the smallest. `-(-a // b)` rounds a division up.",
        "Registers: first the cost of a warp, then warps in one quarter, then in all quarters, then blocks.",
        "Shared memory: asked plus reserved, rounded up. Compare it with the most for a block, then divide the SM's by it, unless it is 0.",
    ),
    worth_knowing="These rules gave the same number of blocks as NVIDIA's own header on all recorded configurations that the course's tests hold.",
)
