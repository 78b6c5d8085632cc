"""Figures and measurements of chapter 37: the compression chain, ranks, and a file that is written and read back."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cost.edge_metrics import wilson_interval

from .shell import Prediction, explorer
from .style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALETTE,
    SKY,
    Shown,
    label,
    line_style,
    new_figure,
    shown_figure,
    table,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HATCHES = ("", "//", "xx", "..", "\\\\", "--")
LAYERS = ("first, 128 × 64", "second, 64 × 128", "last, 10 × 64")
RANKS = ((2, 4, 6, 8, 12, 16, 24, 32, 42, 64), (2, 4, 6, 8, 12, 16, 24, 32, 42, 64), (1, 2, 3, 4, 5, 6, 7, 8, 9, 10))


def share_right(correct: int, total: int) -> str:
    """"525 of 540 test images right, 97.2 % (95 % interval 95.5 to 98.3 %)", the interval by Wilson."""
    low, high = (100 * edge for edge in wilson_interval(correct, total))
    share = 100 * correct / total
    return f"{correct} of {total} test images right, {share:.1f} % (95 % interval {low:.1f} to {high:.1f} %)"


# --- the chain --------------------------------------------------------------------------------


@cache
def _breakdown(sparsity: float, k: int, index_bits: int, huffman: bool) -> dict[str, Any]:
    from utils.compression.compression_chain import chain_breakdown, pruned_digits

    return chain_breakdown(pruned_digits(sparsity), sparsity, k, index_bits, huffman)


def draw_chain(sparsity: float = 0.8, k: int = 16, index_bits: int = 5, huffman: bool = True) -> tuple[Figure, str]:
    """The bytes of the file by part, at fixed width and with Huffman, and the shared values."""
    told = _breakdown(sparsity, k, index_bits, huffman)
    figure, (bars, stems) = new_figure(11, 3.9, 1, 2, width_ratios=(1.35, 1))
    _draw_parts(bars, sparsity, k, index_bits, huffman)
    _draw_shared(stems, told)
    return figure, _tell_chain(told, sparsity, k, index_bits, huffman)


def _draw_parts(ax: Axes, sparsity: float, k: int, index_bits: int, huffman: bool) -> None:
    both = {way: _breakdown(sparsity, k, index_bits, way) for way in (False, True)}
    for row, (way, told) in enumerate(both.items()):
        left = 0
        for part, (name, size) in enumerate(told["parts"].items()):
            ax.barh(row, size, left=left, height=0.55, color=PALETTE[part], hatch=HATCHES[part], edgecolor="white",
                    alpha=1.0 if way is huffman else 0.3, label=f"{name} {size:,} B" if way is huffman else None)
            left += size
        ax.annotate(f"{left:,} B", (left, row), xytext=(5, 0), textcoords="offset points", va="center", fontsize=9,
                    color=INK)
    ax.set_yticks([0, 1], ["fixed width", "Huffman"])
    ax.set_ylim(-0.5, 2.5)
    ax.set_xlim(0, max(told["file"] for told in both.values()) * 1.16)
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.legend(frameon=False, fontsize=8.5, ncols=3, loc="upper left", columnspacing=1.2)
    label(ax, "bytes of the file", "", f"{both[huffman]['raw']:,} bytes before; the faint bar is the other way to code")


def _draw_shared(ax: Axes, told: dict[str, Any]) -> None:
    values, counts = (np.array(column) for column in zip(*told["shared"]))
    ax.vlines(values, 0, counts, color=BLUE, linewidth=2)
    ax.plot(values, counts, "o", color=BLUE, markersize=4)
    ax.axvline(0, color=GREY, linewidth=1, linestyle="--")
    ax.set_ylim(0, counts.max() * 1.1)
    label(ax, "shared value", "weights that use it", f"{len(values)} shared values in three layers")


def _tell_chain(told: dict[str, Any], sparsity: float, k: int, index_bits: int, huffman: bool) -> str:
    parts = ", ".join(f"{name} {size:,}" for name, size in told["parts"].items())
    way = "Huffman coding" if huffman else "codes of fixed width"
    gaps = f"{index_bits} bit{'s' * (index_bits != 1)}"
    return (f"{100 * sparsity:.0f} % of the weights pruned, {k} shared values a layer, gaps of {gaps}, {way}: "
            f"{told['file']:,} bytes, {told['raw'] / told['file']:.1f} times fewer than {told['raw']:,} ({parts}). "
            f"{told['padding']:,} of {told['entries']:,} entries are padding. The network that was decoded from these "
            f"bytes gets {share_right(told['correct'], told['total'])}.")


def chain_explorer() -> Any:
    """The interactive figure "compression chain"."""
    import ipywidgets as widgets

    levels = [(f"{s} %", s / 100) for s in (0, 50, 70, 80, 90, 95)]
    knobs = {
        "sparsity": widgets.SelectionSlider(options=levels, value=0.8, description="weights pruned"),
        "k": widgets.SelectionSlider(options=[4, 8, 16, 32, 64, 256], value=16, description="shared values a layer"),
        "index_bits": widgets.IntSlider(value=5, min=1, max=8, description="bits of a gap"),
        "huffman": widgets.Checkbox(value=True, description="Huffman coding"),
    }
    return explorer(draw_chain, knobs, Prediction(
        "A network of 68,904 bytes: 80 % of its weights are pruned, the rest shares 16 values a layer, with gaps of "
        "5 bits. Which step saves most bytes?",
        ("pruning, with gaps instead of zeros", "sharing 16 values", "Huffman coding"), 0,
        "Pruning takes it to 16,986 bytes, sharing to 5,019, Huffman to 4,277. Now give the gaps 2 bits, or 8."),
        "Compression chain")


def static_picture() -> Figure:
    """What remains of the figure where no kernel runs: 80 % pruned, 16 values, 5 bits, Huffman."""
    return draw_chain()[0]


# --- ranks ------------------------------------------------------------------------------------


@cache
def _curve(layer: int, data_aware: bool) -> list[int]:
    from utils.compression.compression_chain import rank_curve
    from utils.networks.digits import trained_digits

    return rank_curve(trained_digits(), layer, RANKS[layer], data_aware)


def draw_ranks(layer: int = 1, rank: int = 8, data_aware: bool = False) -> tuple[Figure, str]:
    """The singular values of one layer with the rank and the break-even, and test images right against the rank."""
    from utils.compression.compression_chain import rank_snapshot
    from utils.networks.digits import trained_digits

    rank = min(rank, RANKS[layer][-1])
    told = rank_snapshot(trained_digits(), layer, rank, data_aware)
    figure, (left, right) = new_figure(10.4, 3.6, 1, 2)
    singular = told["singular"]
    left.plot(np.arange(1, len(singular) + 1), singular, color=BLUE, marker="o", markersize=3.5)
    left.axvspan(0.5, rank + 0.5, color=SKY, alpha=0.25)
    left.axvline(told["break_even"] + 0.5, color=ORANGE, linestyle="--", linewidth=1.8)
    left.annotate(f"saves up to rank {told['break_even']}", (told["break_even"] + 0.5, singular.max()), xytext=(-5, 0),
                  textcoords="offset points", ha="right", va="top", fontsize=9, color=INK)
    left.set_ylim(0, singular.max() * 1.08)
    label(left, "number of the singular value", "singular value", f"shaded: the {rank} that are kept")
    for i, aware in enumerate((False, True)):
        name = "fitted to the layer's outputs" if aware else "fitted to its weights"
        right.plot(RANKS[layer], _curve(layer, aware), label=name, **line_style(i))
    right.plot([rank], [told["correct"]], "*", markersize=15, color=ORANGE, markeredgecolor=INK, zorder=5)
    right.legend(frameon=False, fontsize=9, loc="lower right")
    label(right, "rank of this layer", f"right of {told['total']} test images", "without any further training")
    way = "fitted to the layer's outputs" if data_aware else "fitted to its weights"
    change = f"{told['after']:,} instead of {told['before']:,} weights"
    return figure, (f"The {LAYERS[layer].split(',')[0]} layer at rank {rank}, {way}: {change}, "
                    f"‖W − AB‖ is {100 * told['error']:.0f} % of ‖W‖. "
                    f"The network gets {share_right(told['correct'], told['total'])}. "
                    f"Factors save weights up to rank {told['break_even']}.")


def rank_explorer() -> Any:
    """The interactive figure "rank"."""
    import ipywidgets as widgets

    knobs = {
        "layer": widgets.Dropdown(options=[(name, i) for i, name in enumerate(LAYERS)], value=1, description="layer"),
        "rank": widgets.IntSlider(value=8, min=1, max=64, description="rank"),
        "data_aware": widgets.Checkbox(value=False, description="fit to the layer's outputs"),
    }
    return explorer(draw_ranks, knobs, Prediction(
        "The second layer is 64 × 128 and has rank 64. Up to which rank do two factors have fewer weights?",
        ("63", "42", "32", "8"), 1,
        "r (64 + 128) < 64 · 128 gives r ≤ 42. Rank 8 has 1,536 instead of 8,192 weights. Look how far it may go."),
        "Rank")


# --- measured ---------------------------------------------------------------------------------


def draw_waterfall(steps: Sequence[tuple[str, int, int]], total: int = 540) -> tuple[Figure, str]:
    """Bytes after each step of the chain; each bar says how many test images are right."""
    figure, (ax,) = new_figure(8.6, 2.6)
    first = steps[0][1]
    for row, (_, size, correct) in enumerate(steps):
        ax.barh(row, size, height=0.6, color=PALETTE[row % len(PALETTE)], hatch=HATCHES[row], edgecolor="white")
        smaller = f"{first / size:.1f} times smaller, " if row else ""
        ax.annotate(f"{size:,} B, {smaller}{correct} of {total} right", (size, row), xytext=(6, 0),
                    textcoords="offset points", va="center", fontsize=9, color=INK,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85})
    ax.set_yticks(range(len(steps)), [name for name, _, _ in steps])
    ax.invert_yaxis()
    ax.set_xlim(0, first * 1.45)
    ax.xaxis.set_major_formatter("{x:,.0f}")
    label(ax, "bytes", "", "")
    told = "; ".join(f"{name} {size:,} bytes, {correct} of {total} right" for name, size, correct in steps)
    return figure, f"{told}."


def waterfall() -> Shown:
    """The picture of `draw_waterfall` with the digits network."""
    from utils.compression.compression_chain import chain_steps

    return shown_figure(*draw_waterfall(chain_steps()))


def written_and_read(sparsity: float = 0.8, k: int = 16, index_bits: int = 5) -> Shown:
    """Write the compressed network to a file, read it in again, and compare every weight."""
    import torch

    from utils.compression.compression_chain import correct, entropy_bytes, pruned_digits, raw_bytes
    from utils.compression.deep_compression import CompressedModel, deep_compress
    from utils.networks.digits import DigitsMLP, load_digits_split

    compressed = deep_compress(pruned_digits(sparsity), sparsity, k, index_bits)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.dcmp"
        path.write_bytes(compressed.to_bytes())
        size, decoded = path.stat().st_size, CompressedModel.from_bytes(path.read_bytes())
    before, after = compressed.state_dict(), decoded.state_dict()
    equal = all(torch.equal(before[name].view(torch.int32), after[name].view(torch.int32)) for name in before)
    network = decoded.load_into(DigitsMLP())
    _, X, _, y = load_digits_split()
    parts, raw = compressed.breakdown(), raw_bytes(network)
    rows = [
        ("file on disk", f"{size:,} bytes"),
        ("times smaller", f"{raw / size:.1f}"),
        ("times smaller, biases left out on both sides", f"{(raw - parts['biases']) / (size - parts['biases']):.1f}"),
        ("values and gaps", f"{parts['values'] + parts['gaps']:,} bytes"),
        ("their entropy bound", f"{entropy_bytes(compressed):,.0f} bytes"),
        ("decoded weights equal bit for bit", "yes" if equal else "no"),
        ("the decoded network gets", share_right(correct(network, X, y), len(y))),
        ("its size in memory", f"{raw:,} bytes"),
    ]
    return table(("written and read back", ""), rows)


def compressor_table() -> Shown:
    """General compressors on the same network, beside the chain."""
    from utils.compression.compression_chain import general_compressors

    rows = [(name, *(f"{size:,}" for size in sizes)) for name, *sizes in general_compressors()]
    chain = f"{_breakdown(0.8, 16, 5, True)['file']:,}"
    rows.append(("the chain", chain, "", "", ""))
    return table(("bytes", "as they are", "savez_compressed", "zlib", "lzma"), rows)


# --- for the explanation ----------------------------------------------------------------------


def draw_exponents() -> tuple[Figure, str]:
    """How often each BF16 exponent occurs in the digits network, and the length of its Huffman code."""
    from utils.compression.coding import (
        bf16_exponents,
        bf16_words,
        counts_entropy_bits,
        huffman_lengths,
        symbol_counts,
    )
    from utils.compression.pruning.report import prunable
    from utils.networks.digits import trained_digits

    words = np.concatenate([bf16_words(w) for w in prunable(trained_digits()).values()])
    counts = symbol_counts(bf16_exponents(words))
    lengths = huffman_lengths(counts)
    shown = [e for e in counts if counts[e] >= 20]
    figure, (ax,) = new_figure(8.2, 2.7)
    ax.bar(shown, [counts[e] / len(words) * 100 for e in shown], color=GREEN, width=0.75)
    for e in shown:
        ax.annotate(f"{lengths[e]} bit{'s' * (lengths[e] != 1)}", (e, counts[e] / len(words) * 100), xytext=(0, 3),
                    textcoords="offset points", ha="center", fontsize=8.5, color=INK)
    ax.set_xticks(shown)
    ax.margins(y=0.15)
    label(ax, "exponent field of the weight in BF16 (0 to 255)", "weights (%)",
          "above each bar: the length of its Huffman code")
    mean = sum(counts[e] * lengths[e] for e in counts) / len(words)
    entropy = counts_entropy_bits(list(counts.values()))
    return figure, (f"{len(counts)} of 256 exponents occur in {len(words):,} weights. Their entropy is {entropy:.2f} "
                    f"bits, and Huffman's code takes {mean:.2f} bits instead of 8.")


def exponent_picture() -> Shown:
    """The picture of `draw_exponents` for a code cell."""
    return shown_figure(*draw_exponents())
