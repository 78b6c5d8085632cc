"""Training memory against torch itself: its autograd, profiler, optimizers, and the allocator's header."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from utils.cost.memory import saved_bytes, training_bytes, transformer_activation_bytes
from utils.cost.memory.fit_batch import ALLOCATOR_BLOCK_BYTES
from utils.cost.memory.live_tensors import profiled_peak_bytes, trace_training
from utils.cost.memory.saved_tensors import saved_activation_bytes
from utils.networks.training_nets import GptLayer, mlp

MODULES = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "dropout": nn.Dropout}


@pytest.mark.parametrize("seed", range(40))
def test_random_chains_keep_what_autograd_keeps(seed):
    rng = np.random.default_rng(seed)
    features = width = int(rng.integers(1, 20))
    layers, modules = [], []
    for _ in range(int(rng.integers(1, 9))):
        kind = str(rng.choice(["linear", "linear", *MODULES]))
        out = int(rng.integers(1, 20))
        layers.append((kind, out) if kind == "linear" else (kind, 0.3) if kind == "dropout" else (kind,))
        modules.append(nn.Linear(width, out) if kind == "linear" else MODULES[kind](*layers[-1][1:]))
        width = out if kind == "linear" else width
    x = torch.randn(7, features, requires_grad=True)
    assert saved_bytes(layers, 7, features) == saved_activation_bytes(nn.Sequential(*modules), x).total


@pytest.mark.parametrize("segments", [1, 4])
def test_the_tracker_sees_what_the_profiler_sees(segments):
    from torch.utils.checkpoint import checkpoint_sequential

    model, x = mlp(128, 32), torch.zeros(256, 128)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)

    def step():
        (model(x) if segments == 1 else checkpoint_sequential(
            model, segments, x, use_reentrant=False, preserve_rng_state=False)).sum().backward()  # the state of the generator is 5,056 bytes a segment

    expected = profiled_peak_bytes(step)
    on_meta = trace_training(mlp(128, 32).to("meta"), x.to("meta"), segments=segments).peak_bytes
    # The profiler also sees four-byte scalars (the sum and its gradient) that alignment may pad: none, or a few.
    assert on_meta == pytest.approx(expected, abs=256)
    assert trace_training(model, x, segments=segments).peak_bytes == on_meta
    if segments == 1:
        assert on_meta / x.nbytes == pytest.approx(33.5, abs=0.01)


@pytest.mark.parametrize(("h", "a", "s", "b", "units"), [(256, 4, 128, 2, 48), (128, 2, 64, 4, 42), (256, 8, 256, 1, 84)])
def test_the_transformer_formula_counts_a_real_layer(h, a, s, b, units):
    layer = GptLayer(h, a, dropout=0.1).bfloat16()
    x = torch.zeros(b, s, h, dtype=torch.bfloat16, requires_grad=True)
    formula = transformer_activation_bytes(s, b, h, a, 1, mask_bytes=2)
    assert formula == units * s * b * h
    # Beyond the formula: mean and inverse deviation of two layer norms, 2 bytes each, for every token.
    assert saved_activation_bytes(layer, x).total == formula + 8 * s * b


@pytest.mark.parametrize(("name", "make"), [
    ("sgd", lambda p: torch.optim.SGD(p, 0.1)), ("momentum", lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)),
    ("adam", lambda p: torch.optim.Adam(p, 0.1))])
def test_optimizer_states_are_what_the_optimizer_holds(name, make):
    model = mlp(16, 2)
    optimizer = make(model.parameters())
    model(torch.zeros(1, 16)).sum().backward()
    optimizer.step()
    held = [t for state in optimizer.state_dict()["state"].values() for t in state.values() if isinstance(t, torch.Tensor)]
    n = sum(p.numel() for p in model.parameters())
    steps = len(list(model.parameters())) if name == "adam" else 0  # one counter a tensor
    assert 4 * (sum(t.numel() for t in held) - steps) == training_bytes(n, name, mixed=False)["optimizer"]


def test_the_allocators_block_is_torchs():
    header = Path(torch.__file__).parent / "include/c10/core/AllocatorConfig.h"
    if not header.exists():
        pytest.skip("this torch comes without headers")
    assert int(re.search(r"kMinBlockSize = (\d+)", header.read_text())[1]) == ALLOCATOR_BLOCK_BYTES
