"""Reading nvidia-smi: every layout, its CSV, and what can't be true together."""

import re

import pytest

from utils.hardware.gpu_monitor import (
    consistency_warnings,
    parse_gpu_csv,
    parse_nvidia_smi_table,
    parse_query_csv,
    sample_index,
    sample_names,
    sample_text,
)

# read off the samples by eye: driver, then of each GPU (name, util, used, total, power, ECC, MIG)
EXPECTED = {
    "340": ("340.76", ("GeForce 840M", None, 310, 4095, None, None, None)),
    "384": ("384.111", ("Tesla P100-PCIE...", 92, 4614, 16276, 158, 0, None),
            ("GeForce GTX 108...", 1, 572, 11171, 24, None, None)),
    "410": ("410.104", ("Tesla K80", 100, 0, 11441, 81, 0, None)),
    "450": ("418.67", ("Tesla V100-SXM2...", 0, 10412, 16130, 40, 0, None)),
    "470_gtx1080": ("470.57.02", ("GeForce GTX 1080", 28, 0, 8119, 42, None, None)),
    "510_lost": ("510.85.02", ("NVIDIA A100-SXM...", 0, 1203, 81920, 61, 0, "Disabled"),
                 ("ERR!", None, 0, 81920, None, None, None)),
    "525": ("525.105.17", ("Tesla V100-SXM2...", 0, 312, 32768, 39, 0, None)),
    "531_wddm": ("531.14", ("NVIDIA GeForce GTX 1080 Ti", 2, 1610, 11264, 66, None, None)),
    "535_mig": ("535.86.10", ("NVIDIA A800-SXM4-80GB", None, 36210, 81920, 88, None, "Enabled")),
    "535": ("535.183.01", ("NVIDIA GeForce GTX 1050 Ti", 91, 2510, 4096, None, None, None),
            ("NVIDIA RTX A6000", 0, 3, 49140, 83, None, None)),
    "550": ("550.135", ("Tesla P4", 7, 7702, 8192, 24, None, None)),
    "561_wddm": ("561.09", ("NVIDIA GeForce RTX 3060", 14, 1204, 12288, 13, None, None)),
    "570": ("570.172.08", ("NVIDIA A10G", 0, 20824, 23028, 60, 0, None), ("NVIDIA A10G", 100, 618, 23028, 71, 0, None)),
    "580_gb10": ("580.126.09", ("NVIDIA GB10", 0, None, None, 4, None, None)),
    "580": ("580.126.09", ("NVIDIA A100-SXM4-40GB", 12, 604, 40960, 68, 0, "Disabled"),
            ("NVIDIA GB200", 99, 90122, 189471, 166, 2, "Disabled")),
    "610": ("610.57.04", ("NVIDIA GeForce RTX 5090", 0, 29410, 32607, 21, None, None)),
}
FIELDS = ("name", "util_pct", "mem_used_mib", "mem_total_mib", "power_w", "volatile_uncorr_ecc", "mig")


def test_all_samples_are_expected():
    assert sorted(EXPECTED) == sorted(sample_names())
    assert all(row["layout_seen_in"] and row["special"] for row in sample_index())


@pytest.mark.parametrize("name", EXPECTED)
def test_every_generation(name):
    driver, *gpus = EXPECTED[name]
    rows = parse_nvidia_smi_table(sample_text(name))
    assert [tuple(row[f] for f in FIELDS) for row in rows] == gpus
    assert [row["index"] for row in rows] == list(range(len(gpus))) and {row["driver"] for row in rows} == {driver}


@pytest.mark.parametrize("name", EXPECTED)
def test_as_people_paste_it(name):
    """Quoted, indented, with CRLF, cut above and below: the same rows."""
    text = sample_text(name)
    rows = parse_nvidia_smi_table(text)
    lines = text.splitlines()
    assert parse_nvidia_smi_table("\r\n".join(f"> {line}" for line in lines)) == rows
    assert parse_nvidia_smi_table("\n".join(f"      {line}<br>" for line in lines)) == rows
    body = re.search(r"^\|=.*?\|$.*?^\+-[-+]*\+$", text, re.M | re.S)[0]
    for cut, row in zip(parse_nvidia_smi_table(body), rows):
        assert cut == {**row, "driver": None}


