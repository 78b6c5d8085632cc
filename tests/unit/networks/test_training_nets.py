"""The networks are what their names say."""

import torch
from torch.nn import functional as F

from utils.networks.training_nets import GptLayer, mlp, resnet18, small_gpt


def test_resnet18_has_the_published_count():
    with torch.device("meta"):
        net = resnet18()
        assert net(torch.empty(2, 3, 224, 224)).shape == (2, 1000)
    # torchvision's meta["num_params"] of ResNet-18
    assert sum(p.numel() for p in net.parameters()) == 11_689_512


def test_small_gpt_is_gpt2_with_an_output_matrix():
    with torch.device("meta"):
        net = small_gpt()
        assert net(torch.empty(2, 16, dtype=torch.long)).shape == (2, 16, 50_257)
    # GPT-2 small has 124,439,808 parameters; ours does not share the embedding with the output.
    assert sum(p.numel() for p in net.parameters()) == 124_439_808 + 50_257 * 768


def test_mlp_is_flat():
    assert len(mlp(8, 5)) == 10 and mlp(8, 5)(torch.zeros(2, 8)).shape == (2, 8)


def test_the_written_out_attention_is_torchs():
    torch.manual_seed(0)
    layer = GptLayer(32, 4, dropout=0.0)
    x = torch.randn(2, 7, 32)
    q, k, v = (t.unflatten(-1, (4, 8)).transpose(1, 2) for t in layer.qkv(x).chunk(3, -1))
    expected = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2)
    # eps of float32 is 1.2e-7; sums of 8 and 7 terms of order 1
    assert torch.allclose(layer._attend(x), expected, atol=1e-5)
