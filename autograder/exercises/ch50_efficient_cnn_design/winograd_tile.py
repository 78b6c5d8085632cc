"""Exercise 50.winograd_tile: four outputs of a 3x3 kernel with 16 multiplications."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.networks import design

from ...compare import close, prop
from ...exercise import Case, Exercise, Misconception

Answer = tuple[np.ndarray, int]
COUNT = "ch50_efficient_cnn_design.counted_products"
BT = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], float)
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
AT = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], float)


def _winograd(d: np.ndarray, g: np.ndarray, *, spread: Callable = lambda d: BT @ d @ BT.T, filtered: Callable = lambda g: G @ g @ G.T,
              join: Callable = lambda u, v: u * v, gather: Callable = lambda m: AT @ m @ AT.T) -> np.ndarray:
    return gather(join(filtered(g), spread(d)))


def _with(count: float = 16, **parts: Callable) -> Callable[..., Answer]:
    """An answer in four parts and a count; with its defaults it is right."""
    return lambda d, g: (_winograd(d, g, **parts), count)


def _direct(d: np.ndarray, g: np.ndarray) -> np.ndarray:
    return np.array([[(d[i : i + 3, j : j + 3] * g).sum() for j in range(2)] for i in range(2)])


def _four_by_four(g: np.ndarray) -> np.ndarray:
    return np.pad(g, ((0, 1), (0, 1)))


def _direct_loops(d: np.ndarray, g: np.ndarray) -> np.ndarray:
    out = np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            total = 0
            for a in range(3):
                for b in range(3):
                    total = total + d[i + a, j + b] * g[a, b]
            out[i, j] = total
    return out


# --- right answers ------------------------------------------------------------------------------


def _nested(d: np.ndarray, g: np.ndarray) -> Answer:
    """F(2, 3) on rows, whose numbers are F(2, 3) on columns."""

    def one(d: list, g: list, times: Callable) -> list:
        m1 = times(d[0] - d[2], g[0])
        m2 = times(d[1] + d[2], (g[0] + g[1] + g[2]) / 2)
        m3 = times(d[2] - d[1], (g[0] - g[1] + g[2]) / 2)
        m4 = times(d[1] - d[3], g[2])
        return [m1 + m2 + m3, m2 - m3 - m4]

    inner = lambda row, kernel: np.array(one(list(row), list(kernel), lambda a, b: a * b))
    rows = one(list(d), list(g), inner)
    return np.array([[float(v) for v in row] for row in rows]), 4 * 4


def _with_einsum(d: np.ndarray, g: np.ndarray) -> Answer:
    u = np.einsum("ia,ab,jb->ij", G, np.asarray(g, float), G)
    v = np.einsum("ia,ab,jb->ij", BT, np.asarray(d, float), BT)
    m = u * v
    return np.einsum("ia,ab,jb->ij", AT, m, AT), m.size


def _sums_by_hand(d: np.ndarray, g: np.ndarray) -> Answer:
    """Only additions in the transforms, and the 16 products one by one."""

    def spread(d: list) -> list:
        return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]

    def filtered(g: list) -> list:
        return [g[0], (g[0] + g[1] + g[2]) * 0.5, (g[0] - g[1] + g[2]) * 0.5, g[2]]

    columns = [spread([d[r][c] for r in range(4)]) for c in range(4)]
    v = [spread([columns[c][r] for c in range(4)]) for r in range(4)]
    kernels = [filtered([g[r][c] for r in range(3)]) for c in range(3)]
    u = [filtered([kernels[c][r] for c in range(3)]) for r in range(4)]
    m = [[u[r][c] * v[r][c] for c in range(4)] for r in range(4)]
    halves = [[m[0][c] + m[1][c] + m[2][c], m[1][c] - m[2][c] - m[3][c]] for c in range(4)]
    out = [[halves[0][r] + halves[1][r] + halves[2][r], halves[1][r] - halves[2][r] - halves[3][r]] for r in range(2)]
    return np.array([[float(v) for v in row] for row in out]), sum(len(row) for row in m)


# --- the count ----------------------------------------------------------------------------------


def _few_products(case: Case, expected: dict, got: dict) -> str | None:
    counted = got["products"]
    if type(counted) is not int:
        return "the products could not be counted"
    return None if counted <= 16 else f"{counted} products of a number made of d and one made of g, more than 16"


def _show(value: object) -> str:
    if isinstance(value, dict):
        return f"{value['products']} products"
    if isinstance(value, (tuple, list)) and len(value) == 2 and isinstance(value[0], np.ndarray):
        return f"({np.array2string(value[0], separator=', ', precision=6).replace(chr(10), '')}, {value[1]})"
    raise ValueError("shown as it is")


def _draw(rng: np.random.Generator) -> Case:
    scale = float(rng.choice([1.0, 10.0]))
    if rng.random() < 0.5:
        return Case(rng.integers(-9, 10, (4, 4)).astype(float), rng.integers(-4, 5, (3, 3)).astype(float))
    return Case((scale * rng.normal(size=(4, 4))).round(3), rng.normal(size=(3, 3)).round(3))


def _delta(i: int, j: int) -> np.ndarray:
    g = np.zeros((3, 3))
    g[i, j] = 1
    return g


_RAMP = np.arange(16.0).reshape(4, 4)
_UNEVEN = np.array([[1.0, -2, 3], [0, 4, -1], [2, 5, -3]])

winograd_tile = Exercise(
    id="50.winograd_tile", points=5, difficulty=3, minutes=15, idea="fewer multiplications, more additions",
    reference=design.winograd_tile,
    cases=[Case(_RAMP, np.ones((3, 3)), label="d = 0 … 15, g = ones"), Case(_RAMP, _delta(1, 2), label="d = 0 … 15, g zero but g[1, 2] = 1")],
    hidden=[*(Case(np.array([[3.0, -1, 4, 1], [-5, 9, 2, -6], [5, 3, -5, 8], [9, -7, 9, 3]]), _delta(i, j), label=f"g zero but g[{i}, {j}] = 1")
              for i in range(3) for j in range(3)), Case(-_RAMP, _UNEVEN), Case(np.zeros((4, 4)), _UNEVEN)],
    draw=_draw, compare=close(rtol=1e-9, atol=1e-9), pure=True, show=_show,
    limits=[Case(probe=COUNT, seed=1, compare=prop(_few_products, same=prop(lambda case, a, b: a["products"] == b["products"])),
                 label="the products of numbers made of d by numbers made of g")],
    misconceptions=[
        Misconception(
            "flipped_kernel", lambda d, g: (_winograd(d, g[::-1, ::-1]), 16),
            "You turn the kernel round, as a convolution in mathematics does. CNNs correlate. A symmetric kernel hides this; look at "
            "the second example.", "CNNs do not flip the kernel.", also=(lambda d, g: (_direct(d, g[::-1, ::-1]), 16), lambda d, g: (_winograd(d, g.T), 16))),
        Misconception(
            "direct_count", _with(36),
            "36 is what the direct form needs: four outputs of nine products. Count the multiplications in the transformed domain: "
            "the elementwise product of two 4x4 matrices.", "That is the direct count.", also=(lambda d, g: (_direct(d, g), 36), _with(9), _with(144))),
        Misconception(
            "per_output", _with(4),
            "You count the multiplications of one output. Asked is the whole tile of four.", "The whole tile is asked.", also=(_with(2.25),)),
        Misconception(
            "no_output_transform", _with(gather=lambda m: m),
            "Your result is 4x4: it still lives in the transformed domain. The output transform makes it 2x2.",
            "The last transform is missing.", also=(_with(gather=lambda m: m[:2, :2]), _with(gather=lambda m: m[1:3, 1:3]))),
        Misconception(
            "transposed_input", _with(spread=lambda d: BT.T @ d @ BT),
            "You have B and its transpose the wrong way round in the input transform. The matrix in the text is Bᵀ, and it stands on "
            "the left.", "B and Bᵀ are swapped.", also=(_with(spread=lambda d: BT @ d @ BT), _with(spread=lambda d: BT.T @ d @ BT.T))),
        Misconception(
            "matrix_product", _with(join=lambda u, v: u @ v),
            "You multiply the two 4x4 matrices as matrices. ⊙ is elementwise: 16 products, no sums.", "⊙ is elementwise."),
        Misconception(
            "kernel_not_transformed", _with(filtered=_four_by_four),
            "You fill the kernel up with zeros to 4x4. G does more: it forms sums and differences of the kernel's rows and columns.",
            "The kernel needs its transform."),
        Misconception(
            "whole_numbers", lambda d, g: (_winograd(d, g).astype(int), 16),
            "You cut the result to whole numbers. The halves in G belong to the computation.", "Rounded to whole numbers.",
            also=(_with(filtered=lambda g: G.astype(int) @ g @ G.T.astype(int)), lambda d, g: (_winograd(d, g).round(), 16))),
        Misconception(
            "direct_form", lambda d, g: (_direct(d, g), 16),
            "The four outputs are right, but you compute them with 36 products and report 16. Transform d and g first, then multiply.",
            "This is the direct form.", also=(lambda d, g: (_direct_loops(d, g), 16),)),
    ],
    alternatives=[_nested, _with_einsum, _sums_by_hand],
    hints=(
        "Write the three matrices down as arrays. `@` is the matrix product, `.T` the transpose, `*` the elementwise product.",
        "U = G @ g @ G.T and V = Bt @ d @ Bt.T are both 4x4.",
        "The result is At @ (U * V) @ At.T. Count the products in U * V.",
    ),
    worth_knowing="In a network the kernel is transformed once, and the output transform is shared by all input channels.",
)
