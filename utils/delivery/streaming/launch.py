"""Read a `gst-launch` line, say what is wrong with it, and run one where GStreamer is installed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from itertools import pairwise

from utils.optional import EngineUnavailable

# What DeepStream's elements do, in the order of a usual pipeline (NVIDIA, DeepStream plugin guide).
ROLES = {
    "nvurisrcbin": "reads a file or an RTSP camera and decodes it on the GPU",
    "nvv4l2decoder": "decodes H.264, H.265 and others on the GPU's decoder",
    "queue": "gives what follows a thread of its own; may drop",
    "nvstreammux": "makes batches of frames of several sources",
    "nvinfer": "runs a TensorRT engine on the batch",
    "nvinferserver": "runs a model of a Triton server on the batch",
    "nvtracker": "carries boxes from frame to frame",
    "nvdsosd": "draws boxes and text",
    "nvmsgconv": "turns metadata into messages",
    "nvmsgbroker": "sends messages to Kafka, MQTT and others",
    "fakesink": "throws everything away",
}
_CAPS = re.compile(r"(video|audio|image|application)/")
_PAD = re.compile(r"[A-Za-z_][\w-]*\.([A-Za-z_]\w*)?")
_NAME = re.compile(r"[A-Za-z_][\w-]*")


@dataclass(frozen=True)
class Element:
    """One element of a pipeline: its type, its properties as text, and the pad references behind it."""

    name: str
    props: dict[str, str] = field(default_factory=dict)
    links: tuple[str, ...] = ()


def explain_pipeline(launch: str) -> list[Element]:
    """The elements of a `gst-launch` line in the order in which they stand; capabilities are left out.

    Raises ValueError for a word that is neither an element, a property, a pad nor capabilities, and for a link
    (`!`) that joins nothing.

    >>> [e.name for e in explain_pipeline("videotestsrc num-buffers=60 ! queue leaky=downstream ! fakesink")]
    ['videotestsrc', 'queue', 'fakesink']
    """
    elements: list[Element] = []
    words = shlex.split(launch)
    if not words or words[0] == "!" or words[-1] == "!" or ("!", "!") in pairwise(words):
        raise ValueError(f"launch must have an element on both sides of every !, got {launch[:60]!r}")
    for word in words:
        if word == "!" or _CAPS.match(word):
            continue
        key, equals, value = word.partition("=")
        if equals and elements and _NAME.fullmatch(key):
            elements[-1].props[key] = value
        elif _PAD.fullmatch(word):
            if elements:
                elements[-1] = Element(elements[-1].name, elements[-1].props, (*elements[-1].links, word))
        elif not equals and _NAME.fullmatch(word):
            elements.append(Element(word))
        else:
            raise ValueError(f"launch must be made of elements, properties and links, got {word!r}")
    return elements


def lint_pipeline(launch: str) -> list[str]:
    """What is likely to hurt in a DeepStream pipeline, one sentence each; an empty list if nothing was found."""
    elements = explain_pipeline(launch)
    muxers = [e for e in elements if e.name == "nvstreammux"]
    models = [e for e in elements if e.name in ("nvinfer", "nvinferserver")]
    live = any(e.name == "rtspsrc" or any("rtsp://" in value for value in e.props.values()) for e in elements)
    found = []
    for muxer in muxers:
        size = muxer.props.get("batch-size", "1")
        found += [f"batch-size: the muxer makes batches of {size}, {model.name} runs {model.props['batch-size']}"
                  for model in models if model.props.get("batch-size", size) != size]
        if live and muxer.props.get("live-source", "0").lower() not in ("1", "true"):
            found.append("live-source: an RTSP camera feeds a muxer that does not know that its sources are live")
        if live and muxer.props.get("batched-push-timeout") == "-1":
            found.append("batched-push-timeout: with -1 nothing bounds the wait for a batch that does not fill")
    if not any(e.name == "queue" for e in elements):
        found.append("queue: without one, neighbours share a thread, and nothing can leak when the model is slow")
    return found


def run_gst_launch(launch: str, timeout_s: float = 20.0) -> str:
    """Run a pipeline with `gst-launch-1.0` and return what it printed, at most 2,000 characters.

    Raises EngineUnavailable where GStreamer's tools are not installed, RuntimeError where the run fails or takes too
    long.
    """
    program = shutil.which("gst-launch-1.0")
    if program is None:
        raise EngineUnavailable("gst-launch-1.0 is not available: on Debian, apt install gstreamer1.0-tools")
    command = [program, "-q", *shlex.split(launch)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"launch must end within {timeout_s:g} s, got stopped") from error
    if done.returncode:
        raise RuntimeError(f"launch must run to its end, got {done.stderr.strip()[:200]}")
    return (done.stdout + done.stderr)[:2000]
