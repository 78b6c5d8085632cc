"""The wire: bytes of known tensors, round trips, and messages that are malformed; metrics and statistics."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from utils.serving.triton import batch_sizes, decode_response, encode_request, encode_v2, model_metric, parse_metrics
from utils.serving.triton.wire import DTYPES, decode_request, encode_response, tensor_bytes

ARRAYS = st.sampled_from(list(DTYPES.values())).flatmap(lambda t: npst.arrays(t, npst.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)))


def test_the_documented_example():
    # tritonclient 2.73.0's generate_request_body gives these very bytes
    body, length = encode_v2("x", np.array([1.5, -2], np.float32), "p")
    assert length == 150 and len(body) == 158 and body[-8:].hex() == "0000c03f000000c0"
    assert body[:length] == (b'{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","parameters":{"binary_data_size":8}}],'
                             b'"outputs":[{"name":"p","parameters":{"binary_data":true}}]}')


@given(ARRAYS, st.booleans(), st.booleans())
@settings(max_examples=120, deadline=None)
def test_tensors_come_back(x, binary, swapped):
    sent = x.astype(x.dtype.newbyteorder(">")) if swapped else x
    sent = np.asfortranarray(sent)
    if not binary and x.dtype.kind == "f" and not np.isfinite(x).all():
        return  # JSON has no word for these
    for body, length, read in ((*encode_request({"x": sent}, ["y"], binary), lambda b, n: decode_request(b, n)[0]), (*encode_response("m", {"x": sent}, binary), decode_response)):
        got = read(body, length)["x"]
        assert got.shape == x.shape and got.dtype == x.dtype.newbyteorder("=")
        np.testing.assert_array_equal(got, x)


def test_strings_have_their_lengths():
    x = np.array(["a", "größe", b"\x00"], object)
    assert tensor_bytes(x) == b"\x01\0\0\0a" + struct.pack("<I", 7) + "größe".encode() + b"\x01\0\0\0\0"
    body, length = encode_request({"s": x}, ["y"])
    assert decode_request(body, length)[0]["s"].tolist() == [b"a", "größe".encode(), b"\x00"]


def test_several_tensors_follow_in_order():
    inputs = {"a": np.arange(3, dtype=np.int16), "b": np.ones((2, 2), np.float64)}
    body, length = encode_request(inputs, ["y", "z"])
    header = json.loads(body[:length])
    assert [i["parameters"]["binary_data_size"] for i in header["inputs"]] == [6, 32] and body[length : length + 6] == inputs["a"].tobytes()
    got, wanted = decode_request(body, length)
    assert all(np.array_equal(got[k], inputs[k]) for k in inputs) and [w["name"] for w in wanted] == ["y", "z"]


@pytest.mark.parametrize("dtype", ["float64", "int32", "float16", "uint64", "complex64", "datetime64[s]"])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(ValueError, match="dtype"):
        encode_v2("x", np.zeros(2, dtype), "y")


@pytest.mark.parametrize("body, length", [
    (b"", None), (b"{", None), (b"[]", None), (b"{}", None), (b'{"outputs":[{"name":"y"}]}', None), (b'{"outputs":[{"name":"y","shape":[2],"datatype":"FP32","data":[1]}]}', None),
    (b'{"outputs":[{"name":"y","shape":[1],"datatype":"FP31","data":[1]}]}', None), (b'{"outputs":[]}xx', 14), (b'{"outputs":[]}', 99), (b'{"outputs":[]}', -1),
    (b'{"outputs":[{"name":"y","shape":[2],"datatype":"FP32","parameters":{"binary_data_size":8}}]}1234', 89),
    (b'{"outputs":[{"name":"y","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":6}}]}\x09\0\0\0ab', 90),
])
def test_malformed_answers_are_refused(body, length):
    with pytest.raises(ValueError):
        decode_response(body, length)


# --- metrics --------------------------------------------------------------------------------------

METRICS = """# HELP nv_inference_count Number of inferences performed
# TYPE nv_inference_count counter
nv_inference_count{model="a",version="1"} 160
nv_inference_count{model="b",version="1"} 7
nv_inference_request_failure{model="a",reason="OTHER \\"x\\"",version="1"} 0
up 1
"""


def test_metrics_are_read():
    found = parse_metrics(METRICS)
    assert len(found) == 4 and found[0] == ("nv_inference_count", {"model": "a", "version": "1"}, 160.0) and found[-1] == ("up", {}, 1.0)
    assert model_metric(METRICS, "nv_inference_count", "a") == 160 and model_metric(METRICS, "nv_inference_count", "c") == 0
    with pytest.raises(ValueError, match="line 1"):
        parse_metrics("{} 3")


def test_batch_sizes_are_sorted():
    stats = {"batch_stats": [{"batch_size": 8, "compute_infer": {"count": 2}}, {"batch_size": 1, "compute_infer": {"count": 5}}]}
    assert batch_sizes(stats) == {1: 5, 8: 2} and list(batch_sizes(stats)) == [1, 8] and batch_sizes({}) == {}
