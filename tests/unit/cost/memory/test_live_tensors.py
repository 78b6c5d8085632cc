"""The tracker: chains whose live tensors are known by hand, and the straight line behind the largest batch."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from utils.cost.memory import FP32_ADAM, chain_peak, model_state_bytes
from utils.cost.memory.checkpointing import checkpoint_forward_units
from utils.cost.memory.live_tensors import LiveTensorTracker, max_batch, trace_inference, trace_training
from utils.networks.training_nets import mlp, resnet18

WIDTH, BATCH, DEPTH = 64, 2048, 32
UNIT = 4 * WIDTH * BATCH


def chain(device="meta"):
    return mlp(WIDTH, DEPTH).to(device), torch.zeros(BATCH, WIDTH, device=device)


def test_it_counts_storages_and_forgets_them():
    x = torch.zeros(100)
    with LiveTensorTracker([x]) as tracker:
        y = x.view(10, 10).t() + 1
        z = y[:5]
        assert (tracker.current_bytes, tracker.peak_bytes) == (400, 400)
        del y
        assert tracker.current_bytes == 400  # z is a view of it
        del z
        assert tracker.current_bytes == 0
    assert len(tracker.timeline) == len(tracker.operators) and "add" in " ".join(tracker.operators)


@pytest.mark.parametrize("segments", [1, 2, 4, 8, 16, 32])
def test_forward_units_are_those_of_the_formula(segments):
    trace = trace_training(*chain(), segments=segments)
    units = checkpoint_forward_units(DEPTH, segments)
    assert trace.kept_bytes == units * UNIT
    # Backward adds the gradient of one output, the last layer's weight and bias gradients, the loss and its gradient.
    assert trace.peak_bytes == (units + 1) * UNIT + 4 * (WIDTH * WIDTH + WIDTH) + 8


def test_inference_needs_two_neighbours():
    model, x = chain()
    trace = trace_inference(model, x)
    assert trace.peak_bytes == 2 * UNIT
    widths = [64, 256, 64, 128]
    net = nn.Sequential(*(nn.Linear(a, b, bias=False) for a, b in pairwise(widths))).to("meta")
    # The batch itself is held by the caller throughout: chain_peak counts it in the first step only.
    assert trace_inference(net, x).peak_bytes == 4 * BATCH * chain_peak(widths[1:])


def test_gradients_are_put_back():
    model = nn.Linear(3, 2)
    model.bias.grad = torch.ones(2)
    trace_training(model, torch.zeros(4, 3))
    assert model.weight.grad is None and torch.equal(model.bias.grad, torch.ones(2))
    with pytest.raises(ValueError, match="segments"):
        trace_training(model, torch.zeros(4, 3), segments=0)


@pytest.mark.parametrize(("build", "shape", "budget"), [(resnet18, (3, 224, 224), 2**33), (lambda: mlp(256, 4), (256,), 40_000_000)])
def test_the_largest_batch_fits_and_the_next_does_not(build, shape, budget):
    batch = max_batch(build, shape, budget, FP32_ADAM)
    with torch.device("meta"):
        model = build()
    states = model_state_bytes(sum(p.numel() for p in model.parameters()), FP32_ADAM).total + sum(b.nbytes for b in model.buffers())

    def needs(n):
        x = torch.empty(n, *shape, device="meta")
        return states + x.nbytes + trace_training(model, x).peak_bytes

    assert needs(batch) <= budget < needs(batch + 1)
    assert max_batch(build, shape, states, FP32_ADAM) == 0
