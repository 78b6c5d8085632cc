"""The light networks run, scale as their papers say, and compute the same in ONNX Runtime."""

import numpy as np
import pytest
import torch

from utils.graphs.onnx_tools import export_torch, make_session
from utils.networks.classic import (
    LIGHTWEIGHT,
    PUBLISHED,
    build_light,
    count_buffers,
    count_macs,
    count_parameters,
    ghostnet,
    mobilenet_v1,
    mobilenet_v2,
    shufflenet_v2,
    stage_profile,
    xception,
)
from utils.networks.classic.experiment import rank_correlation, time_light, time_on_gpu

WITH_CLASSES = {"mobilenet_v1": lambda n: mobilenet_v1(0.25, n), "mobilenet_v2": lambda n: mobilenet_v2(0.25, n),
                "shufflenet_v2": lambda n: shufflenet_v2("0.5", n), "xception": xception,
                "ghostnet": lambda n: ghostnet(0.5, n)}


@pytest.mark.parametrize("name", WITH_CLASSES)
def test_the_number_of_classes_is_free(name):
    with torch.device("meta"):
        assert WITH_CLASSES[name](7).eval()(torch.zeros(2, 3, 96, 96)).shape == (2, 7)


@pytest.mark.parametrize("name", LIGHTWEIGHT)
def test_onnx_runtime_computes_the_same(name):
    torch.manual_seed(0)
    net = build_light(name, min(LIGHTWEIGHT[name].widths, default=0.5)).eval()
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = net(x).numpy()
    got = make_session(export_torch(net, x), optimize=True).run(None, {"input": x.numpy()})[0]
    # FP32 sums of up to 10^4 terms in another order, and batch norms folded into weights
    np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-5 * float(np.abs(wanted).max()) + 1e-7)


def test_widths_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match=r"0.5, 1.0, 1.5, 2.0 for ShuffleNetV2"):
        build_light("ShuffleNetV2", 0.75)
    with pytest.raises(ValueError, match="width must be"):
        build_light("Xception", 0.5)
    with pytest.raises(ValueError, match="scale must be"):
        shufflenet_v2("3.0")
    with pytest.raises(ValueError, match="positive"):
        build_light("GhostNet", 0)
    with pytest.raises(KeyError):
        build_light("LeNet")


def test_half_the_width_keeps_more_than_a_quarter():
    """Pointwise layers scale with the square, the stem and the depthwise layers with the width itself."""
    with torch.device("meta"):
        half, full = mobilenet_v1(0.5), mobilenet_v1()
    assert (count_parameters(half), count_macs(half, (1, 3, 224, 224))) == (1_331_592, 149_497_088)
    assert count_macs(half, (1, 3, 224, 224)) / count_macs(full, (1, 3, 224, 224)) == pytest.approx(0.263, abs=5e-4)


@pytest.mark.parametrize(("name", "keras", "statistics"), [("MobileNetV1", 4_253_864, 21_888),
                                                           ("Xception", 22_910_480, 54_528)])
def test_keras_counts_the_running_statistics_too(name, keras, statistics):
    """Total parameters as Keras prints them for its MobileNet and Xception."""
    with torch.device("meta"):
        net = build_light(name)
    assert (count_parameters(net), count_buffers(net)) == (keras - statistics, statistics)


@pytest.mark.parametrize(("name", "width", "resolution"), [(name, max(family.widths, default=1.4), 96 + 32 * i)
                                                           for i, (name, family) in enumerate(LIGHTWEIGHT.items())])
def test_the_stages_add_up(name, width, resolution):
    stages = stage_profile(name, width, resolution)
    with torch.device("meta"):
        net = build_light(name, width)
        assert sum(s.macs for s in stages) == count_macs(net, (1, 3, resolution, resolution))
    assert sum(s.params for s in stages) == count_parameters(net)
    assert [s.side for s in stages] == sorted({s.side for s in stages}, reverse=True)


def test_where_mobilenet_v1_keeps_what():
    """Hand-made: the stem and block 1 at 112, blocks 2-3, 4-5, 6-11, 12-13, and the classifier."""
    stages = {s.side: s for s in stage_profile("MobileNetV1")}
    assert list(stages) == [112, 56, 28, 14, 7, 1]
    assert stages[112].macs == 112 * 112 * (27 * 32 + 9 * 32 + 32 * 64)
    assert stages[112].max_map_bytes == 4 * 64 * 112 * 112
    assert stages[112].map_bytes == 4 * 112 * 112 * (32 + 32 + 64) and stages[1].map_bytes == 4000
    assert stages[7].params == 512 * 9 + 2 * 512 + 512 * 1024 + 2 * 1024 + 1024 * 9 + 2 * 1024 + 1024 * 1024 + 2 * 1024
    assert (stages[1].params, stages[1].macs) == (1_025_000, 1_024_000)


def test_the_published_table_is_complete():
    for name, row in PUBLISHED.items():
        assert row.source and row.params > 1e6 and row.macs > 1e7 and 2012 <= row.year <= 2024, name
        assert row.resolution == (299 if name == "Xception" else 224)
        assert row.imagenet_top1 is None or 50 < row.imagenet_top1 < 80


def test_rank_correlation():
    assert rank_correlation([1, 2, 3], [30, 20, 10]) == -1
    a, b = np.random.default_rng(0).normal(size=(2, 6))
    rank = lambda v: np.array([(v < x).sum() for x in v])
    assert rank_correlation(a, b) == pytest.approx(1 - 6 * ((rank(a) - rank(b)) ** 2).sum() / (6 * 35))


def test_timing_fills_its_table():
    (row,) = time_light(["SqueezeNet 1.1"], resolution=64, rounds=1)
    with torch.device("meta"):
        assert row.macs == count_macs(build_light("SqueezeNet 1.1"), (1, 3, 64, 64))
    assert row.torch_ms > 0 and row.onnx_ms > 0 and row.nodes > 50
    assert row.torch_gmac_s == pytest.approx(row.macs / (row.torch_ms * 1e-3) / 1e9)
    assert row.onnx_gmac_s == pytest.approx(row.macs / (row.onnx_ms * 1e-3) / 1e9)
    if not torch.cuda.is_available():
        assert time_on_gpu() is None
