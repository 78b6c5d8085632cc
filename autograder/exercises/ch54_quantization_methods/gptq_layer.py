"""Exercise 54.gptq_layer: rounding a matrix column by column, and paying each error back."""

from __future__ import annotations

from functools import partial

import numpy as np

from utils.compression import quant_methods

from ...compare import brief, close
from ...exercise import Case, Exercise, Misconception


def _gptq(W: np.ndarray, H: np.ndarray, bits: int, *, inverse: str = "remaining", sign: float = -1.0, divide: bool = True,
          late: bool = True, moving_scale: bool = False, whole_scale: bool = False, top: int = -1, bottom: int = 1,
          integers: bool = False, in_place: bool = False, zero_row: float = 1.0, backwards: bool = False,
          clip: bool = True) -> np.ndarray:
    """The rounding with one mistake; with its defaults it is right (an independent formulation)."""
    W = W if in_place else np.array(W, dtype=float)
    n, qmax = W.shape[1], 2 ** (bits - 1) + top
    qmin = -qmax if bottom else -qmax - 1

    def scales() -> np.ndarray:
        reach = np.abs(W).max() * np.ones(len(W)) if whole_scale else np.abs(W).max(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(reach == 0, zero_row, reach / qmax) if zero_row else reach / qmax

    scale, codes, whole = scales(), np.zeros_like(W), np.linalg.inv(H)
    order = range(n - 1, -1, -1) if backwards else range(n)
    for i in order:
        scale = scales() if moving_scale else scale
        with np.errstate(divide="ignore", invalid="ignore"):
            codes[:, i] = np.rint(W[:, i] / scale)
        if clip:
            codes[:, i] = np.clip(codes[:, i], qmin, qmax)
        q = codes[:, i] * scale
        error = W[:, i] - q
        rest = np.arange(i) if backwards else np.arange(i + 1, n)
        if inverse == "remaining":
            open_ = np.append(i, rest)
            part = np.linalg.inv(H[np.ix_(open_, open_)])
            step, d = part[0, 1:], part[0, 0]
        else:
            step, d = {"whole": (whole[i, rest], whole[i, i]), "hessian": (H[i, rest], H[i, i]),
                       "diagonal": (whole[i, rest], H[i, i]), "none": (0 * whole[i, rest], 1.0),
                       "everything": (whole[i], whole[i, i])}[inverse]
        move = sign * np.outer(error, step / (d if divide else 1.0))
        if inverse == "everything":
            W += move
        else:
            W[:, rest] += move
        if not late:
            W[:, i] = q
    final = codes * scale[:, None]
    if inverse == "everything":
        final = W
    if in_place:
        W[:] = final
    return codes if integers else final


def _by_cholesky(W: np.ndarray, H: np.ndarray, bits: int) -> np.ndarray:
    U = np.linalg.cholesky(np.linalg.inv(H), upper=True)
    qmax, left = 2 ** (bits - 1) - 1, np.asarray(W, float).copy()
    scale = np.max(np.abs(left), axis=1, keepdims=True) / qmax
    scale[scale == 0] = 1
    for i in range(left.shape[1]):
        w = left[:, i : i + 1]
        q = (w / scale).round().clip(-qmax, qmax) * scale
        left[:, i + 1 :] -= (w - q) / U[i, i] @ U[i : i + 1, i + 1 :]
        left[:, i : i + 1] = q
    return left


def _by_downdate(W: np.ndarray, H: np.ndarray, bits: int) -> np.ndarray:
    """Row by row; the inverse loses a row and a column in each step (Frantar et al., equation 3)."""
    qmax, found = 2 ** (bits - 1) - 1, np.empty(W.shape)
    for r, row in enumerate(np.asarray(W, float)):
        w, G = row.copy(), np.linalg.inv(H)
        scale = max(abs(w).max() / qmax, 0.0) or 1.0
        for i in range(len(w)):
            q = scale * min(max(float(np.rint(w[i] / scale)), -qmax), qmax)
            w[i + 1 :] -= (w[i] - q) / G[i, i] * G[i, i + 1 :]
            w[i] = q
            G = G - np.outer(G[:, i], G[i]) / G[i, i]
        found[r] = w
    return found


def _integer_scale(W: np.ndarray, H: np.ndarray, bits: int) -> np.ndarray:
    return _gptq(W, H, bits, integers=True)


def _cholesky_lower(W: np.ndarray, H: np.ndarray, bits: int) -> np.ndarray:
    """The factor of H itself instead of that of its inverse."""
    L, left = np.linalg.cholesky(H).T, np.array(W, float)
    qmax = 2 ** (bits - 1) - 1
    scale = np.abs(left).max(axis=1) / qmax
    scale[scale == 0] = 1
    for i in range(left.shape[1]):
        q = np.clip(np.rint(left[:, i] / scale), -qmax, qmax) * scale
        left[:, i + 1 :] -= np.outer((left[:, i] - q) / L[i, i], L[i, i + 1 :])
        left[:, i] = q
    return left


def _draw(rng: np.random.Generator) -> Case:
    rows, n = int(rng.integers(1, 5)), int(rng.integers(2, 9))
    common, own = rng.normal(size=(3 * n + 5, 1)), rng.normal(size=(3 * n + 5, n))
    share = rng.uniform(0.3, 0.9)
    X = share * common * rng.choice([-1, 1], n) + (1 - share) * own * rng.uniform(0.3, 2, n)
    H = X.T @ X / len(X) + 0.02 * np.eye(n)
    bits = int(rng.choice([2, 3, 4, 8]))
    W = rng.normal(size=(rows, n)) * 10 ** rng.uniform(-1, 1, (rows, 1))
    if rng.random() < 0.15:
        W[0] = 0
    return Case(W, (H + H.T) / 2, bits, label=f"random {rows} × {n} weights, correlated inputs, {bits} bits")


def _shown(value: object) -> str:
    """A small matrix with four digits, so that all of its entries fit into the table of cases."""
    if isinstance(value, np.ndarray) and value.size <= 16:
        return str((np.round(value, 4) + 0).tolist())  # + 0 turns -0 into 0
    return brief(value)


_H3 = np.full((3, 3), 0.9) + 0.1 * np.eye(3)
_H4 = np.array([[2.0, 1.5, 0.3, 0.0], [1.5, 3.0, 1.0, 0.2], [0.3, 1.0, 1.0, -0.4], [0.0, 0.2, -0.4, 1.5]])
_W4 = np.array([[0.9, -0.3, 0.55, 0.2], [0.12, 0.4, -0.33, -0.07]])

gptq_layer = Exercise(
    id="54.gptq_layer", points=7, difficulty=3, minutes=30, idea="later weights pay for earlier rounding errors",
    reference=quant_methods.gptq_layer,
    cases=[
        Case(np.array([[0.4, 0.4, 3.0]]), _H3, 3, label="W = [[0.4, 0.4, 3]], H = 1 and 0.9, 3 bits"),
        Case(_W4, _H4, 3, label="two rows, four columns, 3 bits"),
        Case(np.array([[0.9, -0.3, 0.55]]), np.diag([1.0, 2.0, 5.0]), 3, label="a diagonal H, 3 bits"),
    ],
    hidden=[
        Case(_W4, _H4, 2, label="two rows, four columns, 2 bits"), Case(_W4, _H4, 8, label="two rows, four columns, 8 bits"),
        Case(np.array([[2.0], [-0.3]]), np.array([[4.0]]), 4, label="one column"),
        Case(np.array([[0.0, 0.0], [1.0, 0.35]]), np.array([[1.0, 0.9], [0.9, 1.0]]), 3, label="a row of zeros"),
        Case(np.array([[0.45, 1.0], [-0.45, -1.0]]), np.array([[4.0, 1.9], [1.9, 1.0]]), 2,
             label="compensation pushes weights beyond the last level"),
        Case(_W4[:, ::-1], _H4[::-1, ::-1], 4, label="strided arrays"),
    ],
    draw=_draw, draws=40, pure=True, compare=close(1e-7, 1e-9), show=_shown, time_limit_s=10,
    misconceptions=[
        Misconception("round_to_nearest", partial(_gptq, inverse="none"),
                      "You rounded each weight on its own and ignored H. When inputs are correlated, later weights can cancel "
                      "the errors of earlier ones.", "H is not used."),
        Misconception("hessian_row", partial(_gptq, inverse="hessian"),
                      "You spread the error along a row of H. How the others have to move is in the inverse of the Hessian.",
                      "H instead of its inverse.", also=(_cholesky_lower, partial(_gptq, inverse="diagonal"))),
        Misconception("whole_inverse", partial(_gptq, inverse="whole"),
                      "You used the inverse of the whole H in every step. Frozen columns cannot move any more: the inverse must be "
                      "that of the remaining columns (or a row of the Cholesky factor of H⁻¹, which holds them all).",
                      "The inverse still counts frozen columns."),
        Misconception("moves_frozen", partial(_gptq, inverse="everything"),
                      "The update also moved columns that were already rounded: they are no longer on the grid. Only columns to the "
                      "right of the current one may move.", "Frozen columns moved."),
        Misconception("moving_scale", partial(_gptq, moving_scale=True),
                      "You computed the scale again after each update. The grid is fixed up front by the original row, otherwise it "
                      "drifts away from the columns that are already on it.", "The grid moves."),
        Misconception("wrong_sign", partial(_gptq, sign=1.0),
                      "The later weights move in the direction that doubles the error. With error = w − q, they have to be reduced by it.",
                      "The compensation has the wrong sign."),
        Misconception("not_divided", partial(_gptq, divide=False),
                      "The direction of the move is right, its length is not: the error has to be divided by the first diagonal entry of "
                      "the inverse.", "A division is missing."),
        Misconception("one_scale", partial(_gptq, whole_scale=True),
                      "You used one scale for the whole matrix. Every row has its own, max|row| / (2^(bits−1) − 1).",
                      "The rows share a scale."),
        Misconception("full_range", partial(_gptq, top=0),
                      "The grid has the levels −(2^(bits−1) − 1) … 2^(bits−1) − 1: with 3 bits −3 … 3. You divide by 2^(bits−1).",
                      "One level too many.", also=(partial(_gptq, bottom=0),)),
        Misconception("unclipped", partial(_gptq, clip=False),
                      "Compensation can push a weight beyond the largest level. Such weights saturate.", "Levels beyond the grid."),
        Misconception("from_the_right", partial(_gptq, backwards=True),
                      "You went through the columns from right to left. The task asks for left to right.", "The order is reversed."),
        Misconception("integers", partial(_gptq, integers=True),
                      "These are the integers. The task asks for the dequantized weights: integer times the row's scale.",
                      "The scale is missing."),
        Misconception("zero_row", partial(_gptq, zero_row=0.0),
                      "A row of zeros has the scale 0, and 0/0 is NaN. Such a row stays zero.", "A zero row breaks it."),
        Misconception("in_place", partial(_gptq, in_place=True),
                      "The result is right, but W was overwritten. Work on a copy.", "W was changed."),
    ],
    alternatives=[_gptq, _by_cholesky, _by_downdate],
    hints=(
        "Fix the scales first: `scale = np.abs(W).max(axis=1) / qmax`, with 1 for a row of zeros. Then copy W.",
        "For column i take `G = np.linalg.inv(H[i:, i:])`: the inverse for the columns that can still move. Its first row says how.",
        "`W[:, i+1:] -= np.outer((W[:, i] - q) / G[0, 0], G[0, 1:])`, and only then `W[:, i] = q`.",
    ),
    worth_knowing="GPTQ gets all these first rows at once from one Cholesky factor of the inverse; that made models of 175 billion "
                  "parameters possible.",
)
