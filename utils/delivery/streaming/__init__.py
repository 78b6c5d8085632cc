"""Streaming video analytics: what DeepStream does, in small parts. The door to the rooms beside it.

`muxer`, `queues`, `references`, `limits` and `stages` compute; `clips` renders and decodes real video; `live` runs a
pipeline with threads; `tracking` and `detector` are its model; `launch` reads GStreamer's pipelines; `facts` says which
release runs where. torch, onnx and PyAV are imported where they are used.

>>> mux_batches([(0, 0), (5, 1), (33, 0)], 2, 20)
[(5, [0, 1]), (53, [0])]
"""

from utils.delivery.streaming.clips import (
    Frame,
    FrameFate,
    PacketInfo,
    best_codec,
    codec_of,
    decode,
    decode_on_gpu,
    decode_with_loss,
    digit_boxes,
    frame_types,
    packets,
    predicted_good,
    render_clip,
    render_frames,
)
from utils.delivery.streaming.detector import bright_box, digit_detector, tile_model
from utils.delivery.streaming.facts import RELEASES, ReleaseFact
from utils.delivery.streaming.launch import ROLES, Element, explain_pipeline, lint_pipeline, run_gst_launch
from utils.delivery.streaming.limits import (
    BYTES_PER_PIXEL,
    CapacityReport,
    frame_mb,
    max_streams,
    stream_capacity,
)
from utils.delivery.streaming.live import STAGES, Meta, PipelineReport, StreamPipeline
from utils.delivery.streaming.muxer import (
    Event,
    MuxedBatch,
    MuxReport,
    camera_events,
    mux_batches,
    mux_events,
    mux_report,
    staggered_wait_us,
)
from utils.delivery.streaming.queues import (
    MODES,
    QueueResult,
    leaky_queue,
    no_room_loss,
    simulate_leaky_queue,
)
from utils.delivery.streaming.references import damage_lengths, decodable, gop_refs
from utils.delivery.streaming.stages import latency_breakdown
from utils.delivery.streaming.tracking import IouTracker, Track, iou, match_greedy

__all__ = [
    "BYTES_PER_PIXEL", "MODES", "RELEASES", "ROLES", "STAGES", "CapacityReport", "Element", "Event", "Frame",
    "FrameFate", "IouTracker", "Meta", "MuxReport", "MuxedBatch", "PacketInfo", "PipelineReport", "QueueResult",
    "ReleaseFact", "StreamPipeline", "Track", "best_codec", "bright_box", "camera_events", "codec_of",
    "damage_lengths", "decodable", "decode", "decode_on_gpu", "decode_with_loss", "digit_boxes", "digit_detector",
    "explain_pipeline", "frame_mb", "frame_types", "gop_refs", "iou", "latency_breakdown", "leaky_queue",
    "lint_pipeline", "match_greedy", "max_streams", "mux_batches", "mux_events", "mux_report", "no_room_loss",
    "packets", "predicted_good", "render_clip", "render_frames", "run_gst_launch", "simulate_leaky_queue",
    "staggered_wait_us", "stream_capacity", "tile_model",
]
