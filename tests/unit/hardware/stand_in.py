"""A device for tests without a GPU: torch on the CPU, a real clock, and a GPU-Util that follows what was started."""

from __future__ import annotations

import time

import torch

# sizes at which all four measurements take a second on the CPU
SMALL = {
    "copy_bandwidth": {"mib": (0.25, 1), "repeats": 3},
    "sdpa_kernels": {"ns": (32, 48), "heads": 2, "d": 8, "block": 16, "repeats": 2},
    "paged_attention": {"sequences": 3, "tokens": 32, "heads": 2, "d": 8, "block_sizes": (4, 16), "repeats": 2},
    "gpu_util": {"n": 32, "seconds": 0.1, "burst_ms": 1.0},
}


class StandIn:
    """Runs everything at once on the CPU; `busy` remembers whether anything ran since the last reading."""

    place, dtype = "cpu", torch.float32

    def __init__(self):
        self.spins, self.calls, self.busy = [], 0, False

    def origin(self):
        return {"device": "Stand-in, not a GPU", "driver": "0.0", "torch": "2.x", "cuda": "none"}

    def times_ms(self, call, repeats):
        taken = []
        for _ in range(repeats):
            start = time.perf_counter()
            call()
            taken.append(max(1e3 * (time.perf_counter() - start), 1e-3))
            self.calls += 1
        return taken

    def peak_bytes(self, call):
        call()
        return 1_000_000

    def spin(self, ms):
        self.spins.append(ms)
        self.busy = True

    def gpu_util_pct(self):
        self.busy, was = False, self.busy
        return 100.0 if was else 0.0

    def finish(self):
        pass
