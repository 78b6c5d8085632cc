"""The table carries dates and sources; ranking is checked against a literal reading of the rule."""

import re
import sys
from datetime import date
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.engines.llm_serving import (
    FRAMEWORKS,
    Requirements,
    choose_framework,
    list_installed_engines,
    rank_frameworks,
    run_vllm_smoke,
)
from utils.optional import EngineUnavailable

A = {"name": "A", "hardware": ["cuda"], "mechanisms": ["paged"], "status": "active", "quantisation": ["fp8"]}
B = {"name": "B", "hardware": ["cuda", "cpu"], "mechanisms": ["paged", "prefix"], "status": "archived", "quantisation": ["int4"]}
C = {"name": "C", "hardware": ["cpu"], "mechanisms": [], "status": "active", "quantisation": ["int4"]}
SOME = st.lists(st.sampled_from("abc"), unique=True)
ROWS = st.lists(st.fixed_dictionaries({"name": st.text(max_size=3), "hardware": SOME, "mechanisms": SOME, "status": st.sampled_from("xy"),
                                       "quantisation": SOME}), max_size=6)
NEEDS = st.fixed_dictionaries({}, optional={"hardware": st.sampled_from(["", "a", "b"]), "must": SOME, "any_quant": SOME,
                                            "allow_status": st.lists(st.sampled_from("xy"), unique=True)})


def test_every_row_has_a_date_and_a_source():
    assert len(FRAMEWORKS) >= 7 and len({f.name for f in FRAMEWORKS}) == len(FRAMEWORKS)
    for f in FRAMEWORKS:
        assert date(2025, 1, 1) <= f.as_of <= date.today() and len(f.source) > 30 and f.best_for and f.license, f.name
        assert re.fullmatch(r"(before )?20\d\d-\d\d", f.since) and f.hardware and f.mechanisms, f.name


def test_what_the_source_document_says_of_them_is_out_of_date():
    rows = {f.name: f for f in FRAMEWORKS}
    assert "Berkeley" in rows["vLLM"].origin and rows["TGI"].status == "archived"
    assert rows["TensorRT-LLM"].hardware == {"cuda"} and "paged KV" not in rows["ZeRO-Inference"].mechanisms


def test_the_example():
    needs = {"hardware": "cuda", "must": ["paged", "prefix"], "any_quant": ["fp8"], "allow_status": ["active"]}
    assert rank_frameworks([A, B, C], needs) == [
        ("A", ["missing: prefix"]), ("B", ["status: archived", "quantisation"]),
        ("C", ["hardware", "missing: paged", "missing: prefix", "quantisation"])]
    assert rank_frameworks([A, B, C], {"hardware": "cpu"}) == [("B", []), ("C", []), ("A", ["hardware"])]


@given(ROWS, NEEDS)
def test_ranking_loses_nobody_and_accepts_who_meets_all(table, needs):
    ranked = rank_frameworks(table, needs)
    assert sorted(name for name, _ in ranked) == sorted(row["name"] for row in table)
    accepted = [row["name"] for row in table
                if (not needs.get("hardware") or needs["hardware"] in row["hardware"])
                and all(m in row["mechanisms"] for m in needs.get("must", []))
                and (not needs.get("any_quant") or any(q in row["quantisation"] for q in needs["any_quant"]))
                and (not needs.get("allow_status") or row["status"] in needs["allow_status"])]
    assert [name for name, reasons in ranked if not reasons] == accepted == [name for name, _ in ranked[:len(accepted)]]


def test_unknown_needs_are_refused():
    with pytest.raises(ValueError, match="unknown 'gpu'"):
        rank_frameworks([A], {"gpu": "cuda"})


def test_choice_from_the_real_table():
    verdicts = choose_framework(Requirements(hardware="cuda", must=frozenset({"weight offload"}), allow_status=frozenset()))
    assert {v.name for v in verdicts if v.ok} == {"vLLM", "SGLang", "llama.cpp", "ZeRO-Inference"}
    tgi = next(v for v in choose_framework(Requirements()) if v.name == "TGI")
    assert tgi.reasons == ("status: archived",)


def test_installed_engines_are_looked_up_not_imported(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if name in ("vllm", "mii") else None)
    versions = {"vllm": "0.20.1"}

    def version(name):
        if name not in versions:
            import importlib.metadata
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr("importlib.metadata.version", version)
    assert list_installed_engines() == {"vLLM": "0.20.1", "DeepSpeed-FastGen": "version unknown"}


def test_vllm_smoke(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(EngineUnavailable, match="is not available"):
        run_vllm_smoke("some/folder")
    asked = {}

    class LLM:
        def __init__(self, model):
            asked["model"] = model

        def generate(self, prompts, params):
            return [SimpleNamespace(outputs=[SimpleNamespace(text=p + f" +{params['max_tokens']}")]) for p in prompts]

    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(LLM=LLM, SamplingParams=dict))
    assert run_vllm_smoke("folder", ["a"], 3) == ["a +3"] and asked == {"model": "folder"}
