"""Exercise 37.huffman_lengths: code lengths of an optimal prefix code."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from utils.compression import coding

from ...compare import exact, prop
from ...exercise import Case, Exercise, Misconception

Freq = dict[int, int]
Rule = Callable[[Freq], dict[int, Any]]


def _answer(rule: Rule, *, check: bool = True, drop_zeros: bool = True, alone: int | None = 1) -> Rule:
    """A rule for two or more symbols, with the edges around it. alone: the length of a single symbol, None: the rule's."""

    def answer(freq: Freq) -> dict[int, Any]:
        used = {s: f for s, f in freq.items() if f > 0 or not drop_zeros}
        if check and not any(f > 0 for f in used.values()):
            raise ValueError("freq must have a positive frequency")
        if len(used) == 1 and alone is not None:
            return dict.fromkeys(used, alone)
        return rule(used) if used else {}

    return answer


def _both(rule: Rule, *others: Rule, **edges: Any) -> dict:
    """`answer` and `also` of a misconception: with and without the refusal; `others` are whole answers."""
    return {"answer": _answer(rule, **edges), "also": (_answer(rule, **edges, check=False), *others)}


def _merging(key: Callable[[int], int] = lambda weight: weight) -> Rule:
    """Huffman's merging with another order of the heap."""

    def rule(freq: Freq) -> dict[int, int]:
        lengths = dict.fromkeys(freq, 0)
        heap = [(key(f), i, f, [s]) for i, (s, f) in enumerate(freq.items())]
        heapq.heapify(heap)
        made = len(heap)
        while len(heap) > 1:
            (*_, a, left), (*_, b, right) = heapq.heappop(heap), heapq.heappop(heap)
            for symbol in left + right:
                lengths[symbol] += 1
            heapq.heappush(heap, (key(a + b), made, a + b, left + right))
            made += 1
        return lengths

    return rule


_huffman = _merging()


def _shannon(freq: Freq) -> dict[int, int]:
    total = sum(freq.values())
    return {s: max(1, math.ceil(math.log2(total / f) - 1e-12)) for s, f in freq.items()}


def _rounded_bits(freq: Freq) -> dict[int, int]:
    total = sum(freq.values())
    return {s: max(1, round(math.log2(total / f))) for s, f in freq.items()}


def _uniform(freq: Freq) -> dict[int, int]:
    return dict.fromkeys(freq, max(1, (len(freq) - 1).bit_length()))


def _fano(freq: Freq) -> dict[int, int]:
    """Split the sorted list where its halves are nearest to each other, again and again."""
    lengths = dict.fromkeys(freq, 0)

    def split(symbols: list[int]) -> None:
        if len(symbols) < 2:
            return
        sums = np.cumsum([freq[s] for s in symbols])
        at = int(np.argmin(np.abs(2 * sums[:-1] - sums[-1]))) + 1
        for symbol in symbols:
            lengths[symbol] += 1
        split(symbols[:at])
        split(symbols[at:])

    split(sorted(freq, key=lambda s: -freq[s]))
    return lengths


def _chain(freq: Freq) -> dict[int, int]:
    """The rarest two, then always the result with the next one: a comb instead of a tree."""
    order = sorted(freq, key=lambda s: -freq[s])
    return {s: min(i + 1, len(order) - 1) for i, s in enumerate(order)}


