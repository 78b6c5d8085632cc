"""Exercise 21.run_fixed_batch: any number of rows through a model that takes exactly `batch`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from utils.serving.batching import fixed

from ...compare import brief, exact
from ...exercise import Case, Exercise, Misconception

PROBE = "ch21_static_vs_dynamic_batching.run_rows"
Run = Callable[[np.ndarray], np.ndarray]


def _zeros(rows: np.ndarray, batch: int) -> np.ndarray:
    """Rows of zeros that `rows` lack to make up a batch."""
    return np.zeros((batch - len(rows), *rows.shape[1:]), rows.dtype)


def _chunks(*, starts: Callable[[int, int], range] = lambda n, b: range(0, max(n, 1), b),
            pad: Callable[[np.ndarray, int], np.ndarray] = _zeros, join: Callable[[list], np.ndarray] = np.concatenate,
            cut: bool = True) -> Callable[[Run, np.ndarray, int], np.ndarray]:
    """An answer with one mistake; with its defaults it is right."""

    def answer(run: Run, x: np.ndarray, batch: int) -> np.ndarray:
        n = len(x)
        outputs = []
        for i in starts(n, batch):
            rows = x[i : i + batch]
            outputs.append(run(np.concatenate([rows, pad(rows, batch)]) if len(rows) < batch else rows))
        joined = join(outputs)
        return joined[:n] if cut else joined

    return answer


def _crashing(**rules: Callable) -> Callable:
    """The same mistake, and no rows are forgotten on top."""
    return _chunks(starts=_forgetful, **rules)


def _stacked(*, dtype: type | None = None, starts: Callable[[int, int], range] = lambda n, b: range(0, max(n, 1), b)) -> Callable:
    """Pads with `np.vstack`, which takes a row of numbers for a row of one."""

    def answer(run: Run, x: np.ndarray, batch: int) -> np.ndarray:
        outputs = []
        for i in starts(len(x), batch):
            rows = x[i : i + batch]
            if len(rows) < batch:
                rows = np.vstack([rows, np.zeros((batch - len(rows), *x.shape[1:]), dtype or x.dtype)])
            outputs.append(run(rows))
        return np.concatenate(outputs)[: len(x)]

    return answer


def _with_columns(rows: np.ndarray, batch: int) -> np.ndarray:
    """Zeros for rows of one dimension."""
    return np.zeros((batch - len(rows), rows.shape[1]), rows.dtype)


def _forgetful(n: int, b: int) -> range:
    """Starts of the chunks, none for no rows."""
    return range(0, n, b)


def _last_row_again(rows: np.ndarray, batch: int) -> np.ndarray:
    """The last row, as often as rows are missing; zeros where there is none."""
    return np.repeat(rows[-1:], batch - len(rows), axis=0) if len(rows) else _zeros(rows, batch)


def _float_zeros(rows: np.ndarray, batch: int) -> np.ndarray:
    return np.zeros((batch - len(rows), *rows.shape[1:]))


def _overlapping(run: Run, x: np.ndarray, batch: int) -> np.ndarray:
    """The last chunk reaches back into the one before, and all its outputs are kept."""
    n = len(x)
    if n < batch:
        return _chunks()(run, x, batch)
    outputs = [run(x[i : i + batch]) for i in range(0, n - batch + 1, batch)]
    return np.concatenate([*outputs, run(x[n - batch :])] if n % batch else outputs)


def _like_x(run: Run, x: np.ndarray, batch: int) -> np.ndarray:
    """The output takes the shape and dtype of x."""
    output = np.empty_like(x)
    for i in range(0, max(len(x), 1), batch):
        rows = x[i : i + batch]
        output[i : i + batch] = run(np.concatenate([rows, _zeros(rows, batch)]))[: len(rows)]
    return output


def _row_by_row(run: Run, x: np.ndarray, batch: int) -> np.ndarray:
    if not len(x):
        return run(_zeros(x, batch))[:0]
    return np.concatenate([run(np.concatenate([x[i : i + 1], _zeros(x[i : i + 1], batch)]))[:1] for i in range(len(x))])


def _without_rows(nothing: Callable[[np.ndarray], Any]) -> Callable:
    """Right, but for n = 0."""

    def answer(run: Run, x: np.ndarray, batch: int) -> Any:
        return fixed.run_fixed_batch(run, x, batch) if len(x) else nothing(x)

    return answer


def _interleaved(outputs: list[np.ndarray]) -> np.ndarray:
    stacked = np.stack(outputs, axis=1)  # (batch, calls, ...) in place of (calls, batch, ...)
    return stacked.reshape(-1, *stacked.shape[2:])


def _pads_x(run: Run, x: np.ndarray, batch: int) -> np.ndarray:
    """NumPy's pad on the whole, then a loop over slices."""
    n = len(x)
    missing = -n % batch or (batch if n == 0 else 0)
    padded = np.pad(x, [(0, missing)] + [(0, 0)] * (x.ndim - 1))
    return np.concatenate([run(part) for part in np.split(padded, len(padded) // batch)])[:n]


def _one_buffer(run: Run, x: np.ndarray, batch: int) -> np.ndarray:
    """One input buffer for all calls, and an output made after the first of them."""
    n, buffer, output = len(x), np.zeros((batch, *x.shape[1:]), x.dtype), None
    for i in range(0, max(n, 1), batch):
        rows = x[i : i + batch]
        buffer[: len(rows)] = rows
        got = run(buffer)
        if output is None:
            output = np.empty((n, *got.shape[1:]), got.dtype)
        output[i : i + batch] = got[: len(rows)]
    return output


def _reaches_back(run: Run, x: np.ndarray, batch: int) -> np.ndarray:
    """The last chunk reaches back, and only its new rows are kept; short inputs repeat their last row."""
    n = len(x)
    if n < batch:
        return run(np.concatenate([x, _last_row_again(x, batch)]))[:n]
    outputs = [run(x[i : i + batch]) for i in range(0, n - batch + 1, batch)]
    if n % batch:
        outputs.append(run(x[n - batch :])[-(n % batch) :])
    return np.concatenate(outputs)


def _case(model: str, n: int, batch: int, trailing: tuple[int, ...] = (1,), dtype: str = "float32", first: int = 0) -> Case:
    count = n * int(np.prod(trailing, dtype=int))
    x = (first + np.arange(count)).reshape(n, *trailing).astype(dtype)
    told = f"x of shape {x.shape}, {x.dtype}" + (f", {first} to {first + count - 1}" if count > 0 else "")
    return Case(model=model, x=x, batch=batch, label=f"model “{model}”, {told}, batch {batch}")


def _draw(rng: np.random.Generator) -> Case:
    """Small whole numbers, which every dtype holds exactly, also after the model."""
    batch = int(rng.integers(1, 8))
    n = int(rng.integers(0, 4)) * batch if rng.random() < 0.35 else int(rng.integers(0, 24))
    trailing = ((), (1,), (3,), (2, 3))[int(rng.integers(4))]
    model = ("double", "row sums", "is positive", "ten scores", "two maps")[int(rng.integers(5))]
    dtype = ("float32", "float64", "float16", "int64", "uint8")[int(rng.integers(5))]
    x = rng.integers(0 if dtype == "uint8" else -9, 10, (n, *trailing)).astype(dtype)
    return Case(model=model, x=x, batch=batch, label=f"model “{model}”, x of shape {x.shape}, {dtype}, batch {batch}")


def _show(value: Any) -> str:
    if not isinstance(value, dict) or "output" not in value:
        return brief(value)
    changed = ", x was changed" if value["x changed"] else ""
    return f"{brief(value['output'])}, {value['calls']} call{'s' * (value['calls'] != 1)}{changed}"


run_fixed_batch = Exercise(
    id="21.run_fixed_batch", points=3, difficulty=2, minutes=12, idea="a fixed batch is served by padding",
    reference=fixed.run_fixed_batch, probe=PROBE,
    cases=[_case("double", 10, 4), _case("row sums", 2, 6, (3,))],
    hidden=[
        _case("double", 8, 4), _case("double", 4, 4, (2,)), _case("double", 1, 1, ()), _case("double", 3, 5, (2, 2)),
        _case("double", 0, 4, (3,)), _case("ten scores", 0, 3, (2,)), _case("is positive", 0, 2, ()), _case("two maps", 0, 3, (2, 2)),
        _case("ten scores", 7, 3, (2, 4)), _case("two maps", 5, 2, (3,)), _case("is positive", 9, 4, (2,), "int64", -8),
        _case("row sums", 11, 4, (3,), "uint8"), _case("double", 9, 3, (2,), "float16"), _case("double", 6, 1, (1,)),
        _case("row sums", 13, 5, (2, 2), "float64"),
    ],
    draw=_draw, draws=30, compare=exact(), show=_show, time_limit_s=2.0,
    misconceptions=[
        Misconception(
            "keeps_padding", _chunks(cut=False),
            "The outputs of the padding are still in. The caller gave n rows and expects n answers: the rest belong to rows that "
            "nobody asked about.",
            "The padding is returned.", also=(_crashing(cut=False),)),
        Misconception(
            "repeats_counted", _chunks(pad=_last_row_again, cut=False),
            "Some rows are answered twice: you filled up the last chunk with rows that are there already and kept all outputs. "
            "Whatever you pad with, its outputs have to go.",
            "Rows are answered twice.", also=(_overlapping, _crashing(pad=_last_row_again, cut=False))),
        Misconception(
            "extra_call", _chunks(starts=lambda n, b: range(0, n + 1, b)),
            "When n is a multiple of the batch, you make one call on padding alone. It costs as much as a full one. Count the "
            "chunks again: how many does n = 8 need with a batch of 4?",
            "One call too many."),
        Misconception(
            "drops_the_rest", _chunks(starts=lambda n, b: range(0, max(n - b + 1, n == 0), b), join=lambda outs: np.concatenate(outs) if outs else np.zeros((0, 1))),
            "Only whole chunks are processed, and the last rows get no answer. An incomplete chunk has to be filled up.",
            "The last rows are lost.",
            also=(_chunks(starts=lambda n, b: range(0, n - b + 1, b)),)),
        Misconception(
            "no_padding", _chunks(pad=lambda rows, batch: rows[:0]),
            "The last chunk goes to the model as short as it is. A model with a fixed batch refuses it. Fill it up before the call.",
            "A short chunk reaches the model.", also=(lambda run, x, batch: run(x), _crashing(pad=lambda rows, batch: rows[:0]))),
        Misconception(
            "float64_padding", _chunks(pad=_float_zeros),
            "The padding is float64, NumPy's default, and so the whole chunk becomes float64. The model was built for the dtype of x "
            "and refuses it. Tell NumPy the dtype of your zeros.",
            "The padding changes the dtype.", also=(_crashing(pad=_float_zeros), _stacked(dtype=float), _stacked(dtype=float, starts=_forgetful))),
        Misconception(
            "two_dimensions", _chunks(pad=_with_columns),
            "Your padding is made for rows of one dimension. x may be a list of numbers, or a stack of pictures: take over the whole "
            "trailing shape, `x.shape[1:]`, and join along the first axis.",
            "x need not be a table.",
            also=(_crashing(pad=_with_columns), _stacked(), _stacked(starts=_forgetful))),
        Misconception(
            "mixes_rows", _chunks(join=_interleaved),
            "All answers are there, in another order: the first rows of all chunks come first. Put the outputs one below the other, "
            "along the first axis.",
            "The rows are out of order.",
            also=(_crashing(join=_interleaved), lambda run, x, batch: fixed.run_fixed_batch(run, x[::-1], batch))),
        Misconception(
            "row_by_row", _row_by_row,
            "The answers are right, but each row goes through the model in a call of its own. Every call costs a whole batch: put "
            "as many rows as you can into each.",
            "More calls than needed."),
        Misconception(
            "output_like_x", _like_x,
            "Your output has the shape and dtype of x. A network turns pictures into scores: only the model's own output tells its "
            "shape and dtype.",
            "The output need not look like the input."),
        Misconception(
            "empty_crashes", _without_rows(lambda x: np.concatenate([])),
            "Without rows there is nothing to concatenate, and NumPy refuses. The caller still expects an array, with no rows and "
            "the model's trailing shape. One call tells you that shape.",
            "No rows is an input too.", also=(_without_rows(lambda x: None),)),
        Misconception(
            "empty_like_x", _without_rows(lambda x: x[:0].copy()),
            "For no rows you return an empty array that looks like x, or has no shape at all. Its trailing shape and its dtype are those of the model's "
            "output. A call on zeros tells them.",
            "An empty answer has a shape too.",
            also=(_without_rows(lambda x: np.array([])), _without_rows(lambda x: np.zeros((0, *x.shape[1:]))))),
    ],
    alternatives=[_pads_x, _one_buffer, _reaches_back],
    hints=(
        "Go through the rows in steps of `batch`: `range(0, n, batch)`. Which of the slices is short?",
        "Make an array of zeros with `batch` rows, x's trailing shape and x's dtype. Write the short slice into its first rows.",
        "Join the outputs with `np.concatenate` and keep the first n rows. If the loop runs once for n = 0, this case needs no code of its own.",
    ),
    worth_knowing="ONNX Runtime behaves like this model: with a fixed first dimension it refuses any other number of rows.",
)
