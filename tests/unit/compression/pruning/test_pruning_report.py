"""What the reports and the experiment on pruning claim about trained networks."""

import zlib

import numpy as np
import pytest
import torch
from torch import nn

from utils.compression.pruning import (
    apply_masks,
    file_sizes,
    finetuned_copy,
    granularity_masks,
    kept_neurons,
    neuron_removal,
    oneshot_and_gradual,
    onnx_difference,
    onnx_latency_ms,
    prunable,
    pruned_copy,
    pruning_snapshot,
    sensitivity_scan,
    shrink_mlp,
    size_report,
    sparsity_curve,
)
from utils.networks.digits import DigitsCNN, DigitsMLP, accuracy, load_digits_split, trained_digits

GRANULARITIES = ("global", "per_layer", "2:4", "neurons")


@pytest.fixture(scope="module")
def split():
    X, X_test, y, y_test = load_digits_split()
    return (X, y), (X_test, y_test)


@pytest.fixture(scope="module")
def model():
    return trained_digits()


def same_weights(a, b):
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters()))


@pytest.mark.parametrize("score", ["magnitude", "random"])
@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.8])
def test_each_granularity_prunes_its_share(model, score, sparsity):
    masks = {g: granularity_masks(model, sparsity, g, score, seed=1) for g in GRANULARITIES}
    sizes = {name: w.numel() for name, w in prunable(model).items()}
    assert sum(int((~m).sum()) for m in masks["global"].values()) == round(sparsity * sum(sizes.values()))
    for name, n in sizes.items():
        assert int((~masks["per_layer"][name]).sum()) == round(sparsity * n)
        assert torch.all(masks["2:4"][name].reshape(-1, 4).sum(1) == 2)
    silent = (~masks["neurons"]["net.0.bias"]).sum(), (~masks["neurons"]["net.2.bias"]).sum()
    assert silent == (round(sparsity * 128), round(sparsity * 64))
    assert masks["neurons"]["net.4.bias"].all()  # the ten outputs stay


def test_two_of_four_keeps_the_larger_half_of_each_group(model):
    for name, mask in granularity_masks(model, 0.9, "2:4", "magnitude").items():
        groups, kept = model.get_parameter(name).detach().abs().reshape(-1, 4), mask.reshape(-1, 4)
        smallest_kept = torch.where(kept, groups, torch.inf).min(1).values
        assert torch.all(smallest_kept >= torch.where(kept, 0, groups).max(1).values)
    with pytest.raises(ValueError, match="multiples of 4"):
        granularity_masks(DigitsMLP((6,)), 0.5, "2:4", "magnitude")


def test_random_masks_follow_the_seed(model):
    a, b, other = (granularity_masks(model, 0.5, "global", "random", seed=s)["net.0.weight"] for s in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, other)


def test_unknown_words(model):
    with pytest.raises(ValueError, match="granularity"):
        granularity_masks(model, 0.5, "filters", "magnitude")
    with pytest.raises(ValueError, match="score"):
        granularity_masks(model, 0.5, "global", "taylor")


def test_copies_leave_the_model_alone_and_keep_their_zeros(model, split):
    before = trained_digits()
    masks = granularity_masks(model, 0.7, "global", "magnitude")
    cut = pruned_copy(model, masks)
    tuned = finetuned_copy(model, masks, *split[0], epochs=1)
    assert same_weights(model, before) and not same_weights(cut, tuned)
    for pruned in (cut, tuned):
        assert all(torch.equal(pruned.get_parameter(name) != 0, mask) for name, mask in masks.items())


# Floors with room for other machines; measured for seeds 0, 1, 2: 0.974 each, random without training 0.24, 0.20, 0.22.
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_eighty_percent_can_go_but_not_at_random(split, seed):
    network = trained_digits("mlp", seed)
    train, test = split
    (untrained_random,) = sparsity_curve(network, test, [0.8], "global", "random", seed=seed)
    (untrained,) = sparsity_curve(network, test, [0.8], "global", "magnitude")
    (per_layer,) = sparsity_curve(network, test, [0.8], "per_layer", "magnitude")
    (tuned,) = sparsity_curve(network, test, [0.8], "global", "magnitude", train=train)
    assert untrained_random <= 0.35
    assert untrained_random < per_layer <= untrained + 0.02
    assert tuned >= accuracy(network, *test) - 0.02


def test_sensitivity_scan_prunes_one_layer_at_a_time(model, split):
    scan = sensitivity_scan(model, *split[1], [0, 0.8, 1])
    dense = accuracy(model, *split[1])
    assert list(scan) == ["net.0.weight", "net.2.weight", "net.4.weight"]
    assert all(row[0] == dense and row[2] < 0.3 for row in scan.values())  # a constant guess has 10 %
    # measured: 0.883 at most for the others' worst level, 0.813 for the output layer at 80 %
    assert scan["net.4.weight"][1] < min(scan["net.0.weight"][1], scan["net.2.weight"][1])


