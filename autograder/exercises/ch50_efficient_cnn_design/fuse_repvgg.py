"""Exercise 50.fuse_repvgg: three branches become one 3x3 kernel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.networks import reparam

from ...compare import close
from ...exercise import Case, Exercise, Misconception

Arrays = tuple[np.ndarray, np.ndarray]


def _refuse(k3: np.ndarray, bn_id: tuple | None) -> None:
    if bn_id is not None and k3.shape[0] != k3.shape[1]:
        raise ValueError("an identity branch needs equal channels")


def _fold(kernel: np.ndarray, bn: tuple) -> Arrays:
    gamma, beta, mean, var, eps = bn
    s = gamma / np.sqrt(var + eps)
    return kernel * s[:, None, None, None], beta - mean * s


def _fold_outside(kernel: np.ndarray, bn: tuple) -> Arrays:
    gamma, beta, mean, var, eps = bn
    s = gamma / (np.sqrt(var) + eps)
    return kernel * s[:, None, None, None], beta - mean * s


def _fold_no_root(kernel: np.ndarray, bn: tuple) -> Arrays:
    gamma, beta, mean, var, eps = bn
    s = gamma / (var + eps)
    return kernel * s[:, None, None, None], beta - mean * s


def _fold_inputs(kernel: np.ndarray, bn: tuple) -> Arrays:
    gamma, beta, mean, var, eps = bn
    s = gamma / np.sqrt(var + eps)
    return kernel * s[None, :, None, None], beta - mean * s


def _centre(k1: np.ndarray) -> np.ndarray:
    out = np.zeros((*k1.shape[:2], 3, 3))
    out[:, :, 1, 1] = k1[:, :, 0, 0]
    return out


def _corner(k1: np.ndarray) -> np.ndarray:
    out = np.zeros((*k1.shape[:2], 3, 3))
    out[:, :, :1, :1] = k1
    return out


def _everywhere(k1: np.ndarray) -> np.ndarray:
    return np.broadcast_to(k1, (*k1.shape[:2], 3, 3)).copy()


def _eye(c: int) -> np.ndarray:
    return _centre(np.eye(c)[:, :, None, None])


def _all_pairs(c: int) -> np.ndarray:
    return _centre(np.ones((c, c, 1, 1)))


def _all_taps(c: int) -> np.ndarray:
    return _everywhere(np.eye(c)[:, :, None, None])


def _corner_eye(c: int) -> np.ndarray:
    return _corner(np.eye(c)[:, :, None, None])


def _fused(pad: Callable = _centre, identity: Callable = _eye, fold: Callable = _fold, plain: str = "fold", share: float = 1.0,
           check: bool = True) -> Callable[..., Arrays]:
    """An answer in four parts; with its defaults it is right. `plain`: what happens to an identity branch."""

    def answer(k3, bn3, k1, bn1, bn_id) -> Arrays:
        if check:
            _refuse(k3, bn_id)
        parts = [fold(k3, bn3), fold(pad(k1), bn1)]
        c = len(k3)
        if plain == "always" or (plain == "raw" and bn_id is not None):
            parts.append((identity(c), np.zeros(c)))
        elif plain == "no bias" and bn_id is not None:
            parts.append((fold(identity(c), bn_id)[0], np.zeros(c)))
        elif plain != "never" and bn_id is not None:
            parts.append(fold(identity(c), bn_id))
        scale = share if share > 0 else 1 / len(parts)
        return scale * sum(w for w, _ in parts), scale * sum(b for _, b in parts)

    return answer


def _both(**options) -> list[Callable]:
    return [_fused(**options, check=check) for check in (True, False)]


def _first_norm_for_all(k3, bn3, k1, bn1, bn_id) -> Arrays:
    _refuse(k3, bn_id)
    total = k3 + _centre(k1) + (0 if bn_id is None else _eye(len(k3)))
    return _fold(total, bn3)


def _first_bias_only(k3, bn3, k1, bn1, bn_id) -> Arrays:
    return _fused()(k3, bn3, k1, bn1, bn_id)[0], _fold(k3, bn3)[1]


def _mean_kernel(k3, bn3, k1, bn1, bn_id) -> Arrays:
    w, b = _fused()(k3, bn3, k1, bn1, bn_id)
    return w / (2 if bn_id is None else 3), b


def _lopsided(k3, bn3, k1, bn1, bn_id) -> Arrays:
    """An identity with as many ones as fit."""
    c_out, c_in = k3.shape[:2]
    parts = [_fold(k3, bn3), _fold(_centre(k1), bn1)]
    if bn_id is not None:
        parts.append(_fold(_centre(np.eye(c_out, c_in)[:, :, None, None]), bn_id))
    return sum(w for w, _ in parts), sum(b for _, b in parts)


def _in_place(k3, bn3, k1, bn1, bn_id) -> Arrays:
    w, b = _fused()(k3, bn3, k1, bn1, bn_id)
    k3[:] = w
    return k3, b


# --- right answers ------------------------------------------------------------------------------


def _by_impulses(k3, bn3, k1, bn1, bn_id) -> Arrays:
    """The block is affine: what it answers to 0 is the bias, what it answers to an impulse is the kernel, turned round."""
    _refuse(k3, bn_id)
    c_out, c_in = k3.shape[:2]

    def norm(z: np.ndarray, bn: tuple) -> np.ndarray:
        gamma, beta, mean, var, eps = (v[:, None, None] if isinstance(v, np.ndarray) else v for v in bn)
        return gamma * (z - mean) / np.sqrt(var + eps) + beta

    def block(x: np.ndarray) -> np.ndarray:  # (c_in, 3, 3) -> (c_out, 3, 3), zero padding
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
        dense = np.empty((c_out, 3, 3))
        for i in range(3):
            for j in range(3):
                dense[:, i, j] = np.tensordot(k3, padded[:, i : i + 3, j : j + 3], 3)
        total = norm(dense, bn3) + norm(np.tensordot(k1[:, :, 0, 0], x, 1), bn1)
        return total if bn_id is None else total + norm(x, bn_id)

    zero = block(np.zeros((c_in, 3, 3)))
    w = np.empty((c_out, c_in, 3, 3))
    for c in range(c_in):
        impulse = np.zeros((c_in, 3, 3))
        impulse[c, 1, 1] = 1
        w[:, c] = (block(impulse) - zero)[:, ::-1, ::-1]
    return w, zero[:, 1, 1]


def _loops(k3, bn3, k1, bn1, bn_id) -> Arrays:
    _refuse(k3, bn_id)
    w, b = np.zeros(k3.shape), np.zeros(len(k3))
    norms = [bn3, bn1] + ([] if bn_id is None else [bn_id])
    for o in range(len(k3)):
        factors = [bn[0][o] / (bn[3][o] + bn[4]) ** 0.5 for bn in norms]
        w[o] = k3[o] * factors[0]
        w[o, :, 1, 1] += k1[o, :, 0, 0] * factors[1]
        if bn_id is not None:
            w[o, o, 1, 1] += factors[2]
        b[o] = sum(bn[1][o] - bn[2][o] * f for bn, f in zip(norms, factors))
    return w, b


def _padded(k3, bn3, k1, bn1, bn_id) -> Arrays:
    if bn_id is not None and k3.shape[0] != k3.shape[1]:
        raise ValueError("c_in != c_out")
    kernels, norms = [k3, np.pad(k1, [(0, 0), (0, 0), (1, 1), (1, 1)])], [bn3, bn1]
    if bn_id is not None:
        kernels.append(np.einsum("oi,hw->oihw", np.eye(len(k3)), np.outer([0, 1, 0], [0, 1, 0])))
        norms.append(bn_id)
    s = [g / np.sqrt(v + e) for g, _, _, v, e in norms]
    w = np.einsum("no,noihw->oihw", np.stack(s), np.stack(kernels).astype(float))
    return w, np.sum([t - m * f for (_, t, m, _, _), f in zip(norms, s)], axis=0)


# --- inputs -------------------------------------------------------------------------------------


def _norm(rng: np.random.Generator, n: int) -> tuple:
    gamma, beta, mean = rng.normal(size=(3, n)).round(3)
    return gamma, beta, mean, rng.uniform(0.1, 3, n).round(3), float(rng.choice([1e-5, 1e-3, 0.5]))


def _drawn(rng: np.random.Generator, c_out: int, c_in: int, identity: bool) -> tuple:
    k3, k1 = rng.normal(size=(c_out, c_in, 3, 3)).round(3), rng.normal(size=(c_out, c_in, 1, 1)).round(3)
    return k3, _norm(rng, c_out), k1, _norm(rng, c_out), _norm(rng, c_out) if identity else None


def _case(arguments: tuple) -> Case:
    k3, *_, bn_id = arguments
    told = "no identity branch" if bn_id is None else "with an identity branch"
    return Case(*arguments, label=f"{k3.shape[1]} → {k3.shape[0]} channels, {told}")


def _draw(rng: np.random.Generator) -> Case:
    identity = bool(rng.random() < 0.6)
    c_out = int(rng.integers(1, 5))
    c_in = c_out if identity or rng.random() < 0.4 else int(rng.integers(1, 5))
    return _case(_drawn(rng, c_out, c_in, identity))


_RNG = np.random.default_rng(50)
_UNIT = (np.ones(1), np.zeros(1), np.zeros(1), np.ones(1), 0.0)
_NORM = (np.array([3.0]), np.array([1.0]), np.array([2.0]), np.array([4.0]), 0.0)
_ZEROS, _FIVE = np.zeros((1, 1, 3, 3)), np.full((1, 1, 1, 1), 5.0)

fuse_repvgg = Exercise(
    id="50.fuse_repvgg", points=5, difficulty=3, minutes=20, idea="branches that are added are one convolution",
    reference=reparam.fuse_repvgg,
    cases=[Case(_ZEROS, _UNIT, _FIVE, _UNIT, _UNIT, label="one channel, unit norms, with an identity branch"),
           Case(_ZEROS, _UNIT, _FIVE, _UNIT, None, label="one channel, unit norms, no identity branch"),
           Case(_ZEROS, _UNIT, _FIVE, _UNIT, _NORM, label="one channel, the identity branch's norm as in the text")],
    hidden=[_case(_drawn(_RNG, 3, 3, True)), _case(_drawn(_RNG, 3, 3, False)), _case(_drawn(_RNG, 4, 2, False)),
            _case(_drawn(_RNG, 2, 3, False)), _case(_drawn(_RNG, 1, 1, True))],
    draw=_draw, draws=25, compare=close(rtol=1e-9, atol=1e-10), pure=True,
    raises=[Case(*_drawn(_RNG, 3, 2, False)[:4], _norm(_RNG, 3), label="an identity branch from 2 to 3 channels"),
            Case(*_drawn(_RNG, 2, 3, False)[:4], _norm(_RNG, 2), label="an identity branch from 3 to 2 channels")],
    misconceptions=[
        Misconception(
            "corner", _fused(_corner),
            "You write the 1x1 kernel into the corner. With padding 1 the pixel itself lies under the middle of a 3x3 kernel; "
            "the corner looks at its neighbour, so the output is shifted.", "A 1x1 sits in the middle.",
            also=[*_both(pad=_corner), *_both(pad=_corner, identity=_corner_eye), *_both(identity=_corner_eye)]),
        Misconception(
            "everywhere", _fused(_everywhere),
            "Adding a (…, 1, 1) array to a (…, 3, 3) one broadcasts: your 1x1 weight stands at all nine places. A 1x1 kernel "
            "looks at one pixel.", "Broadcast over nine places.", also=[*_both(pad=_everywhere), *_both(identity=_all_taps)]),
        Misconception(
            "identity_of_all_pairs", _fused(identity=_all_pairs),
            "Your identity mixes the channels. It must send channel i to channel i and to no other: look at the off-diagonal "
            "entries.", "The identity is a diagonal.", also=_both(identity=_all_pairs)),
        Misconception(
            "identity_without_norm", _fused(plain="raw"),
            "The identity branch has a batch norm of its own. Its ones are scaled, and it has a bias.",
            "The identity has a norm.", also=_both(plain="raw")),
        Misconception(
            "identity_without_bias", _fused(plain="no bias"),
            "The kernel of the identity branch is right. Its norm also shifts: beta − mean · gamma / std belongs to the bias.",
            "The identity has a bias.", also=_both(plain="no bias")),
        Misconception(
            "identity_always", _fused(plain="always"),
            "You add an identity even where bn_id is None. A block that changes its size has no such branch.",
            "None means no branch.", also=[_fused(plain="always", check=False)]),
        Misconception(
            "identity_never", _fused(plain="never"),
            "The third branch is missing: bn_id is a norm on the input itself.", "The identity is missing.",
            also=_both(plain="never")),
        Misconception(
            "average", _fused(share=0),
            "You average the branches. The block adds them, so their kernels and biases are added.", "Added, not averaged.",
            also=[*_both(share=0), *_both(share=1 / 3), _mean_kernel]),
        Misconception(
            "one_norm_for_all", _first_norm_for_all,
            "You add the kernels first and apply one norm to the sum. Each branch has its own: fold it before you add.",
            "Every branch has its own norm."),
        Misconception(
            "one_bias", _first_bias_only,
            "The kernel is right, but the bias comes from the first norm only. Each branch brings a bias.",
            "The biases are added too."),
        Misconception(
            "eps_outside_the_root", _fused(fold=_fold_outside),
            "eps is added to the variance, before the root is taken.", "eps goes inside the root.", also=_both(fold=_fold_outside)),
        Misconception(
            "no_root", _fused(fold=_fold_no_root),
            "You divide by the variance. Batch norm divides by the standard deviation.", "The root is missing.",
            also=_both(fold=_fold_no_root)),
        Misconception(
            "input_channels", _fused(fold=_fold_inputs),
            "You scale along axis 1 of the kernels, the input channels. Batch norm works on what comes out: axis 0.",
            "Scale the output channels.", also=_both(fold=_fold_inputs)),
        Misconception(
            "changed_in_place", _in_place,
            "The numbers are right, but you wrote them into k3. The training form still needs it.", "An argument was changed."),
        Misconception(
            "unequal_identity", _lopsided,
            "An identity branch from 2 to 3 channels can't exist. Refuse it instead of adding something.",
            "Bad input gets through."),
    ],
    alternatives=[_by_impulses, _loops, _padded],
    hints=(
        "Fold each branch's norm by itself: kernel · s for each output channel, and a bias beta − mean · s, with s = gamma / sqrt(var + eps).",
        "The 1x1 kernel as 3x3: zeros, and the weight at [:, :, 1, 1]. The identity: ones at [i, i, 1, 1].",
        "Add the two or three kernels, and add the two or three biases.",
    ),
    worth_knowing="A ReLU inside a branch would spoil this: only affine steps add up. RepVGG has its one ReLU after the sum.",
)
