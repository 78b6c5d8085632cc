"""Triton: configurations, the wire protocol, docker commands, and servers that speak it. The door to the rooms.

Light: nothing here imports an inference engine. The stand-in server is `mini_server`, the chapter's measurements are
`experiment`.
"""

from utils.serving.triton.client import V2Client, V2Error
from utils.serving.triton.config import (
    DynamicBatching,
    Explained,
    InstanceGroup,
    ModelConfig,
    TensorSpec,
    config_request_error,
    explain_config,
    validate,
)
from utils.serving.triton.docker_lint import WHY, lint_docker_run, split_docker_run
from utils.serving.triton.environment import TritonEnvironment, available, platform_reason
from utils.serving.triton.images import IMAGES, ImageRow, driver_ok
from utils.serving.triton.instances import plan_instances
from utils.serving.triton.metrics import batch_sizes, model_metric, parse_metrics
from utils.serving.triton.pbtxt import format_pbtxt, parse_pbtxt
from utils.serving.triton.repository import write_python_model
from utils.serving.triton.server_process import TritonProcess
from utils.serving.triton.shapes import full_shape, request_error
from utils.serving.triton.timeline import Execution, Timeline, batch_timeline
from utils.serving.triton.wire import decode_response, encode_request, encode_v2

__all__ = [
    "IMAGES",
    "WHY",
    "DynamicBatching",
    "Execution",
    "Explained",
    "ImageRow",
    "InstanceGroup",
    "ModelConfig",
    "TensorSpec",
    "Timeline",
    "TritonEnvironment",
    "TritonProcess",
    "V2Client",
    "V2Error",
    "available",
    "batch_sizes",
    "batch_timeline",
    "config_request_error",
    "decode_response",
    "driver_ok",
    "encode_request",
    "encode_v2",
    "explain_config",
    "format_pbtxt",
    "full_shape",
    "lint_docker_run",
    "model_metric",
    "parse_metrics",
    "parse_pbtxt",
    "plan_instances",
    "platform_reason",
    "request_error",
    "split_docker_run",
    "validate",
    "write_python_model",
]
