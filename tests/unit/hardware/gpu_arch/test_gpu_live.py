"""The GPU of this machine, with torch's properties played by a stand-in."""

from types import SimpleNamespace

from utils.hardware.gpu_arch import differing_limits, live_device_props

A100 = {"name": "NVIDIA A100-SXM4-80GB", "major": 8, "minor": 0, "multi_processor_count": 108, "total_memory": 85 * 10**9,
        "L2_cache_size": 40 * 2**20, "max_threads_per_multi_processor": 2048, "regs_per_multiprocessor": 65536,
        "shared_memory_per_multiprocessor": 164 * 1024, "shared_memory_per_block_optin": 163 * 1024}


def test_a_known_device():
    device = live_device_props(SimpleNamespace(**A100))
    assert (device.cc, device.sms, device.l2_bytes) == ("8.0", 108, 40 * 2**20)
    assert differing_limits(device) == {}
    other = live_device_props(SimpleNamespace(**{**A100, "max_threads_per_multi_processor": 1536}))
    assert differing_limits(other) == {"max_threads": (1536, 2048)}


def test_an_older_torch_tells_less():
    told = {k: v for k, v in A100.items() if k not in ("L2_cache_size", "regs_per_multiprocessor", "shared_memory_per_block_optin")}
    device = live_device_props(SimpleNamespace(**told))
    assert device.l2_bytes is None and set(device.limits) == {"max_threads", "smem_bytes"}
    assert differing_limits(device) == {}


def test_unknown_capability_and_no_gpu(monkeypatch):
    assert differing_limits(live_device_props(SimpleNamespace(**{**A100, "major": 6}))) is None
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert live_device_props() is None
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda index: SimpleNamespace(**A100))
    assert live_device_props().sms == 108
