"""RepVGG's two forms: published counts, equal outputs, and what fusing refuses."""

import copy
import itertools

import pytest
import torch
from torch import nn

from utils.cost.flops import count_module_macs
from utils.cost.params import count_module
from utils.graphs.onnx_export import export_torch
from utils.graphs.onnx_tools import make_session
from utils.networks.reparam import RepVGG, RepVGGBlock, deployed, fuse_conv_bn, repvgg_a0

torch.manual_seed(0)


def shaken(model):
    """The model in eval mode with batch norms that are no identities."""
    gen = torch.Generator().manual_seed(1)
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            for tensor, low, high in ((m.running_mean, -0.5, 0.5), (m.running_var, 0.3, 2), (m.weight, 0.5, 1.5), (m.bias, -0.5, 0.5)):
                tensor.data.uniform_(low, high, generator=gen)
    return model.eval()


def tiny():
    return RepVGG((2, 1), (6, 8), 10, stem=4, in_channels=1, stem_stride=1, strides=(1, 2))


def test_published_counts_of_a0():
    # timm 1.0.31 `repvgg_a0`: 9,108,968 parameters; the paper's table 4: 8.30 M deployed, 1.4 B multiply-accumulates
    with torch.device("meta"):
        model = repvgg_a0().eval()
    assert count_module(model).parameters == 9_108_968
    # deployed, each of the 22 blocks is one 3x3 convolution with a bias: counted here from the table of widths
    widths = [3, 48, *[48] * 2, *[96] * 4, *[192] * 14, 1280]
    convolutions = sum(9 * a * b + b for a, b in itertools.pairwise(widths))
    head = 1280 * 1000 + 1000
    assert convolutions + head == 8_309_384


def test_deployed_a0_has_the_published_size_and_macs():
    model = repvgg_a0().eval().deploy()
    assert count_module(model).parameters == 8_309_384
    assert count_module_macs(model, (1, 3, 224, 224), strict=True).macs == 1_361_451_008
    assert not [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_both_forms_of_a0_compute_the_same(dtype, tolerance):
    model = shaken(repvgg_a0(10)).to(dtype)
    x = torch.rand(2, 3, 48, 40, dtype=dtype, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        want, got = model(x), model.deploy()(x)
    assert got.dtype == dtype
    assert (got - want).abs().max() <= tolerance * want.abs().max()


@pytest.mark.parametrize("c_in, c_out, stride, groups", [(4, 4, 1, 1), (4, 4, 1, 2), (4, 4, 2, 1), (3, 6, 1, 3), (2, 5, 2, 1)])
def test_a_block_fuses(c_in, c_out, stride, groups):
    block = shaken(RepVGGBlock(c_in, c_out, stride, groups)).double()
    x = torch.rand(2, c_in, 7, 6, dtype=torch.float64) - 0.5
    with torch.no_grad():
        conv = block.fuse()
        torch.testing.assert_close(torch.relu(conv(x)), block(x), rtol=1e-12, atol=1e-12)
    has_identity = stride == 1 and c_in == c_out
    assert set(block.branches()) == {"3x3", "1x1", *(["identity"] if has_identity else [])}
    assert sum(k for k, _ in block.branches().values()).allclose(conv.weight)


def test_deploying_leaves_the_model_as_it_is():
    model = shaken(tiny())
    before = copy.deepcopy(model.state_dict())
    deploy = model.deploy()
    with torch.no_grad():
        for p in deploy.parameters():
            p.zero_()
    assert all(torch.equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True))
    assert not deploy.training


def test_blocks_inside_any_model_are_found():
    model = shaken(nn.ModuleDict({"a": nn.Sequential(nn.Conv2d(2, 4, 1), RepVGGBlock(4, 4))}))
    copied = deployed(model)
    x = torch.rand(1, 2, 5, 5)
    with torch.no_grad():
        torch.testing.assert_close(copied["a"](x), model["a"](x), rtol=1e-5, atol=1e-6)
    assert not [m for m in copied.modules() if isinstance(m, RepVGGBlock)]
    assert isinstance(deployed(model["a"][1]), nn.Sequential)


def test_both_forms_in_onnx_runtime():
    import numpy as np

    model = shaken(tiny())
    x = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    outputs, kinds = [], []
    for form in (model, model.deploy()):
        exported = export_torch(form, x)
        session = make_session(exported)
        outputs.append(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])
        kinds.append({node.op_type for node in exported.graph.node})
    with torch.no_grad():
        np.testing.assert_allclose(outputs[0], model(x).numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=1e-4, atol=1e-5)
    assert kinds[1] <= {"Conv", "Relu", "GlobalAveragePool", "Flatten", "Gemm", "Reshape", "Constant"}


@pytest.mark.parametrize("bias, affine", [(True, True), (False, True), (True, False)])
def test_conv_and_batch_norm_modules(bias, affine):
    conv = nn.Conv2d(4, 6, 3, 2, 1, dilation=2, groups=2, bias=bias).double().eval()
    bn = nn.BatchNorm2d(6, affine=affine, eps=0.1).double().eval()
    bn.running_mean.uniform_(-1, 1)
    bn.running_var.uniform_(0.3, 2)
    x = torch.rand(2, 4, 9, 9, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(fuse_conv_bn(conv, bn)(x), bn(conv(x)), rtol=1e-12, atol=1e-12)


def test_refused():
    model = tiny()
    for act in (model.deploy, model.features[1].fuse, lambda: fuse_conv_bn(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))):
        with pytest.raises(ValueError, match="eval mode"):
            act()
    with pytest.raises(ValueError, match="running statistics"):
        fuse_conv_bn(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2, track_running_stats=False).eval())
    with pytest.raises(ValueError, match="must"):
        fuse_conv_bn(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(3).eval())
    with pytest.raises(ValueError, match="groups must"):
        RepVGGBlock(3, 4, groups=2)


def test_training_mode_would_not_be_the_same_function():
    # in training mode a batch norm uses the batch: one sample's output depends on its neighbours
    block = RepVGGBlock(2, 2).train()
    x = torch.rand(4, 2, 5, 5)
    with torch.no_grad():
        alone, together = copy.deepcopy(block)(x[:1]), copy.deepcopy(block)(x)[:1]
    assert not torch.allclose(alone, together, atol=1e-3)
