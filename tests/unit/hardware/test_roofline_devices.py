"""The device table: ridges from data sheets, dense peaks, one launch cost."""

from utils.cost.roofline import ridge
from utils.hardware.roofline_devices import SOURCES, roofline_devices


def test_ridges_of_data_sheets():
    devices = roofline_devices()
    told = {name: round(ridge(devices[name].peak(dtype), devices[name].mem_gb_s)) for name, dtype in (
        ("H100 SXM", "bf16"), ("T4", "fp16"), ("A100 80GB", "bf16"), ("L4", "fp16"))}
    assert told == {"H100 SXM": 295, "T4": 203, "A100 80GB": 153, "L4": 403}


def test_rows():
    devices = roofline_devices(3.0)
    assert set(devices) == set(SOURCES)
    assert {d.launch_us for d in devices.values()} == {3.0}
    assert all(d.name == name and d.peak("fp32") < d.peak("fp16") < d.peak("int8") for name, d in devices.items())