def test_fan_is_not_utilisation():
    (row,) = parse_nvidia_smi_table(sample_text("470_gtx1080"))
    assert (row["fan_pct"], row["util_pct"], row["temp_c"], row["perf"], row["power_cap_w"]) == (30, 28, 58, "P2", 180)


def test_no_table():
    for text in ("", "command not found", "| a | b | c |\n| d | e | f |"):
        with pytest.raises(ValueError, match="text must hold the table"):
            parse_nvidia_smi_table(text)
    assert parse_nvidia_smi_table("No devices were found\n") == []
    with pytest.raises(KeyError, match="there is no sample"):
        sample_text("999")


def test_warnings():
    row = parse_nvidia_smi_table(sample_text("570"))[0]
    assert consistency_warnings(row) == []
    assert ["28 % utilisation with 0 MiB" in w for w in
            consistency_warnings(parse_nvidia_smi_table(sample_text("470_gtx1080"))[0])] == [True]
    for change, told in (({"mem_used_mib": 24000.0}, "used can't exceed total"), ({"util_pct": 101.0}, "share of time"),
                         ({"power_w": 500.0}, "far above"), ({"mem_used_mib": 0.0, "util_pct": 1.0}, "CUDA context")):
        assert [told in w for w in consistency_warnings({**row, **change})] == [True]
    unknown = dict.fromkeys(row)
    assert consistency_warnings(unknown) == []


# --- CSV ------------------------------------------------------------------------------------------

WITH_HEADER = ("utilization.memory [%], index, name, memory.total [MiB], memory.used [MiB], utilization.gpu [%]\r\n"
               "3 %, 0, NVIDIA A10G, 23028 MiB, 20824 MiB, 0 %\r\n\r\n7 %, 1, NVIDIA A10G, 23028 MiB, 618 MiB, 100 %\r\n")


def test_csv_in_any_order():
    first, second = parse_query_csv(WITH_HEADER)
    assert first.as_dict() == {"index": 0, "name": "NVIDIA A10G", "memory_used_mib": 20824, "memory_total_mib": 23028,
                               "gpu_util_pct": 0, "mem_util_pct": 3}
    assert (second.index, second.gpu_util_pct, second.mem_util_pct) == (1, 100, 7)


def test_csv_without_header():
    (row,) = parse_query_csv("0, GeForce GTX 1080, 2004, 8119, [N/A], [Not Supported]\n")
    assert (row.name, row.memory_used_mib, row.gpu_util_pct, row.mem_util_pct) == ("GeForce GTX 1080", 2004, None, None)
    (row,) = parse_query_csv("44, [N/A], 1", columns=("temperature.gpu", "fan.speed", "index"))
    assert (row.index, row.name, row.memory_total_mib) == (1, "", None)
    assert parse_query_csv("") == [] and parse_query_csv("index, name\n") == []


def test_csv_refusals():
    with pytest.raises(ValueError, match="6 columns"):
        parse_query_csv("0, A, 1, 2, 3")
    with pytest.raises(ValueError, match="2 columns"):
        parse_query_csv("index, name\n0, A, 1")
    with pytest.raises(ValueError, match="index must be a number"):
        parse_query_csv("index, name\n[N/A], A")


def test_gpu_csv():
    text = "index, memory.used [MiB], memory.total [MiB], utilization.gpu [%]\n0, 2048 MiB, 8192 MiB, 35 %"
    assert parse_gpu_csv(text) == [
        {"index": 0, "used_mib": 2048.0, "total_mib": 8192.0, "util_pct": 35.0, "used_frac": 0.25}]
    assert parse_gpu_csv("index, memory.used [MiB], memory.total [MiB]\n0, 0, 0\n1, [N/A], 5") == [
        {"index": 0, "used_mib": 0.0, "total_mib": 0.0, "util_pct": None, "used_frac": None},
        {"index": 1, "used_mib": None, "total_mib": 5.0, "util_pct": None, "used_frac": None}]
