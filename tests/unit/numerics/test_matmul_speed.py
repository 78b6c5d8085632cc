"""The precision race: what is compared, and how the clock is read."""

import pytest

from utils.numerics.matmul_speed import MatmulKernel, _fp8_product, matmul_kernels, matmul_times


def test_all_formats_compute_the_same_product():
    import torch

    kernels = matmul_kernels(32)
    assert {"fp32", "bf16", "fp16"} <= set(kernels)
    exact = kernels["fp32"].run().double()  # entries of 32 products of numbers in [0, 1)
    for name, kernel in kernels.items():
        out = kernel.run().double() / (127**2 if name == "int8" else 1)
        # Each factor is off by at most 2^-9 of 1 (bf16) or half of 1/127 (int8), each sum by bf16's rounding, 2^-9.
        assert torch.allclose(out, exact, atol=32 * 2 * 2**-7.9), name
    assert {k.name: k.operand_bytes / (2 * 32 * 32) for k in kernels.values()}["fp16"] == 2


def test_fp8_operands_are_laid_out_as_the_kernel_wants():
    torch = pytest.importorskip("torch")
    a, b = torch.rand(32, 32), torch.rand(32, 32)
    try:
        out = _fp8_product(a, b)()
    except (RuntimeError, NotImplementedError) as error:
        pytest.skip(f"no FP8 product here: {error}")
    assert torch.allclose(out.float(), a @ b, atol=32 * 2 * 2**-4)  # E4M3 rounds by at most 2^-4 of 1


def test_best_of_interleaved_rounds():
    order = []
    kernels = {name: MatmulKernel(name, 8, lambda name=name: order.append(name)) for name in ("fp32", "int8")}
    # readings of the clock: fp32 takes 2, then 4 seconds, int8 3, then 1
    readings = iter([0, 2, 2, 5, 5, 9, 9, 10])
    rows = matmul_times(kernels, 2, clock=lambda: next(readings))
    assert order == ["fp32", "int8", "fp32", "int8"]
    assert rows == [{"name": "fp32", "operand_bytes": 8, "ms": 2000.0, "relative": 1.0},
                    {"name": "int8", "operand_bytes": 8, "ms": 1000.0, "relative": 0.5}]


def test_refuses():
    with pytest.raises(ValueError, match="rounds"):
        matmul_times({}, 0)
    with pytest.raises(ValueError, match="fp32"):
        matmul_times({"int8": MatmulKernel("int8", 1, lambda: None)})
    with pytest.raises(ValueError, match="n must be"):
        matmul_kernels(0)
