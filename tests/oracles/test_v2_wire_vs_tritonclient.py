"""Bodies of requests against NVIDIA's client, and configurations against its schema, in the real server's environment."""

import json
import subprocess

import pytest

from autograder.exercises.ch28_triton_containers.parse_pbtxt import _SOURCE
from autograder.setup_triton import triton_folder
from utils.serving.triton import available, encode_request, encode_v2, parse_pbtxt
from utils.serving.triton.environment import TritonEnvironment
from utils.serving.triton.verdicts import CLAIMS
from utils.widgets.ch28_triton_containers import START_CONFIG

FOLDER = triton_folder()
OK, REASON = available(FOLDER)
pytestmark = pytest.mark.skipif(not OK, reason=REASON)

BODIES = """
import json, sys
import numpy as np
import tritonclient.http as http
found = []
for name, numbers, shape, dtype, output, binary in json.loads(sys.argv[1]):
    x = np.array(numbers, dtype).reshape(shape)
    kind = {"float32": "FP32", "int64": "INT64", "uint8": "UINT8", "bool": "BOOL", "float16": "FP16", "int16": "INT16"}[dtype]
    one = http.InferInput(name, list(x.shape), kind)
    one.set_data_from_numpy(x, binary_data=binary)
    body, length = http.InferenceServerClient.generate_request_body([one], outputs=[http.InferRequestedOutput(output, binary_data=binary)])
    found.append([bytes(body).hex() if not isinstance(body, str) else body.encode().hex(), length])
print(json.dumps(found))
"""
CONFIGS = """
import json, sys
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2 as pb
print(json.dumps([json_format.MessageToDict(text_format.Parse(text, pb.ModelConfig()), preserving_proto_field_name=True) for text in json.loads(sys.argv[1])]))
"""


def in_environment(code, argument):
    python = TritonEnvironment.at(FOLDER).python
    done = subprocess.run([python, "-I", "-c", code, json.dumps(argument)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_bodies_are_byte_identical():
    import numpy as np

    cases = [("x", [1.5, -2], [2], "float32", "p", True), ("input_ids", list(range(6)), [2, 3], "int64", "logits", True), ("images", list(range(12)), [1, 3, 2, 2], "uint8", "y", True),
             ("mask", [True, False, True], [3], "bool", "y", True), ("x", [1, 2, 3, 4], [2, 2], "float16", "y", True), ("x", [1, 2], [2], "int16", "y", True)]
    for (name, numbers, shape, dtype, output, binary), (theirs, length) in zip(cases, in_environment(BODIES, cases)):
        x = np.array(numbers, dtype).reshape(shape)
        body, ours = encode_request({name: x}, [output], binary)
        assert (body.hex(), ours) == (theirs, length)
        if dtype in ("float32", "int64", "uint8", "bool"):
            assert encode_v2(name, x, output) == (body, ours)


def test_configurations_mean_what_the_schema_says():
    texts = [_SOURCE, START_CONFIG, *(c.config for c in CLAIMS if c.name != "npu")]
    for text, theirs in zip(texts, in_environment(CONFIGS, texts)):
        ours = parse_pbtxt(text)
        assert ours.get("name", [""])[-1] == theirs.get("name", "") and ours["max_batch_size"][-1] == theirs.get("max_batch_size", 0)
        for part in ("input", "output"):
            assert [[str(d) for d in spec["dims"]] for spec in ours[part]] == [spec["dims"] for spec in theirs[part]]
            assert [(spec["name"][0], spec["data_type"][0]) for spec in ours[part]] == [(spec["name"], spec["data_type"]) for spec in theirs[part]]
        assert [(g.get("count", [0])[0], g.get("kind", ["KIND_AUTO"])[0], g.get("gpus", [])) for g in ours.get("instance_group", [])] == \
            [(g.get("count", 0), g.get("kind", "KIND_AUTO"), g.get("gpus", [])) for g in theirs.get("instance_group", [])]
