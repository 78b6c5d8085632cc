"""A real inference server in this process: HTTP on loopback, ONNX Runtime behind a bounded queue.

    with InferenceService({"digits": model_bytes}) as service:
        answer = service.client().predict("digits", x)      # Answer(status=200, output=array, ...)
        service.load("digits", better_model)                # version 2 answers from now on, nothing is interrupted

`ServiceClient` talks to it, `stage_compute_model` makes a network whose run takes a few milliseconds.
"""

from utils.serving.inference_service.client import Answer, ServiceClient
from utils.serving.inference_service.demo_model import stage_compute_model
from utils.serving.inference_service.executor import DeadlineMissed, QueueFull
from utils.serving.inference_service.server import InferenceService

__all__ = ["Answer", "DeadlineMissed", "InferenceService", "QueueFull", "ServiceClient", "stage_compute_model"]
