"""Exercise 06.diagnose_skew: which preprocessing bug made this tensor?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from utils.delivery import release

from ...exercise import Case, Exercise, Misconception

NAMES = ("ok", "bgr", "bgr_late", "no_scale", "no_normalize", "double_scale", "std_first", "hwc")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
EASY_MEAN, EASY_STD = (0.5, 0.4, 0.3), (0.5, 0.25, 0.2)


def _tensors(raw: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> dict[str, np.ndarray]:
    m, s = np.asarray(mean, float)[:, None, None], np.asarray(std, float)[:, None, None]
    x = raw.astype(float).transpose(2, 0, 1)
    right = (x / 255 - m) / s
    return {"ok": right, "bgr": (x[::-1] / 255 - m) / s, "bgr_late": right[::-1], "no_scale": (x - m) / s, "no_normalize": x / 255,
            "double_scale": (x / 65025 - m) / s, "std_first": x / 255 / s - m, "hwc": right.transpose(1, 2, 0)}


def _near(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and bool((np.abs(a - b) <= 1e-4).all())


def _answer(*, names: Sequence[str] = NAMES, near: Callable = _near, tensors: Callable = _tensors, last: bool = False) -> Callable:
    """An answer from its parts; with the defaults it is right."""

    def answer(raw: np.ndarray, deployed: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> str:
        made, got = tensors(raw, mean, std), np.asarray(deployed, float)
        found = [name for name in names if near(got, made[name])]
        return "unknown" if not found else found[-1] if last else found[0]

    return answer


def _by_shape(raw: np.ndarray, deployed: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> str:
    """Channels at the end means hwc; otherwise the table without it."""
    if deployed.shape == raw.shape and deployed.shape[0] != 3:
        return "hwc"
    return _answer(names=NAMES[:-1])(raw, deployed, mean, std)


def _by_shape_first(raw: np.ndarray, deployed: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> str:
    if deployed.shape == raw.shape:
        return "hwc"
    return _answer()(raw, deployed, mean, std)


def _means(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and abs(a.mean() - b.mean()) <= 1e-4


def _channel_means(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.ndim == 3 and bool((np.abs(a.mean((1, 2)) - b.mean((1, 2))) <= 1e-4).all())


def _relative(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-4, atol=1e-4))


def _default_relative(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, atol=1e-4))


def _nan_passes(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and not bool((np.abs(a - b) > 1e-4).any())


def _nan_equal(a: np.ndarray, b: np.ndarray) -> bool:
    d = np.abs(a - b)
    return a.shape == b.shape and bool(np.isfinite(d).any()) and bool(np.nanmax(d) <= 1e-4)


def _stretched(a: np.ndarray, b: np.ndarray) -> bool:
    try:
        return bool((np.abs(a - b) <= 1e-4).all())
    except ValueError:
        return False


def _squeezed(a: np.ndarray, b: np.ndarray) -> bool:
    return _near(a.reshape(b.shape), b) if a.size == b.size else False


def _back_to_pixels(raw: np.ndarray, deployed: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> str:
    """Undoes each hypothesis to a uint8 image, where 256 levels too bright is the same image."""
    rough = _answer(near=lambda a, b: a.shape == b.shape and np.isfinite(a).all() and np.abs(_wrapped(a, b, raw, std)).max() <= 1e-4)
    return rough(raw, deployed, mean, std)


def _wrapped(a: np.ndarray, b: np.ndarray, raw: np.ndarray, std: Sequence[float]) -> np.ndarray:
    s = np.asarray(std, float)
    level = (s[:, None, None] if a.shape[0] == 3 else s) * 255
    d = (a - b) * level
    return d - 256 * np.round(d / 256)


def _swapped_names(raw: np.ndarray, deployed: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> str:
    made = _tensors(raw, mean, std)
    made["bgr"], made["bgr_late"] = made["bgr_late"], made["bgr"]
    return _answer(tensors=lambda *_: made)(raw, deployed, mean, std)


def _changed(name: str, rule: Callable) -> Callable:
    """The table with one tensor made by another rule of (x as (3, H, W) in 0..255, mean, std)."""

    def tensors(raw: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> dict[str, np.ndarray]:
        m, s = np.asarray(mean, float)[:, None, None], np.asarray(std, float)[:, None, None]
        return {**_tensors(raw, mean, std), name: rule(raw.astype(float).transpose(2, 0, 1), m, s)}

    return tensors


def _without(*names: str) -> tuple[str, ...]:
    return tuple(n for n in NAMES if n not in names)


def _else_ok(raw: np.ndarray, deployed: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> str:
    found = _answer()(raw, deployed, mean, std)
    return "ok" if found == "unknown" else found


# --- right answers --------------------------------------------------------------------------------


def _as_loop(raw: np.ndarray, deployed: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> str:
    mean, std = np.array(mean), np.array(std)
    pixels = raw / 255.0
    swapped = pixels[:, :, ::-1]
    table = [("ok", (pixels - mean) / std), ("bgr", (swapped - mean) / std), ("bgr_late", ((pixels - mean) / std)[..., ::-1]),
             ("no_scale", (raw - mean) / std), ("no_normalize", pixels), ("double_scale", (pixels / 255.0 - mean) / std),
             ("std_first", pixels / std - mean)]
    for name, image in table:
        expected = np.transpose(image, (2, 0, 1))
        if expected.shape == deployed.shape and np.all(np.abs(expected - deployed.astype(np.float64)) <= 1e-4):
            return name
    right = table[0][1]
    return "hwc" if right.shape == deployed.shape and np.all(np.abs(right - deployed.astype(np.float64)) <= 1e-4) else "unknown"


def _by_undoing(raw: np.ndarray, deployed: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> str:
    """Undoes the normalisation step by step and looks where the pixels are; the tolerance is carried along."""
    y, m, s = np.asarray(deployed, np.float64), np.reshape(mean, (3, 1, 1)), np.reshape(std, (3, 1, 1))
    x, tol = np.moveaxis(raw.astype(np.float64), 2, 0), 1e-4 * np.ones((3, 1, 1))
    hwc = np.moveaxis(y, 2, 0) if y.ndim == 3 else y

    def fits(undone: np.ndarray, pixels: np.ndarray, allowed: np.ndarray) -> bool:
        return undone.shape == pixels.shape and bool(np.all(np.abs(undone - pixels) <= allowed))

    if y.shape == x.shape:
        unit = y * s + m
        for name, undone, pixels, allowed in (
                ("ok", unit * 255, x, tol * np.abs(s) * 255), ("bgr", unit * 255, x[::-1], tol * np.abs(s) * 255),
                ("bgr_late", (y[::-1] * s + m) * 255, x, tol * np.abs(s) * 255), ("no_scale", unit, x, tol * np.abs(s)),
                ("no_normalize", y * 255, x, tol * 255), ("double_scale", unit * 65025, x, tol * np.abs(s) * 65025),
                ("std_first", (y + m) * s * 255, x, tol * np.abs(s) * 255)):
            if fits(undone, pixels, allowed):
                return name
    return "hwc" if y.shape == raw.shape and fits((hwc * s + m) * 255, x, tol * np.abs(s) * 255) else "unknown"


# --- cases ----------------------------------------------------------------------------------------


def _made(kind: str, raw: np.ndarray, mean: Sequence[float] = MEAN, std: Sequence[float] = STD) -> np.ndarray:
    return _tensors(raw, mean, std)[kind]


def _case(kind: str, raw: np.ndarray, mean: Sequence[float] = MEAN, std: Sequence[float] = STD, *, change: Callable | None = None,
          dtype: Any = np.float32, label: str = "") -> Case:
    made = _made(kind, raw, mean, std)
    made = made if change is None else change(made)
    told = label or f"an image of {raw.shape}, made by {kind!r}"
    return Case(raw, np.ascontiguousarray(made, dtype), tuple(mean), tuple(std), label=told)


def _image(seed: int, h: int = 4, w: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (h, w, 3)).astype(np.uint8)


def _grey(seed: int, h: int = 4, w: int = 5) -> np.ndarray:
    return np.repeat(np.random.default_rng(seed).integers(0, 256, (h, w, 1)).astype(np.uint8), 3, axis=2)


def _put(at: tuple, value: float) -> Callable:
    def change(x: np.ndarray) -> np.ndarray:
        x = x.copy()
        x[at] = value
        return x

    return change


def _one_off(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x[0, 0, 0] += 0.02
    return x


def _draw(rng: np.random.Generator) -> Case:
    h, w = [(3, 3), (1, 1), (2, 5), (6, 4)][int(rng.integers(4))]
    raw = rng.integers(0, 256, (h, w, 3)).astype(np.uint8)
    if rng.random() < 0.15:
        raw = np.repeat(raw[..., :1], 3, axis=2)
    mean = tuple(rng.uniform(0.2, 0.6, 3).round(3).tolist())
    std = tuple(rng.uniform(0.15, 0.4, 3).round(3).tolist())
    kind = NAMES[int(rng.integers(len(NAMES)))]
    change = None
    if rng.random() < 0.2:
        change = [_one_off, lambda x: x[None], lambda x: x * 1.01 + 0.01, _put((0, 0, 0), np.nan), lambda x: np.flip(x, -1) + 0.5][int(rng.integers(5))]
    told = f"an image of {raw.shape}, made by {kind!r}" + (", then changed" if change else "")
    return _case(kind, raw, mean, std, change=change, label=told)


_RED = np.array([[[255, 0, 0]]], np.uint8)


def _red(*values: float) -> Case:
    return Case(_RED, np.array(values, np.float64).reshape(3, 1, 1), EASY_MEAN, EASY_STD,
                label=f"a red pixel (255, 0, 0), deployed [{', '.join(f'{v:g}' for v in values)}]")


diagnose_skew = Exercise(
    id="06.diagnose_skew", points=4, difficulty=2, minutes=18, idea="a wrong tensor says which step was wrong",
    reference=release.diagnose_skew,
    cases=[_red(1, -1.6, -1.5), _red(-1, -1.6, 3.5), _red(-1.5, -1.6, 1), _red(509, -1.6, -1.5), _red(1.5, -0.4, -0.3)],
    hidden=[
        *(_case(kind, _image(1)) for kind in NAMES), *(_case(kind, _image(2, 3, 3)) for kind in NAMES),
        _case("bgr", _grey(3)), _case("bgr_late", _grey(3)), _case("hwc", _grey(4, 3, 3)), _case("ok", _grey(5)),
        _case("bgr", _grey(3), label="a grey image, made by 'bgr'"), _case("ok", _image(6), dtype=np.float64),
        _case("ok", _image(7), change=lambda x: x + 8e-5, dtype=np.float64), _case("ok", _image(7), change=lambda x: x + 1.2e-4, dtype=np.float64),
        _case("no_scale", _image(8), change=lambda x: x + 9e-4, dtype=np.float64, label="'no_scale', off by 0.0009"),
        _case("no_scale", _image(8) // 4 + 190, change=lambda x: x + 9e-4, label="a bright image, 'no_scale', off by 0.0009"),
        _case("no_scale", _image(8), change=lambda x: x + 8e-5, dtype=np.float64), _case("bgr", _image(9), change=lambda x: x - 9e-5, dtype=np.float64),
        _case("hwc", _image(9), change=lambda x: x + 2e-3, label="'hwc', off by 0.002"), _case("ok", _image(10), change=_put((0, 1, 1), np.nan), label="one NaN"),
        _case("ok", _image(10), change=lambda x: x * np.nan, label="NaN everywhere"), _case("hwc", _image(11), change=_put((1, 1, 1), np.nan), label="'hwc' with a NaN"),
        _case("ok", _image(11), change=_put((0, 1, 1), np.inf), label="an infinity"),
        _case("ok", _image(12), change=lambda x: x[None], label="a batch axis in front, (1, 3, 4, 5)"),
        _case("ok", np.full((2, 2, 3), 90, np.uint8), change=lambda x: x[:, :1, :1], label="an even image, deployed (3, 1, 1)"),
        _case("hwc", np.full((2, 2, 3), 90, np.uint8), change=lambda x: x[:1, :1], label="an even image, deployed (1, 1, 3)"),
        _case("ok", _image(13), change=lambda x: x[:, ::-1], label="upside down"), _case("ok", _image(13), change=lambda x: x[:, :, ::-1], label="mirrored"),
        _case("ok", _image(14), change=lambda x: x + 256 / 255 / np.reshape(STD, (3, 1, 1)), dtype=np.float64, label="256 levels too bright"),
        _case("ok", _image(15), change=_one_off, label="one value off by 0.02"), _case("bgr", _image(15, 3, 3), change=_one_off, label="'bgr', one value off"),
        _case("ok", _image(16), change=lambda x: x[[1, 0, 2]], label="red and green exchanged"), _case("ok", np.zeros((2, 2, 3), np.uint8)),
        _case("ok", _image(17, 3, 3), change=lambda x: x.swapaxes(1, 2), label="rows and columns exchanged"),
        _case("no_scale", np.zeros((2, 2, 3), np.uint8)), _case("std_first", np.zeros((2, 2, 3), np.uint8)), _case("no_normalize", np.zeros((2, 2, 3), np.uint8)),
        _case("double_scale", _image(19), MEAN, (0.02, 0.03, 0.02), label="'double_scale' with a small std"),
        _case("ok", _image(18), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)), _case("no_normalize", _image(18), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    ],
    draw=_draw, draws=40, pure=True,
    misconceptions=[
        Misconception(
            "means_only", _answer(near=_means), also=(_answer(near=_channel_means),),
            message="You compare averages. Exchanged channels, a mirrored image or two errors that cancel keep an average: compare every element.",
            title="Averages hide it."),
        Misconception(
            "shape_tells_hwc", _by_shape_first, also=(_by_shape,),
            message="You tell hwc by the shape. A 3 x 3 image has the shape (3, 3, 3) either way, and a tensor of the right shape may hold wrong "
                    "values: compare them.",
            title="The shape alone says little."),
        Misconception(
            "last_match", _answer(last=True), also=(_answer(names=("bgr", "ok", *NAMES[2:])), _answer(names=NAMES[::-1])),
            message="The first match in the order of the text counts. On a grey image both channel orders are the same, and that is \"ok\".",
            title="The order of the questions."),
        Misconception(
            "wrapped_pixels", _back_to_pixels,
            message="You turn the tensor back into 8-bit pixels. There 256 is 0 again, so that a far too bright image looks right. Work in float64.",
            title="uint8 wraps around."),
        Misconception(
            "exact", _answer(near=lambda a, b: np.array_equal(a, b)), also=(_answer(near=lambda a, b: a.shape == b.shape and bool(np.allclose(a, b, rtol=0, atol=1e-8))),),
            message="You ask for equal numbers. The deployed tensor is float32, yours float64: allow 1e-4.",
            title="Floats are hardly ever equal."),
        Misconception(
            "relative_tolerance", _answer(near=_relative), also=(_answer(near=_default_relative),),
            message="Your tolerance grows with the values (np.allclose has an rtol of its own). For values in the hundreds it lets real errors "
                    "pass: 1e-4 absolute was asked.",
            title="A tolerance that grows."),
        Misconception(
            "nan_passes", _answer(near=_nan_passes), also=(_answer(near=_nan_equal),),
            message="A NaN is taken for a match. Every comparison with NaN is false, so \"nothing is too far off\" is true. Ask whether "
                    "everything is near enough.",
            title="NaN is near to nothing."),
        Misconception(
            "stretched", _answer(near=_stretched), also=(_answer(near=_squeezed),),
            message="Tensors of another shape are compared all the same, since NumPy stretches or reshapes them. Another shape never matches.",
            title="NumPy stretches the arrays."),
        Misconception(
            "bgr_swapped", _swapped_names,
            "bgr and bgr_late are exchanged. Reversed before normalising, blue pixels meet the mean of red; reversed after, each keeps its own.",
            "Before or after?"),
        Misconception(
            "no_scale_wrong", _answer(tensors=_changed("no_scale", lambda x, m, s: x)), also=(
                _answer(tensors=_changed("no_scale", lambda x, m, s: (x - 255 * m) / s)),),
            message="Your no_scale is another bug. There the pixels stay between 0 and 255, and then mean and std, meant for 0 to 1, are applied.",
            title="Normalised, not scaled."),
        Misconception(
            "double_scale_wrong", _answer(tensors=_changed("double_scale", lambda x, m, s: (x / 255 - m) / s / 255)), also=(
                _answer(tensors=_changed("double_scale", lambda x, m, s: x / 65025)),),
            message="Your double_scale is another bug. The pixels are divided by 255 twice, and then normalised.",
            title="Scaled twice, then normalised."),
        Misconception(
            "std_first_wrong", _answer(tensors=_changed("std_first", lambda x, m, s: x / 255 / s - m / s + 0 * m)), also=(
                _answer(tensors=_changed("std_first", lambda x, m, s: (x / s - m) / 255)),),
            message="In std_first the scaled pixel is divided by std, and the mean is taken away after that, undivided.",
            title="Divided first."),
        Misconception(
            "hwc_forgotten", _answer(names=_without("hwc")),
            "A tensor with right values in the layout (H, W, 3) is \"unknown\" to you. Compare with the tensor before its axes are moved, too.",
            "The layout is one of the bugs."),
        Misconception(
            "bugs_missing", _answer(names=NAMES[:1]), also=tuple(_answer(names=NAMES[:k]) for k in range(2, 7)),
            message="Several bugs of the table come out as \"unknown\". Each row of it is a tensor that you can make from `raw`, `mean` and `std`.",
            title="Not all bugs are looked for."),
        Misconception(
            "unknown_is_ok", _else_ok,
            "What matches nothing is \"ok\" for you. It is the opposite: \"unknown\".", "No match is not a pass."),
    ],
    alternatives=[_as_loop, _by_undoing],
    hints=(
        "Make all eight tensors from `raw` yourself, in a dict in the order of the text, and look which one `deployed` equals.",
        "Work on (H, W, 3) in float64, where mean and std stand along the last axis by themselves, and move the axes at the end.",
        "A match: the same shape, and `(np.abs(deployed - expected) <= 1e-4).all()`. Written so, NaN never matches.",
    ),
    worth_knowing="Keep one raw image and its right tensor in the bundle. A start-up check that compares the two finds all of these bugs.",
)
