"""Edge variants: what was recorded for the cockpit is what training gives here, and counts agree with other counters."""

import onnx
import pytest
import torch

from utils.cost.flops.counter import count_onnx_macs
from utils.networks import edge_variants as ev
from utils.networks.digits import DigitsCNN
from utils.widgets.edge_candidates import RECORDED


@pytest.mark.parametrize("width", ["quarter", "half"])
def test_recorded_figures_can_be_measured_again(width):
    for precision, build in (("FP32", ev.fp32_variant), ("INT8", ev.int8_variant)):
        variant, recorded = build(width), RECORDED[width, precision]
        predicted, y = ev.predictions(variant)
        assert len(y) == ev.TEST_IMAGES
        # other versions of torch and other CPUs train a little differently
        assert int((predicted == y).sum()) == pytest.approx(recorded.correct, abs=8)
        assert len(variant.onnx) == pytest.approx(recorded.storage_bytes, rel=0.05)


def test_macs_against_a_walk_over_the_graph():
    for width, (channels, hidden) in ev.WIDTHS.items():
        model = ev.export_torch(DigitsCNN(channels, hidden), torch.zeros(1, 64), opset=17)
        assert count_onnx_macs(model)["total"] == ev.cnn_macs(width), width


def test_the_int8_file_computes_in_int8():
    from utils.graphs.onnx_tools import executed_ops

    ops = executed_ops(onnx.load_from_string(ev.int8_variant("quarter").onnx))
    assert "QLinearConv" in ops and "Conv" not in ops


def test_a_variant_is_measured():
    variant = ev.fp32_variant("quarter")
    got = ev.measure_variant(variant, repeats=20)
    predicted, y = ev.predictions(variant)
    assert (got.correct, got.total) == ((predicted == y).sum(), 497) and got.name == "FP32, quarter width"
    assert got.peak_mb > ev.runtime_peak_mb() > 10 and got.storage_mb == len(variant.onnx) / 1e6
    if got.source == "modelled":
        assert got.energy_mj == variant.modelled_mj == pytest.approx(
            (86_848 * 4.6 + len(variant.onnx) / 4 * 640) * 1e-9)
    runs = ev.latency_runs(variant, (5, 12))
    assert [len(runs[n]) for n in (5, 12)] == [5, 12]