def test_size_report_of_a_matrix_counted_by_hand():
    layer = nn.Linear(4, 2)
    apply_masks(layer, {"weight": torch.tensor([[1, 0, 0, 1], [0, 0, 0, 0]])})
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([1.0, 0]))
    report = size_report(layer)
    assert report.dense_bytes == 4 * 10
    assert report.csr_bytes == (2 * (4 + 4) + 3 * 4) + 2 * 4  # two values with columns, three row pointers; the bias
    assert report.nonzeros == 3
    raw = layer.weight.detach().numpy().tobytes() + layer.bias.detach().numpy().tobytes()
    assert zlib.decompress(zlib.compress(raw, 9)) == raw and report.zipped_bytes == len(zlib.compress(raw, 9))
    assert report.as_dict()["nonzeros"] == 3


@pytest.mark.parametrize("build", [DigitsMLP, DigitsCNN])
def test_zeros_save_nothing_in_a_dense_array(build):
    dense, sizes = build(), []
    for sparsity in (0, 0.3, 0.6, 0.9):
        sizes.append(size_report(pruned_copy(dense, granularity_masks(dense, sparsity, "global", "magnitude"))))
    assert len({s.dense_bytes for s in sizes}) == 1
    assert all(np.diff([s.csr_bytes for s in sizes]) < 0) and all(np.diff([s.zipped_bytes for s in sizes]) < 0)
    assert sizes[1].csr_bytes > sizes[1].dense_bytes > sizes[2].csr_bytes  # FP32 breaks even near one half


def test_snapshot_reports_one_state_of_the_figure(model, split):
    train, test = split
    state = pruning_snapshot(model, *test, 0.5, "neurons", "magnitude")
    assert {name: m.shape for name, m in state["masks"].items()} == {
        "net.0.weight": (128, 64), "net.2.weight": (64, 128), "net.4.weight": (10, 64)}
    assert state["bytes"]["dense"] == 4 * 17_226 and state["bytes"]["shrunk"] == 4 * 6_570
    small = shrink_mlp(model, kept_neurons(model, 0.5, "in_norm"))
    assert state["accuracy"] == accuracy(small, *test)
    tuned = pruning_snapshot(model, *test, 0.5, "neurons", "magnitude", train=train, epochs=2)
    assert tuned["accuracy"] > state["accuracy"] and tuned["bytes"]["shrunk"] == state["bytes"]["shrunk"]
    unstructured = pruning_snapshot(model, *test, 0.5, "global", "magnitude")
    assert unstructured["bytes"]["shrunk"] == unstructured["bytes"]["dense"]


def test_oneshot_and_gradual_both_recover(model, split):
    result = oneshot_and_gradual(model, *split, 0.9, epochs=8, rounds=4)
    # measured: 0.47 untrained, above 0.95 both ways
    assert result["untrained"] < 0.8 < 0.92 < min(result["oneshot"], result["gradual"])
    with pytest.raises(ValueError, match="multiple of rounds"):
        oneshot_and_gradual(model, *split, 0.9, epochs=8, rounds=3)


def test_neuron_removal_rows(model, split):
    rows = neuron_removal(model, *split, [0.25, 0.75], epochs=3, scratch_epochs=10)
    assert [r.parameters for r in rows] == [64 * 96 + 96 + 96 * 48 + 48 + 490, 64 * 32 + 32 + 32 * 16 + 16 + 170]
    for row in rows:
        assert row.finetuned > row.cut and row.finetuned > 0.85 and row.from_scratch > 0.85
    assert set(rows[0].as_dict()) == {"share_removed", "parameters", "cut", "finetuned", "from_scratch"}


def test_files_shrink_when_neurons_leave(model, split):
    pruned = pruned_copy(model, granularity_masks(model, 0.8, "global", "magnitude"))
    small = shrink_mlp(model, kept_neurons(model, 0.5, "in_norm"))
    files = file_sizes(model, pruned, small)
    assert files["zeros"] == files["dense"]
    assert files["shrunk"] / files["dense"] == pytest.approx(6_570 / 17_226, rel=0.1)  # names and graph are the rest
    assert files["zeros, zlib"] < files["zeros, CSR"] < files["dense"]
    # float32 sums of up to 128 products in another order
    assert onnx_difference(small, split[1][0]) < 1e-4
    latency = onnx_latency_ms({"dense": model, "shrunk": small}, split[1][0][:8], rounds=3)
    assert set(latency) == {"dense", "shrunk"} and min(latency.values()) > 0
