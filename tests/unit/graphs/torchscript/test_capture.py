"""torch's own ways to a graph: what comes of each, counted in graphs that torch makes."""

import zipfile

import pytest
import torch
from torch import nn

from utils.graphs.torchscript import (
    BRANCHLESS,
    archive_listing,
    archive_text,
    bench,
    capture_table,
    control_flow_summary,
    deprecation_warnings,
    fold_batchnorm_module,
    jit_race,
    pickle_imports,
    quiet,
)
from utils.graphs.torchscript.capture import capture
from utils.graphs.torchscript.examples import Branch, Cond, Doubling, Straight, Where, small_cnn

INPUTS = [torch.ones(3), -torch.ones(3), -2 * torch.ones(3)]


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def told(module, inputs=INPUTS):
    return {row.route: (row.error, row.control_flow, row.wrong) for row in capture_table(module, inputs)}


def test_a_branch_on_a_value():
    # at -1 both sides give -2, so the trace looks right there
    assert told(Branch()) == {
        "torch.jit.trace": ("", 0, (2,)),
        "torch.jit.script": ("", 1, ()),
        "torch.export": ("GuardOnDataDependentSymNode", 0, ()),
    }


def test_what_makes_it_exportable():
    assert told(Cond())["torch.export"] == ("", 1, ()) and told(Cond())["torch.jit.trace"][0] == "RuntimeError"
    assert set(told(Where()).values()) == {("", 0, ())}


def test_a_loop():
    rows = told(Doubling(), [torch.ones(3), torch.full((3,), 30.0)])
    assert rows["torch.jit.trace"] == ("", 0, (1,)) and rows["torch.jit.script"] == ("", 1, ())
    assert rows["torch.export"][0] == "GuardOnDataDependentSymNode"


def test_rows_tell_whether_they_are_right():
    trace, script, export = capture_table(Branch(), INPUTS)
    assert (trace.works, trace.right, script.right, export.works) == (True, False, True, False)
    assert script.as_dict()["ops"] == script.ops == 6
    with pytest.raises(ValueError, match="inputs must not be empty"):
        capture_table(Branch(), [])
    with pytest.raises(KeyError, match="no route"):
        capture("torch.fx", Branch(), INPUTS[0])


def test_operations_inside_branches_are_counted():
    with quiet():
        counts = control_flow_summary(torch.jit.script(Branch()))
    assert counts == {"aten::sum": 1, "aten::gt": 1, "aten::Bool": 1, "prim::If": 1, "aten::mul": 1, "aten::sub": 1}


def test_every_call_of_torchscript_warns_and_export_does_not():
    rows = dict(deprecation_warnings())
    assert all("deprecated" in text for name, text in rows.items() if name.startswith("torch.jit."))
    assert len(rows) == 7 and rows["torch.export.export"] == ""


def test_folding_agrees_with_freeze():
    model, x = small_cnn(), torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with quiet(), torch.no_grad():
        traced = torch.jit.trace(model, x)
        frozen = torch.jit.freeze(traced)
        folded = fold_batchnorm_module(model)
        # a few float32 roundings (6e-8 relative) of values near 1
        torch.testing.assert_close(folded(x), model(x), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(folded(x), frozen(x), rtol=1e-5, atol=1e-6)
    assert control_flow_summary(traced)["aten::batch_norm"] == 2
    assert "aten::batch_norm" not in control_flow_summary(frozen)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    assert any(isinstance(m, nn.BatchNorm2d) for m in model.modules())


def test_folding_without_bias_and_without_scale():
    model = nn.Sequential(nn.Sequential(nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3, affine=False)), nn.BatchNorm2d(3)).eval()
    x = torch.randn(1, 2, 5, 5)
    folded = fold_batchnorm_module(model)
    torch.testing.assert_close(folded(x), model(x), rtol=1e-5, atol=1e-6)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in folded.modules()) == 1  # the one that follows no convolution
    with pytest.raises(ValueError, match="evaluation mode"):
        fold_batchnorm_module(model.train())


def test_archives(tmp_path):
    with quiet():
        torch.jit.save(torch.jit.script(Straight()), tmp_path / "model.pt")
        torch.export.save(torch.export.export(Straight(), (torch.ones(2, 3),)), tmp_path / "model.pt2")
    names = dict(archive_listing(tmp_path / "model.pt"))
    assert names["data/0"] == 6 * 4 and names["data/1"] == 2 * 4  # float32 weights
    assert len(names) == len(zipfile.ZipFile(tmp_path / "model.pt").namelist())
    assert "torch.tanh" in archive_text(tmp_path / "model.pt", ".py")
    assert "torch._utils._rebuild_tensor_v2" in pickle_imports(tmp_path / "model.pt")
    assert "models/model.json" in dict(archive_listing(tmp_path / "model.pt2"))
    with pytest.raises(KeyError, match="no member"):
        archive_text(tmp_path / "model.pt", ".cpp")
    (tmp_path / "text.pt").write_text("no zip")
    with pytest.raises(ValueError, match="zip archive"):
        archive_listing(tmp_path / "text.pt")


@pytest.mark.parametrize("name", BRANCHLESS)
@pytest.mark.parametrize("seed", range(3))
def test_branchless_functions_equal_the_branching_ones(name, seed):
    branching, branchless = BRANCHLESS[name]
    rng = torch.Generator().manual_seed(seed)
    example = torch.randn(5, 2, generator=rng)
    with quiet():
        traced = torch.jit.trace(branchless, example, check_trace=False)
    for scale, shift in ((0.1, 0.0), (5.0, 1.0), (5.0, -1.0), (0.0, 0.0)):
        x = torch.randn(5, 2, generator=rng) * scale + shift * scale
        for got in (branchless(x), traced(x)):
            torch.testing.assert_close(got, branching(x))


def test_bench_reads_the_clock_that_it_is_given():
    ticks = iter([0, 5_000_000, *(t for k in range(4) for t in (0, 1000 * (k + 1)))])
    timing = bench(lambda x: x, 1, warmup=0, repeats=4, clock=lambda: next(ticks))
    assert (timing.first_ms, timing.median_us, timing.p90_us) == (5.0, 2.0, 4.0)
    with pytest.raises(ValueError, match="repeats"):
        bench(abs, 1, repeats=0)


def test_the_race_measures_one_network():
    forms = {v.name: v for v in jit_race(rounds=3, warmup=1)}
    assert next(iter(forms)) == "eager" and len(forms) == 6
    assert all(v.max_abs < 1e-5 and v.timing.median_us > 0 and v.timing.first_ms > 0 for v in forms.values())
    assert (forms["trace"].batch_norms, forms["script"].batch_norms, forms["freeze"].batch_norms) == (2, 2, 0)
    assert forms["eager"].batch_norms is None
