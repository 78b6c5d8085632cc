"""The catalogue is dated and sourced; selection against a literal reading of the rules."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.engines.frameworks import CATALOGUE, ENGINES, HARDWARE, Requirements, select, shortlist

ROWS = [
    {"name": "Tengine", "hardware": ["arm"], "precision": ["fp32", "fp16"], "last_commit": "2023-5-18", "tags": ["mobile"]},
    {"name": "ncnn", "hardware": ["arm", "x86"], "precision": ["fp16"], "last_commit": "2026-7-22", "tags": ["mobile"]},
    {"name": "OpenVINO", "hardware": ["x86", "arm"], "precision": ["fp32"], "last_commit": "2026-9-4", "tags": ["server"]},
    {"name": "TensorRT", "hardware": ["nvidia"], "precision": ["fp16"], "last_commit": "2026-11-18"},
]
SOME = st.lists(st.sampled_from("abc"), unique=True)
DATES = st.none() | st.dates(date(2020, 1, 1), date(2026, 11, 22)).map(lambda d: f"{d.year}-{d.month}-{d.day}")
ROW = st.fixed_dictionaries({}, optional={"hardware": SOME, "formats": SOME, "precision": SOME, "tags": SOME, "licence": st.sampled_from("xy"), "last_commit": DATES})
NEED = st.fixed_dictionaries({"today": st.just("2026-11-22")}, optional={
    "hardware": SOME, "formats": SOME, "precision": SOME, "licences": st.lists(st.sampled_from("xy"), unique=True), "prefer": SOME,
    "max_idle_days": st.none() | st.integers(0, 3000)})


def test_every_row_is_dated_and_sourced():
    assert len({e.name for e in CATALOGUE}) == len(CATALOGUE) >= 12
    for e in CATALOGUE:
        assert date(2023, 1, 1) <= e.last_seen <= e.as_of <= date.today() and len(e.source) > 15 and e.license and e.notes, e.name
        assert e.hardware and e.hardware <= set(HARDWARE) and e.formats and "fp32" in e.precisions, e.name
        # dormant: nothing for two years before the sources were read
        assert (e.status == "dormant") == ((date(2026, 11, 27) - e.last_seen).days > 730), e.name
    installed_by = {e.package for e in CATALOGUE}
    assert {ENGINES[name].distribution for name in ("ONNX Runtime", "OpenVINO", "ncnn", "MNN", "LiteRT", "TensorRT")} <= installed_by


def test_the_example():
    need = {"hardware": ["arm"], "precision": ["fp16"], "max_idle_days": 365, "today": "2026-11-22"}
    assert shortlist(ROWS, need) == ["ncnn"]
    assert shortlist(ROWS, {"prefer": ["mobile"]}) == ["ncnn", "Tengine", "TensorRT", "OpenVINO"]


@given(st.lists(ROW, max_size=6), NEED)
def test_shortlist_literally(rows, need):
    rows = [{**row, "name": f"e{i}"} for i, row in enumerate(rows)]
    found = shortlist(rows, need)

    def age(row):
        return (date(2026, 11, 22) - date(*map(int, row["last_commit"].split("-")))).days if row.get("last_commit") else None

    fits = []
    for row in rows:
        ok = all(h in row.get("hardware", []) for h in need.get("hardware", []))
        for key in ("formats", "precision"):
            ok &= not need.get(key) or any(v in row.get(key, []) for v in need[key])
        ok &= not need.get("licences") or row.get("licence") in need["licences"]
        if need.get("max_idle_days") is not None:
            ok &= age(row) is not None and age(row) <= need["max_idle_days"]
        if ok:
            fits.append(row)
    assert sorted(found) == sorted(row["name"] for row in fits)
    by_name = {row["name"]: row for row in rows}
    keys = [(-sum(t in by_name[n].get("tags", []) for t in need.get("prefer", [])), age(by_name[n]) if age(by_name[n]) is not None else 10**9, n) for n in found]
    assert keys == sorted(keys)


def test_select_tells_every_reason():
    told = {info.name: why for info, why in select(Requirements(hardware=frozenset({"arm"}), precision=frozenset({"fp16"}), max_idle_days=365,
                                                                today=date(2026, 11, 27), licences=frozenset({"Apache-2.0", "MIT", "BSD-3-Clause"})))}
    assert len(told) == len(CATALOGUE) and told["ncnn"] == []
    assert told["TensorRT"] == ["does not run on arm", "licence proprietary core"]
    assert told["Tengine"][0].startswith("none of the precision") and told["Tengine"][1] == "idle for 1289 days"
    names = list(told)
    assert [not told[n] for n in names] == sorted((not told[n] for n in names), reverse=True)  # the fitting ones come first


def test_unknown_date():
    info = [{"name": "x", "last_commit": None}]
    assert shortlist(info, {"max_idle_days": 10**6, "today": "2026-11-22"}) == [] and shortlist(info, {}) == ["x"]
    with pytest.raises(KeyError):
        shortlist(ROWS, {"max_idle_days": 3})  # without today there is nothing to count from