def _neighbours(freq: Freq) -> dict[int, int]:
    """Sorted once; groups are merged in pairs, level by level."""
    lengths = dict.fromkeys(freq, 0)
    groups = [[s] for s in sorted(freq, key=lambda s: freq[s])]
    while len(groups) > 1:
        for symbol in (s for pair in groups[: len(groups) // 2 * 2] for s in pair):
            lengths[symbol] += 1
        groups = [[s for group in groups[i:i + 2] for s in group] for i in range(0, len(groups), 2)]
    return lengths


def _codes(freq: Freq) -> dict[int, str]:
    return coding.canonical_codes(_huffman(freq))


def _one_longer(freq: Freq) -> dict[int, int]:
    return {s: length + 1 for s, length in _huffman(freq).items()}


def _sorted_by_symbol(freq: Freq) -> dict[int, int]:
    """The right lengths, handed out in the order of the symbols."""
    return dict(zip(sorted(freq), sorted(_huffman(freq).values())))


# --- right in other ways --------------------------------------------------------------------------


def _two_queues(freq: Freq) -> dict[int, int]:
    """Sorted leaves in one queue, merged groups in another: the next rarest is at the head of one of them."""
    leaves = deque(sorted((f, [s]) for s, f in freq.items() if f > 0))
    if not leaves:
        raise ValueError("no symbol occurs")
    lengths, merged = {s: int(len(leaves) == 1) for _, (s,) in leaves}, deque()

    def rarest() -> tuple[int, list[int]]:
        if not merged or (leaves and leaves[0][0] <= merged[0][0]):
            return leaves.popleft()
        return merged.popleft()

    while len(leaves) + len(merged) > 1:
        (a, left), (b, right) = rarest(), rarest()
        merged.append((a + b, left + right))
        for symbol in left + right:
            lengths[symbol] += 1
    return lengths


def _tree(freq: Freq) -> dict[int, int]:
    """A tree of nested pairs, resorted after each merge; then the depth of each leaf."""
    nodes = sorted(((f, s) for s, f in freq.items() if f > 0), key=lambda n: n[0])
    if not nodes:
        raise ValueError("no symbol occurs")
    while len(nodes) > 1:
        (a, left), (b, right), *rest = nodes
        nodes = sorted([(a + b, (left, right)), *rest], key=lambda n: n[0])

    def depths(node: Any, depth: int) -> dict[int, int]:
        if isinstance(node, tuple):
            return depths(node[0], depth + 1) | depths(node[1], depth + 1)
        return {node: max(depth, 1)}

    return depths(nodes[0][1], 0)


def _package_merge(freq: Freq) -> dict[int, int]:
    """Package-merge (Larmore and Hirschberg): how often a symbol is in the cheapest 2n - 2 packages."""
    leaves = sorted((f, (s,)) for s, f in freq.items() if f > 0)
    if not leaves:
        raise ValueError("no symbol occurs")
    if len(leaves) == 1:
        return {leaves[0][1][0]: 1}
    packages: list = []
    for _ in range(len(leaves)):
        items = sorted(leaves + packages)
        packages = [(a[0] + b[0], a[1] + b[1]) for a, b in zip(items[::2], items[1::2])]
    chosen = [s for _, symbols in packages[: len(leaves) - 1] for s in symbols]
    return {s: chosen.count(s) for _, (s,) in leaves}


# --- cases ------------------------------------------------------------------------------------------


def _judge(case: Case, expected: dict, got: Any) -> str | None:
    """Optimal cost and a prefix code; which of the optimal codes is free."""
    freq = case.args[0]
    if not isinstance(got, dict):
        return "this is no dict of lengths"
    for symbol in expected:
        if symbol not in got:
            return f"symbol {symbol} has no length"
    for symbol, length in got.items():
        if symbol not in expected:
            return f"symbol {symbol} has a length, but it never occurs"
        if not isinstance(length, (int, float)) or length != int(length) or isinstance(length, bool):
            return f"the length of symbol {symbol} is {length!r}, expected a whole number of bits"
        if not 1 <= length <= 4096:
            return f"the length of symbol {symbol} is {length}, expected at least 1"
    if sum(Fraction(1, 2 ** int(length)) for length in got.values()) > 1:
        return "no prefix code has these lengths (the sum of 2^−length is above 1)"
    cost, best = (sum(freq[s] * lengths[s] for s in expected) for lengths in (got, expected))
    return None if cost == best else f"{cost:g} bits in all, the best code takes {best}"


def _draw(rng: np.random.Generator) -> Case:
    n = int(rng.integers(2, 13))
    kind = rng.integers(3)
    if kind == 0:
        counts = rng.integers(1, 30, n)
    elif kind == 1:
        counts = np.maximum(1, (1000 * rng.dirichlet(np.full(n, 0.5))).astype(int))
    else:
        counts = rng.integers(0, 6, n)
    counts[0] = max(1, counts[0])
    symbols = rng.permutation(64)[:n]
    return Case(dict(zip(symbols.tolist(), counts.tolist())))


huffman_lengths = Exercise(
    id="37.huffman_lengths", points=4, difficulty=2, minutes=15, idea="merge the two rarest",
    reference=coding.huffman_lengths,
    cases=[Case({0: 8, 1: 4, 2: 2, 3: 1, 4: 1}), Case({0: 3, 1: 3, 2: 2, 3: 2, 4: 2}), Case({7: 5, 9: 0})],
    hidden=[
        Case({5: 3}), Case({1: 1, 2: 1}), Case({0: 100, 1: 1, 2: 1}), Case(dict.fromkeys(range(8), 1), label="8 equal frequencies"),
        Case(dict.fromkeys(range(6), 1), label="6 equal frequencies"), Case({0: 1, 1: 1, 2: 2, 3: 3, 4: 5, 5: 8, 6: 13}),
        Case({0: 35, 1: 17, 2: 17, 3: 16, 4: 15}), Case({0: 0, 1: 4, 2: 0, 3: 4, 4: 1}), Case({2: 10, 1: 9, 0: 12}),
        Case({0: 15, 1: 7, 2: 6, 3: 6, 4: 5}), Case({0: 0, 1: 0, 2: 9}), Case({0: 1000, 1: 1, 2: 1, 3: 1, 4: 1}),
        Case({i: (i + 1) ** 2 for i in range(20)}, label="squares 1 … 400"),
    ],
    draw=_draw, draws=30, raises=[Case({}), Case({3: 0}), Case({1: 0, 2: 0})],
    compare=prop(_judge, same=exact()),
    misconceptions=[
        Misconception(
            "shannon", **_both(_shannon),
            message="Rounding log2(1/p) up gives Shannon's code: it can be decoded, but other codes are shorter. The rounding wastes "
                    "up to a bit for each symbol. Build the tree from the rare end.",
            title="Shannon's code is not optimal."),
        Misconception(
            "rounded_information", **_both(_rounded_bits),
            message="You round log2(1/p) to the nearest whole number. The lengths may then belong to no prefix code at all: add up "
                    "2^−length and see whether it stays below 1.",
            title="These lengths cannot be decoded."),
        Misconception(
            "uniform", **_both(_uniform),
            message="Every symbol gets the same length, whatever its frequency. Frequent symbols should have shorter codes.",
            title="The frequencies are not used."),
        Misconception(
            "shannon_fano", **_both(_fano),
            message="You split the sorted list from the top. A split that looks balanced may force a bad one below it. Begin at the "
                    "bottom: the two rarest symbols surely have the longest codes.",
            title="Split from the top, not merged from the bottom."),
        Misconception(
            "comb", **_both(_chain),
            message="You always merge the newest group with the next symbol. After a merge the two rarest may be two other ones: look "
                    "among all that is left, the merged groups included.",
            title="A comb instead of a tree."),
        Misconception(
            "pairs_by_level", **_both(_neighbours),
            message="You sort once and merge in pairs, level by level. After each single merge the two rarest have to be looked for again.",
            title="Sorted only once."),
        Misconception(
            "most_frequent_first", **_both(_merging(lambda weight: -weight)),
            message="You merge the most frequent groups first, and they end up deepest in the tree. The deepest should be the rarest. "
                    "Python's heap gives the smallest first.",
            title="The wrong two are merged."),
        Misconception(
            "by_symbol", **_both(_sorted_by_symbol),
            message="The lengths are right, but they belong to the wrong symbols: you hand them out in the order of the symbols, not of "
                    "the frequencies.",
            title="Lengths at the wrong symbols."),
        Misconception(
            "root_counted", **_both(_one_longer, _answer(_one_longer, alone=2)),
            message="Every length is one too large: you count the nodes on the way, the root included. A bit is a step from a node to its "
                    "child.",
            title="The root is no bit."),
        Misconception(
            "zero_bits_alone", **_both(_huffman, alone=0),
            message="A single symbol gets 0 bits. By the entropy that is right, but a decoder then can't tell how many there were. Asked "
                    "is one bit.",
            title="A code of no bits."),
        Misconception(
            "zeros_kept", **_both(_huffman, _answer(_huffman, drop_zeros=False, check=False, alone=None), drop_zeros=False),
            message="Symbols that never occur get a code too. They push others one level down: leave them out of the tree.",
            title="Symbols that never occur."),
        Misconception(
            "codes", _answer(_codes, alone=None),
            "You return the codes. Asked are their lengths, as numbers: the codes follow from them.",
            "Codes instead of lengths."),
        Misconception(
            "no_refusal", _answer(_huffman, check=False),
            "Without a symbol that occurs there is no code. Raise a ValueError.",
            "Nothing to encode."),
    ],
    alternatives=[_two_queues, _tree, _package_merge],
    hints=(
        "Keep groups of symbols with their summed frequency. At the start each symbol is a group of its own.",
        "Merge the two groups with the smallest sums. Every symbol in them moves one level down: its length grows by 1.",
        "`heapq` holds tuples (frequency, counter, symbols): the counter keeps Python from comparing lists.",
    ),
    worth_knowing="A file needs no codes: from the lengths alone both sides make the same ones. DEFLATE, inside zip and PNG, does that.",
)
