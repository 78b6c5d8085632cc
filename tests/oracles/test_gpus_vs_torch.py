"""The GPU table against the two that ship with torch (both private, both typed from NVIDIA's papers)."""

import pytest
import torch

from utils.hardware.gpu_arch import GPUS

device_info = pytest.importorskip("torch._inductor.analysis.device_info")
device_limits = pytest.importorskip("torch.cuda._device_limits")

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "int8": torch.int8}


@pytest.mark.parametrize(("ours", "theirs"), [("H100 SXM", "NVIDIA H100"), ("A100 80GB", "NVIDIA A100"), ("L4", "NVIDIA L4")])
def test_data_sheet_figures(ours, theirs):
    gpu, sheet = GPUS[ours], device_info.lookup_device_info(theirs)
    assert gpu.mem_gb == sheet.dram_gb
    for name, dtype in DTYPES.items():
        # torch's L4 row holds the sparse figures without saying so; the A100 row is dense
        printed = sheet.tops[dtype]
        assert any(gpu.peak_tflop_s[name] == pytest.approx(printed / f, rel=5e-3) for f in (1, gpu.sparse_factor))
    if ours != "L4":  # its bandwidth in torch 2.13 is a copy of the H100's
        assert gpu.mem_gb_s == sheet.dram_bw_gbs


@pytest.mark.parametrize("name", ["A100 40GB", "A100 80GB", "H100 SXM", "H200", "B200"])
def test_units_per_sm(name):
    gpu = GPUS[name]
    limits = object.__new__(device_limits.GPULimits)  # its tables need no device
    limits.compute_capability = int(gpu.cc.replace(".", ""))
    assert gpu.fp32_per_sm == limits.get_fma_per_cycle_per_sm_cuda_cores(torch.float32)
    assert gpu.tensor_per_sm * gpu.fma_per_tensor_clk == limits.get_fma_per_cycle_per_sm_tensor_cores(torch.float16)
    ratio = gpu.peak_tflop_s["int8"] / gpu.peak_tflop_s["fp16"]
    fma = limits.get_fma_per_cycle_per_sm_tensor_cores
    assert ratio == pytest.approx(fma(torch.int8) / fma(torch.float16), rel=5e-3)
