"""What NVIDIA's pages say about DeepStream's releases, each with the day on which it was read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

READ_ON = date(2026, 11, 27)


@dataclass(frozen=True)
class ReleaseFact:
    """One release: the Jetson boards that it names, what it needs, the page, and the day of reading."""

    release: str
    jetson: str
    needs: str
    source: str
    as_of: date = READ_ON


RELEASES = (
    ReleaseFact("5.1 (February 2021)", "Nano, TX1, TX2, Xavier NX, AGX Xavier", "JetPack 4.5.1",
                "DeepStream 5.1 quickstart guide; release notes of 24 February 2021"),
    ReleaseFact("6.1.1", "Xavier NX, AGX Xavier, AGX Orin", "JetPack 5.0.2", "DeepStream 6.1.1 quickstart guide"),
    ReleaseFact("9.0 (March 2026)", "what JetPack 7.1 supports",
                "x86: Ubuntu 24.04, driver 590 or later, CUDA 13.1, TensorRT 10.14",
                "NVIDIA/DeepStream, README.md (4825d8f) and CHANGELOG.md (8055bf9)"),
    ReleaseFact("9.1", "Thor, Orin", "JetPack 7.2, CUDA 13.2, TensorRT 10.16",
                "NVIDIA/DeepStream, deepstream_dockers/README.md (af111a2)"),
    ReleaseFact("9.2", "Thor, Orin", "packages for x86, Jetson and SBSA (Arm servers)",
                "DeepStream 9.2 installation guide and release notes; release v9.2.0"),
)
