"""The classic classifiers run, and their blocks keep their papers' promises."""

import pytest
import torch
from torch import nn

from utils.networks.blocks import Fire, InvertedResidual, Residual, conv_bn_act
from utils.networks.classic import CLASSIFIERS, resnet, squeezenet


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_each_gives_a_score_a_class(name):
    with torch.device("meta"):
        model, images = CLASSIFIERS[name]().eval(), torch.zeros(2, 3, 224, 224)
    assert model(images).shape == (2, 1000)


def test_the_number_of_classes_is_free():
    with torch.device("meta"):
        assert squeezenet("1_1", 7).eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 7)
        assert resnet([1, 1, 1, 1], True, 5).eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 5)
    with pytest.raises(ValueError, match="version must be"):
        squeezenet("2_0")


@pytest.mark.parametrize(("c_in", "c_out", "stride", "skips"), [(4, 4, 1, True), (4, 6, 1, False), (4, 4, 2, False)])
@pytest.mark.parametrize("ratio", [1, 3])
def test_inverted_residual_adds_its_input_only_where_shapes_agree(c_in, c_out, stride, skips, ratio):
    block = InvertedResidual(c_in, c_out, stride, ratio).eval()
    nn.init.zeros_(block.body[-1][0].weight)  # the projection gives zero
    x = torch.randn(1, c_in, 8, 8, generator=torch.Generator().manual_seed(0))
    y = block(x)
    assert y.shape == (1, c_out, 8 // stride, 8 // stride)
    assert torch.equal(y, x) if skips else not y.any()
    depthwise = [m for m in block.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    assert [m.groups for m in depthwise] == [c_in * ratio] and len(block.body) == 2 + (ratio > 1)


def test_residual_without_projection_is_relu_of_the_sum():
    x = torch.tensor([[-2.0, 3.0]])
    assert torch.equal(Residual(nn.Identity())(x), torch.tensor([[0.0, 6.0]]))
    assert torch.equal(Residual(nn.Identity(), nn.ReLU())(x), torch.tensor([[0.0, 6.0]]))


def test_fire_puts_its_expansions_side_by_side():
    fire = Fire(6, 2, 3, 5)
    assert fire(torch.zeros(1, 6, 4, 4)).shape == (1, 8, 4, 4)
    assert sum(p.numel() for p in fire.parameters()) == (6 * 2 + 2) + (2 * 3 + 3) + (2 * 5 * 9 + 5)


def test_conv_bn_act_has_no_bias_and_refuses_uneven_groups():
    layers = conv_bn_act(4, 8, groups=4, act=None)
    assert layers[0].bias is None and len(layers) == 2
    with pytest.raises(ValueError, match="groups must divide"):
        conv_bn_act(4, 6, groups=4)
