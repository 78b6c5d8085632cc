"""torch's own INT8 kernels under a chosen instruction set: the same product, the same machine, other numbers.

FBGEMM, which torch uses for quantized layers on x86, reads FBGEMM_ENABLE_INSTRUCTIONS once when it starts. So each
run is a Python process of its own. https://github.com/pytorch/FBGEMM, src/Utils.cc.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

# A product whose uint8 result has the step `scale`: int32 sums are not handed out by the quantized layer.
_SCRIPT = """
import sys, warnings
import numpy as np
warnings.simplefilter("ignore")
import torch
torch.set_num_threads(1)
folder, scale = sys.argv[1], float(sys.argv[2])
torch.backends.quantized.engine = "fbgemm"
a, w = (torch.from_numpy(np.load(f"{folder}/{name}.npy")) for name in ("a", "w"))
make = torch._make_per_tensor_quantized_tensor
packed = torch.ops.quantized.linear_prepack(make(w, 1.0, 0), None)
out = torch.ops.quantized.linear(make(a, 1.0, 0), packed, scale, 128)
np.save(f"{folder}/out.npy", out.int_repr().numpy())
"""


def fbgemm_product(a_u8: np.ndarray, b_s8: np.ndarray, instructions: str, scale: float,
                   timeout_s: float = 60.0) -> np.ndarray | None:
    """uint8 (m, n): round(a b / scale) + 128, clamped, by torch with `instructions` "AVX2" or "AVX512_E1" (VNNI).

    None where torch can't do it: another processor, a build without FBGEMM, quantized layers removed.
    Raises ValueError for other instructions.
    """
    if instructions not in ("AVX2", "AVX512_E1"):
        raise ValueError(f"instructions must be AVX2 or AVX512_E1, got {instructions!r}")
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "a.npy"), a_u8)
        np.save(Path(folder, "w.npy"), np.ascontiguousarray(b_s8.T))
        env = {**os.environ, "FBGEMM_ENABLE_INSTRUCTIONS": instructions}
        command = [sys.executable, "-c", _SCRIPT, folder, str(scale)]
        try:
            subprocess.run(command, env=env, capture_output=True, timeout=timeout_s, check=True)
            return np.load(Path(folder, "out.npy"))
        except (OSError, subprocess.SubprocessError):
            return None


def requantized(acc: np.ndarray, scale: float) -> np.ndarray:
    """int32 sums as the quantized layer returns them: uint8 of round(acc / scale) + 128, ties to even, clamped."""
    return np.clip(np.rint(acc / np.float32(scale)) + 128, 0, 255).astype(np.uint8)
