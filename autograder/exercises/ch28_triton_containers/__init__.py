"""Exercises of chapter 28: containers and the Triton Inference Server."""

from .encode_v2 import encode_v2
from .lint_docker_run import lint_docker_run
from .parse_pbtxt import parse_pbtxt
from .plan_instances import plan_instances
from .request_error import request_error

EXERCISES = [request_error, parse_pbtxt, encode_v2, lint_docker_run, plan_instances]
