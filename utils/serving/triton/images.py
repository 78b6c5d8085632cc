"""Which driver each image of Triton asks for: NVIDIA's release notes, read on a day."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

READ = date(2026, 11, 27)  # when the pages were read


@dataclass(frozen=True)
class ImageRow:
    """One release: its CUDA, the oldest driver branch, and branches that a data-center GPU may have instead.

    `branches` maps a branch to the oldest minor version that is listed for it (470: 57 means 470.57 or later R470).
    """

    tag: str
    cuda: str
    min_driver: int | None  # None: the note names none
    branches: dict[int, int]
    min_capability: str
    source: str
    as_of: date = READ


def _row(tag: str, cuda: str, driver: int | None, branches: dict[int, int], capability: str) -> ImageRow:
    return ImageRow(tag, cuda, driver, branches, capability, f"NVIDIA, Triton Inference Server Release {tag} notes")


_OLD = {418: 40, 440: 33, 450: 51, 460: 27, 470: 57}
_2304 = {450: 51, 470: 57, 510: 47, 515: 65, 525: 85, 530: 30}
_2401 = {470: 57, 525: 85, 535: 86, 545: 23}
IMAGES: dict[str, ImageRow] = {
    row.tag: row
    for row in (
        _row("22.01", "11.6.0", 510, _OLD, "6.0"),
        _row("22.12", "11.8.0", 520, {450: 51, 470: 57, 510: 47, 515: 65}, "6.0"),
        _row("23.04", "12.1.0", 530, _2304, "6.0"),
        _row("23.05", "12.1.1", 530, _2304, "6.0"),
        _row("23.07", "12.1.1", 530, _2304, "6.0"),
        _row("23.12", "12.3.2", 545, {450: 51, 470: 57, 510: 47, 525: 85, 535: 86, 545: 23}, "6.0"),
        _row("24.01", "12.3.2", 545, _2401, "6.0"),
        _row("24.07", "12.5.1", 555, _2401, "6.0"),
        _row("25.03", "12.8.1", 560, _2401, "7.5"),
        _row("26.02", "13.1.1", 575, _2401, "7.5"),
        _row("26.09", "13.4.1", None, {}, "7.5"),
    )
}


def driver_ok(tag: str, driver: str, data_center: bool) -> bool:
    """Whether a driver ("535.104.05") is listed for an image ("24.01", "24.01-py3").

    Raises KeyError for a tag without a row, ValueError for a driver that is no version, or a row that names none.
    """
    row = IMAGES[tag.removesuffix("-py3")]
    if not re.fullmatch(r"\d+(\.\d+)*", driver):
        raise ValueError(f"driver must be a version such as 535.104.05, got {driver!r}")
    if row.min_driver is None:
        raise ValueError(f"tag must have a release note that names a driver, got {tag}")
    branch, minor = ([int(part) for part in driver.split(".")] + [0])[:2]
    if branch >= row.min_driver:
        return True
    return data_center and minor >= row.branches.get(branch, 10**9)
