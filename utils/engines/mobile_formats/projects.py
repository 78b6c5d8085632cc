"""The five projects that the interview document names: what they are, when they began, when they last moved.

`first` is the day of the first public release or announcement that a source names; `last` the newest dated sign of
work that was found. Both were read on the day `as_of`. Engines that are alive have more rows in
`utils.engines.frameworks.CATALOGUE`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

Role = Literal["engine", "compression tool"]


@dataclass(frozen=True)
class Project:
    """One project. `files` are names from its repository or package that show what it does."""

    name: str
    origin: str
    role: Role
    first: date
    last: date
    as_of: date
    files: tuple[str, ...]
    note: str
    source: str

    def idle_days(self, today: date) -> int:
        """Days between the last sign of work and `today`; never negative."""
        return max(0, (today - self.last).days)

    def is_dormant(self, today: date, limit_days: int = 365) -> bool:
        """Whether nothing was seen for more than `limit_days`."""
        return self.idle_days(today) > limit_days


AS_OF = date(2026, 11, 27)

PROJECTS = (
    Project(
        "LiteRT (TensorFlow Lite)", "Google", "engine", date(2017, 11, 14), date(2026, 8, 22), AS_OF,
        ("ai_edge_litert/interpreter.py", "ai_edge_litert/libLiteRt.so"),
        "renamed in September 2024; the format .tflite stayed",
        "developers.googleblog.com, Announcing TensorFlow Lite, 2017-11-14; ai.google.dev/edge/litert/migration; "
        "PR 9506 of google-ai-edge/LiteRT"),
    Project(
        "ncnn", "Tencent", "engine", date(2017, 7, 1), date(2026, 10, 20), AS_OF,
        ("src/layer/vulkan/convolution_vulkan.cpp", "src/modelbin.cpp"),
        "first release in July 2017 (the month is what the source says); the converter pnnx is recommended since 2024",
        "issue 735 of junxnone/tio (history); issue 214 of Tencent/ncnn (2024-08-05); wheel 1.0.20261020"),
    Project(
        "MACE", "Xiaomi", "engine", date(2018, 6, 28), date(2024, 3, 11), AS_OF,
        ("mace/core/net.cc", "mace/core/operator.cc"),
        "for TensorFlow, Caffe and ONNX models", "dianqizazhi.com, 2018-06-28; stored git history of XiaoMi/mace"),
    Project(
        "Paddle Lite", "Baidu", "engine", date(2018, 4, 18), date(2024, 3, 28), AS_OF,
        ("lite/core/kernel.cc", "lite/core/memory.cc"),
        "first called paddle-mobile (planned by 2018-04-18), then Paddle Lite (2019-08-16)",
        "issue 122, PR 1800 and issue 10710 of PaddlePaddle/Paddle-Lite; its stored git history"),
    Project(
        "PocketFlow", "Tencent AI Lab", "compression tool", date(2018, 11, 1), date(2019, 5, 28), AS_OF,
        ("learners/channel_pruning/learner.py", "learners/uniform_quantization/learner.py",
         "learners/distillation_helper.py"),
        "prunes, quantises and distils TensorFlow 1.x models; it hands them to an engine",
        "segmentfault.com/a/1190000016906826, 2018-11-01; README and stored git history of Tencent/PocketFlow"),
)
