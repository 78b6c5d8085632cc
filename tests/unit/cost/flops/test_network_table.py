"""Sequential networks as tables: published totals and refused descriptions."""

import pytest

from utils.cost.flops.table import network_table


def conv(name, c_in, c_out, k, **options):
    return {"name": name, "op": "conv", "c_in": c_in, "c_out": c_out, "k": k, **options}


def linear(name, n_out, **options):
    return {"name": name, "op": "linear", "n_out": n_out, **options}


def vgg16():
    layers, c_in = [], 3
    for width, depth in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]:
        for i in range(depth):
            layers.append(conv(f"conv{width}_{i}", c_in, width, 3, pad=1))
            c_in = width
        layers.append({"name": "pool", "op": "pool", "k": 2})
    return layers + [linear("fc6", 4096), linear("fc7", 4096), linear("fc8", 1000)]


def mobilenet_v1():
    layers = [conv("stem", 3, 32, 3, stride=2, pad=1, bias=False, bn=True)]
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    c = 32
    for width, stride in plan:
        layers.append(conv("dw", c, c, 3, stride=stride, pad=1, groups=c, bias=False, bn=True))
        layers.append(conv("pw", c, width, 1, bias=False, bn=True))
        c = width
    return layers + [{"name": "gap", "op": "gap"}, linear("fc", 1000)]


# Simonyan and Zisserman 2014, torchvision's num_params and MACs; Howard et al. 2017 (4.2 M, 569 M multiply-adds).
@pytest.mark.parametrize(("layers", "params", "macs"), [(vgg16(), 138_357_544, 15_470_264_320),
                                                        (mobilenet_v1(), 4_231_976, 568_740_352)])
def test_published_networks(layers, params, macs):
    rows = network_table(layers, 224, 224)
    assert [name for name, *_ in rows] == [layer["name"] for layer in layers]
    assert sum(p for _, p, _ in rows) == params
    assert sum(m for *_, m in rows) == macs


def test_a_lenet_by_hand():
    rows = network_table([conv("c1", 1, 6, 5, pad=2), {"name": "p1", "op": "pool", "k": 2}, conv("c2", 6, 16, 5),
                          {"name": "p2", "op": "pool", "k": 2}, linear("f", 10, bias=False)], 28, 28)
    assert rows == [("c1", 156, 28 * 28 * 150), ("p1", 0, 0), ("c2", 2416, 100 * 2400), ("p2", 0, 0),
                    ("f", 400 * 10, 400 * 10)]


def test_overlapping_and_padded_pools():
    rows = network_table([conv("c", 1, 2, 1), {"name": "p", "op": "pool", "k": 3, "stride": 2, "pad": 1}, linear("f", 1)], 7, 9)
    assert rows[-1] == ("f", 2 * 4 * 5 + 1, 2 * 4 * 5)


def test_a_network_of_linear_layers():
    assert network_table([linear("a", 5), linear("b", 2)], 3, 4) == [("a", 65, 60), ("b", 12, 10)]


def test_refused_descriptions():
    with pytest.raises(ValueError, match="op must be one of"):
        network_table([{"name": "x", "op": "dropout"}], 4, 4)
    with pytest.raises(ValueError, match="op must be one of"):
        network_table([{"name": "x"}], 4, 4)
    with pytest.raises(ValueError, match="c_in must be 2"):
        network_table([conv("a", 1, 2, 1), conv("b", 3, 2, 1)], 4, 4)
    with pytest.raises(ValueError, match="larger than padded"):
        network_table([conv("a", 1, 2, 5)], 4, 4)
