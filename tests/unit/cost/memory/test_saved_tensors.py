"""What autograd keeps: two hand counts, sharing, and a device without memory."""

import pytest
import torch
from torch import nn

from utils.cost.memory.saved_tensors import OUTSIDE, saved_activation_bytes


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_two_hand_counts(device):
    mlp = nn.Sequential(nn.Linear(100, 200), nn.ReLU(), nn.Linear(200, 50)).to(device)
    told = saved_activation_bytes(mlp, torch.zeros(32, 100, device=device))
    assert told.by_module == {"0": 12_800, "1": 25_600} and told.total == 38_400
    cnn = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 16, 3)).to(device)
    told = saved_activation_bytes(cnn, torch.zeros(4, 3, 32, 32, device=device))
    # input; BN's input with 8 means and 8 inverse deviations; ReLU's output, which the second convolution shares
    assert told.by_module == {"0": 49_152, "1": 131_072 + 64, "2": 131_072} and told.total == 311_360


def test_the_loss_is_outside():
    told = saved_activation_bytes(nn.Linear(4, 2), torch.zeros(3, 4), lambda y: y.square().mean())
    assert told.by_module == {"Linear": 48, OUTSIDE: 24}
    assert told.as_dict() == {"total": 72, "by_module": told.by_module}


def test_nothing_is_kept_without_gradients_and_no_hook_stays():
    m = nn.Sequential(nn.Linear(4, 2), nn.Tanh())
    with torch.no_grad():
        assert saved_activation_bytes(m, torch.zeros(3, 4)).total == 0
    assert not m[0]._forward_hooks and not m[0]._forward_pre_hooks
    with pytest.raises(RuntimeError):
        saved_activation_bytes(m, torch.zeros(3, 5))
    assert not m[0]._forward_hooks
