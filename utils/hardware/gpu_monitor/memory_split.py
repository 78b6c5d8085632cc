"""Where the MiB that nvidia-smi shows have gone: tensors, the allocator's cache, the CUDA context, other processes.

>>> explain_gap(6000, 4200, 3100, 450, 1200)
{'tensors': 3100, 'cache': 1100, 'context': 450, 'other': 1200, 'unexplained': 150}
"""

from __future__ import annotations

ROUNDING_MIB = 2  # nvidia-smi prints whole MiB, and so may each of the other readings


def memory_report(context_mib: float, reserved_mib: float, allocated_mib: float,
                  smi_used_mib: float | None = None) -> dict:
    """One process alone on the device: nvidia_smi, tensors, cache, context and unexplained, in MiB.

    Without a reading `nvidia_smi` is what it should show, context + reserved. ValueError "inconsistent" as
    `explain_gap`.
    """
    expected = context_mib + reserved_mib
    shown = expected if smi_used_mib is None else smi_used_mib
    parts = explain_gap(shown, reserved_mib, allocated_mib, context_mib)
    return {"nvidia_smi": shown, **{k: parts[k] for k in ("tensors", "cache", "context", "unexplained")}}


def explain_gap(smi_used_mib: float, reserved_mib: float, allocated_mib: float, context_mib: float,
                other_processes_mib: float = 0) -> dict:
    """Components of nvidia-smi's used memory (MiB); they add up to it, and nothing is rounded.

    Raises ValueError "inconsistent readings" where more is allocated than reserved, or where the known parts
    exceed what is shown by more than 2 MiB of rounding.
    """
    if reserved_mib < allocated_mib:
        raise ValueError(f"reserved_mib must not be below allocated_mib, inconsistent readings: got {reserved_mib} "
                         f"and {allocated_mib}")
    unexplained = smi_used_mib - reserved_mib - context_mib - other_processes_mib
    if unexplained < -ROUNDING_MIB:
        raise ValueError(f"smi_used_mib must cover the known parts, inconsistent readings: got {-unexplained} MiB less")
    return {"tensors": allocated_mib, "cache": reserved_mib - allocated_mib, "context": context_mib,
            "other": other_processes_mib, "unexplained": unexplained}
