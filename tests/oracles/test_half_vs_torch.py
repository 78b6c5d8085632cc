"""16-bit conversions and loss scaling against torch, ml_dtypes and NumPy."""

import ml_dtypes
import numpy as np
import pytest
import torch

from utils.numerics.formats import BF16, FP16, encode
from utils.numerics.half import (
    DynamicLossScaler,
    LossScaler,
    bf16_from_f32_bits,
    double_rounding_example,
    f32_bits_from_bf16,
    f32_bits_from_fp16,
    fp16_from_f32_bits,
)

pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value encountered")
WORDS16 = np.arange(65_536, dtype=np.uint16)
QUIET = np.uint32(0x0040_0000)  # conversion hardware may set a NaN's highest fraction bit


@pytest.mark.parametrize("widen, dtype", [(f32_bits_from_fp16, np.float16), (f32_bits_from_bf16, ml_dtypes.bfloat16)],
                         ids=["fp16", "bf16"])
def test_widening_all_words(widen, dtype):
    got, expected = widen(WORDS16), WORDS16.view(dtype).astype(np.float32).view(np.uint32)
    nan = (got & 0x7FFF_FFFF) > 0x7F80_0000
    assert np.array_equal(got[~nan], expected[~nan])
    assert np.array_equal(got[nan] | QUIET, expected[nan] | QUIET)


@pytest.fixture(scope="module")
def words32() -> np.ndarray:
    """2,000,000 random FP32 words and all ties of BF16."""
    random = np.random.default_rng(0).integers(0, 2**32, 2_000_000, dtype=np.uint32)
    return np.concatenate([random, WORDS16.astype(np.uint32) << 16 | 0x8000])


@pytest.mark.parametrize("narrow, numpy_type, torch_type", [
    (bf16_from_f32_bits, ml_dtypes.bfloat16, torch.bfloat16), (fp16_from_f32_bits, np.float16, torch.float16),
], ids=["bf16", "fp16"])
def test_narrowing_random_words(words32, narrow, numpy_type, torch_type):
    x = words32.view(np.float32)
    nan = np.isnan(x)
    got = narrow(words32)
    assert np.array_equal(got[~nan], x.astype(numpy_type).view(np.uint16)[~nan])
    by_torch = torch.from_numpy(x).to(torch_type).view(torch.int16).numpy().view(np.uint16)
    assert np.array_equal(got[~nan], by_torch[~nan])
    assert np.all(np.isnan(got[nan].view(numpy_type).astype(np.float32)))


def test_float64_goes_through_float32_in_torch():
    """Why oracles of BF16 must be fed float32: torch and ml_dtypes round float64 twice, `encode` once."""
    x = double_rounding_example(BF16)
    assert float(torch.tensor(x, dtype=torch.float64).bfloat16()) == float(np.float64(x).astype(ml_dtypes.bfloat16)) == 1.0
    assert encode(x, BF16) == 0x3F81
    y = double_rounding_example(FP16)
    assert float(torch.tensor(y, dtype=torch.float64).half()) == 1.0
    assert encode(y, FP16) == np.float64(y).astype(np.float16).view(np.uint16) == 0x3C01


@pytest.mark.parametrize("seed", range(4))
def test_scaler_follows_torch(seed):
    rng = np.random.default_rng(seed)
    interval = int(rng.integers(1, 4))
    settings = {"init_scale": 2.0**10, "growth_interval": interval}
    theirs = torch.amp.GradScaler("cpu", growth_factor=4.0, backoff_factor=0.25, **settings)
    ours = DynamicLossScaler(growth=4.0, backoff=0.25, **settings)
    exercise = LossScaler(2.0**10, 4.0, 0.25, interval)
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    for _ in range(40):
        bad = rng.random() < 0.3
        gradient = np.float32([1.0, rng.choice([np.inf, -np.inf, np.nan]) if bad else -2.0])
        with torch.no_grad():
            weight.zero_()
        theirs.scale(torch.zeros(1))
        weight.grad = torch.from_numpy(gradient.copy())
        theirs.step(optimizer)
        step = weight.detach().numpy()
        unscaled = exercise.step([gradient])
        assert ours.update(bad) == (unscaled is not None) == bool(step.any())
        if unscaled is not None:
            assert np.array_equal(-step, unscaled[0])  # the scales are powers of two
        theirs.update()
        assert theirs.get_scale() == ours.scale == exercise.scale


def test_scaler_stops_growing_where_torch_does():
    theirs = torch.amp.GradScaler("cpu", init_scale=2.0**126, growth_interval=1)
    ours = DynamicLossScaler(2.0**126, growth_interval=1)
    weight = torch.nn.Parameter(torch.zeros(1))
    for _ in range(4):
        theirs.scale(torch.zeros(1))
        weight.grad = torch.ones(1)
        theirs.step(torch.optim.SGD([weight], lr=0.0))
        theirs.update()
        ours.update(False)
        assert theirs.get_scale() == ours.scale
