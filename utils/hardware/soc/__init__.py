"""A camera's system-on-chip as arithmetic: bytes a frame, DDR traffic, streams a chip, and a pipeline of stages.

| module | what it holds |
|---|---|
| frames | bytes of a frame in NV12, RGB and packed raw |
| traffic | who reads and writes a frame, and what the DDR bus carries |
| budget | how many streams a chip serves, and which module says so |
| pipeline | a line of stages with small buffers between them, frame by frame |
| ring | a pool of frames that are lent and given back, without copies |
| modules | the parts of such a chip, with an example and its source |
| live | a real line of threads, to compare with the model |
"""

from utils.hardware.soc.budget import LIMITS, SOCS, Soc, StreamReport, max_streams, stream_budget
from utils.hardware.soc.frames import FORMATS, frame_bytes, nv12_bytes, raw10_bytes, rgb_bytes
from utils.hardware.soc.modules import AS_OF, MODULES, SocModule
from utils.hardware.soc.pipeline import PipelineTrace, buffers_needed, pipeline_finish, simulate_pipeline
from utils.hardware.soc.ring import RingBuffer
from utils.hardware.soc.traffic import Pass, camera_chain, chain_gb_s, ddr_gb_s, ddr_utilization, frame_traffic

__all__ = [
    "AS_OF", "FORMATS", "LIMITS", "MODULES", "SOCS", "Pass", "PipelineTrace", "RingBuffer", "Soc", "SocModule",
    "StreamReport", "buffers_needed", "camera_chain", "chain_gb_s", "ddr_gb_s", "ddr_utilization", "frame_bytes",
    "frame_traffic", "max_streams", "nv12_bytes", "pipeline_finish", "raw10_bytes", "rgb_bytes", "simulate_pipeline",
    "stream_budget",
]
