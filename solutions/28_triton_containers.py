# %% [markdown]
# # 28 · NVIDIA containers and the Triton Inference Server
# **Nvidia 相关容器镜像使用**
#
# A model is ready, and a colleague has written a `docker run` command and a `config.pbtxt`. The container starts, and nothing answers on port 8000. Or it answers: "unexpected shape". Or it works, and each request takes four seconds.
# All of this can be seen *before* anything is started. You will write the tools that see it, and talk to a real Triton server without its client library.
#
# About 120 minutes: 90 for the five exercises, the rest to read, measure and explain. It helps to know chapters 21 (batching), 23 (ONNX) and 27 (serving).

# %% setup
import json
import re
import shlex

import numpy as np

# %% [markdown]
# ## The short answer
#
# > An NVIDIA **image** from NGC, their registry of containers, freezes the user-space stack, the libraries and programs above the kernel: CUDA, cuDNN, TensorRT, `tritonserver`. The host supplies the kernel driver and the NVIDIA Container Toolkit, which hands the GPUs into the container. So a tag implies a minimum driver; data-center GPUs have exceptions.
# >
# > **Triton** is NVIDIA's inference server. It serves a *model repository*, folders `<model>/<version>/model.*` with a `config.pbtxt`. With `max_batch_size: N` above 0 it puts a variable batch axis in front of every tensor, and with `dynamic_batching` it merges requests. With 0 the `dims` are the full shape, and nothing is batched. Variable axes are written -1 in either case.
# >
# > One server process runs `instance_group` copies of each model. Ports 8000, 8001 and 8002 are HTTP, gRPC and Prometheus metrics, and have to be published. Pre- and post-processing can live in the server, as an *ensemble* (several models in a chain that the server runs by itself, as one request) or a Python model. Large tensors should travel as raw bytes, not as JSON.

# %% [markdown]
# ## How it works
#
# ### What an image brings, and what not
#
# A **container** is a group of processes that sees only the files of its **image**, and shares the kernel with its host. A GPU's driver is part of the kernel, so no image can bring it. The image brings all that lies above it:
#
# | layer | comes from |
# |---|---|
# | tritonserver, backends, TensorRT, cuDNN, CUDA runtime | the image |
# | the driver's libraries, the devices | the host, handed in by the NVIDIA Container Toolkit |
# | the kernel driver | the host |
#
# The CUDA of an image needs a driver that knows it. Each release of Triton has a note that names the oldest one:

# %%
from utils.widgets.ch28_triton_containers import images_table

images_table()

# %% [markdown]
# **Compute capability** is NVIDIA's number for the generation of a GPU: a T4 has 7.5, an H100 has 9.0.
#
# The exception to the driver's column is **forward compatibility**: on data-center GPUs (T4, A100, H100 …) the image carries newer driver libraries that work on the listed *branches* of older kernel drivers. R535 means every version 535.x from the listed minor version on. A GeForce card has no such exception.
#
# The notes are not always clear. That of 25.03 lists R545 as allowed and asks to upgrade from R545, on one page. And 26.09 names no number any more: it points to NVIDIA's compatibility page. So look the tag up, and try it.

# %%
from utils.serving.triton import driver_ok

for tag, driver, gpu in (("23.12", "510.85", "data center"), ("24.01", "510.85", "data center"),
                         ("24.01", "535.104", "GeForce"), ("24.01", "550.54", "GeForce")):
    listed = driver_ok(tag, driver, data_center=gpu == "data center")
    print(f"image {tag}, driver {driver}, {gpu}: {'listed' if listed else 'not listed'}")

# %% [markdown]
# ### Four seams of one command
#
# Here is the command of our source (the interview document that this course follows), and one that is complete:

# %%
from utils.widgets.ch28_triton_containers import GOOD_COMMAND, SOURCE_COMMAND, lint_table

print("source:", SOURCE_COMMAND)
print()
print("good:", GOOD_COMMAND)
lint_table({"source": SOURCE_COMMAND, "good": GOOD_COMMAND})

# %% [markdown]
# - `-p 1237:22` reads host:container. It publishes the port of SSH. Triton's own three ports stay inside.
# - Nothing starts `tritonserver`: what stands after the image is the program to run.
# - `/dev/shm` is memory that processes share. Docker gives a container 64 MiB of it. Triton's Python backend passes tensors through it.
# - `--privileged`, `--cap-add=SYS_ADMIN` and `seccomp=unconfined` are often given as a cure for errors. (seccomp is the kernel's filter of system calls; unconfined switches it off.) They take most of the isolation away. Triton's quickstart needs none of them.
# - A tag such as `latest`, or none at all, is another image after the next release.
#
# ### A repository, and its configuration
#
# The server reads a folder. A version is a folder with a number:
#
# ```text
# models/
#   digits/
#     config.pbtxt
#     1/
#       model.onnx
# ```
#
# `config.pbtxt` is written in protobuf's *text format* (protobuf is Google's binary message format, and this is its readable twin). Names, colons, braces; a list in brackets means the same as the field written several times. Here it is as Python data:

# %%
from utils.serving.triton import pbtxt

text = """
max_batch_size: 8                # a comment
input [ { name: "pixels" data_type: TYPE_FP32 dims: [ 64 ] } ]
output { name: "logits" data_type: TYPE_FP32 dims: 10 }
dynamic_batching { max_queue_delay_microseconds: 500 }
"""
for name, values in pbtxt.parse_pbtxt(text).items():
    print(f"{name}: {values}")

# %% [markdown]
# Every field is a list here, since the text alone does not say which fields may repeat.
#
# ### One number decides the shape
#
# `max_batch_size: N` above 0 says: this model can take several rows at once, at most N. Triton then *prepends* an axis to every tensor, which `dims` does not mention. With 0 there is no such axis.

# %%
from utils.serving.triton import shapes

for size, dims, shape in ((8, [3, 64, 64], [5, 3, 64, 64]), (8, [3, 64, 64], [3, 64, 64]),
                          (0, [2, 3], [2, 3]), (0, [2, 3], [4, 3]), (0, [-1, 3], [7, 3])):
    full, wrong = list(shapes.full_shape(size, dims)), shapes.request_error(size, dims, shape)
    print(f"max_batch_size {size}, dims {dims}: full shape {full}; a request of {shape}:", wrong or "accepted")

# %% [markdown]
# So 0 does not mean "dynamic". A variable axis is -1, wherever it stands. The order NCHW (batch, channels, height, width) is not required either, nor NHWC, which has the channels last: `dims: [64]` is as good. Only who writes `format: FORMAT_NCHW` promises three dims.
#
# What else does the server check before it loads a model? `validate` says it beforehand. (An NPU, a neural processing unit, is a chip made for networks. The last example asks for one.)

# %%
from utils.serving.triton import ModelConfig, validate

head = 'backend: "onnxruntime" output { name: "y" data_type: TYPE_FP32 dims: 1 } '
for rest in ('input { name: "x" data_type: TYPE_FP32 dims: [ 0, 3 ] }',
             "max_batch_size: 4 dynamic_batching { preferred_batch_size: [ 8 ] }",
             "instance_group { kind: KIND_GPU gpus: [ 1 ] }",
             'input { name: "x" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ 2, 3 ] }'):
    print(f"{rest}\n    → {'; '.join(validate(ModelConfig.from_text(head + rest), visible_gpus=1))}")
try:
    ModelConfig.from_text(head + "instance_group { kind: KIND_NPU }")
except ValueError as error:
    print(f"instance_group {{ kind: KIND_NPU }}\n    → {error}")

# %% [markdown]
# ### Copies of a model
#
# An **instance** is one copy of a model that runs one execution at a time. An `instance_group` says how many and where. `count` is per GPU, and `gpus` holds indices of the GPUs that the *container* sees, from 0. A **backend** is the engine that runs the model: onnxruntime, tensorrt, python and others.

# %%
from utils.widgets.ch28_triton_containers import instances_table

instances_table([
    ("none", [], 2, "tensorrt"),
    ("none", [], 0, "onnxruntime"),
    ("count 2, KIND_GPU", [{"kind": "KIND_GPU", "count": 2}], 2, "tensorrt"),
    ("gpus [1], KIND_GPU", [{"kind": "KIND_GPU", "gpus": [1]}], 1, "tensorrt"),
    ("gpus [0], no kind", [{"gpus": [0]}], 0, "onnxruntime"),
    ("count 3, KIND_CPU", [{"kind": "KIND_CPU", "count": 3}], 1, "python"),
])

# %% [markdown]
# KIND_AUTO, the default, becomes GPU where a GPU is visible and all listed GPUs are there, and CPU otherwise. If it lists GPUs and becomes CPU, the server refuses it, as the last but one row says. (We tried that on Triton 2.51.)
#
# All instances live in one `tritonserver` process. Only the Python backend gives each instance a helper process, called a *stub*.
#
# ### On the wire
#
# Triton speaks **KServe v2**, also called the open inference protocol. A request over HTTP is JSON. With the *binary tensor extension* the numbers follow the JSON as raw bytes, and an HTTP header says how long the JSON is:

# %%
from utils.serving.triton import encode_request

x = np.array([[1.5, -2.0]], np.float32)
body, length = encode_request({"x": x}, ["p"], binary=False)
print(f"JSON, {len(body)} bytes:", body.decode())
body, length = encode_request({"x": x}, ["p"], binary=True)
print(f"binary, {len(body)} bytes, Inference-Header-Content-Length {length}:")
print(body[:length].decode(), "then the bytes", body[length:].hex())

# %% [markdown]
# Here the binary form is longer. But a random float32 takes 19 or so characters as text, and 4 bytes raw. For the 1 × 3 × 1024 × 1024 picture of the source's example that is 62 MB against 12.6 MB. And numbers have to be turned into text and back, which costs far more than to send them.
#
# Now a server that answers. The course has a small one of its own, which speaks v2 over HTTP and runs models in ONNX Runtime. It needs nothing but this notebook:

# %%
from utils.serving.triton import V2Error
from utils.serving.triton.experiment import mean_model
from utils.serving.triton.mini_server import MiniV2Server

config = """
backend: "onnxruntime"  max_batch_size: 0
input { name: "x" data_type: TYPE_FP32 dims: -1 }
output { name: "y" data_type: TYPE_FP32 dims: 1 }
"""
with MiniV2Server({"mean": (mean_model(), config)}) as server:
    client, x = server.client(), np.array([1, 2, 6], np.float32)
    print("ready:", client.ready(), "·", client.metadata("mean")["inputs"])
    for binary in (True, False):
        answer = client.infer("mean", {"x": x}, ["y"], binary=binary)
        print("mean of 1, 2, 6:", answer["y"], "binary" if binary else "JSON")
    try:
        client.infer("mean", {"x": np.ones((2, 3), np.float32)}, ["y"])
    except V2Error as error:
        print(error)

# %% [markdown]
# ## See it
#
# ![Simulated, 400 requests per second, batches of up to 8, no delay, two instances. Left: a Gantt chart with a lane for each instance; most executions hold one request, some two, and one holds five that came while both instances were busy. Right: the histogram of latencies, p50 at 5.06 ms and p95 at 8.29 ms.](figure.svg)
#
# The picture shows 400 requests/s, two instances, batches of up to 8 and no delay, simulated: 1.27 requests an execution, p50 (the median latency) 5.06 ms, p95 8.29 ms. An execution of n requests takes 4 + 0.5·n ms here, a number that we made up.
#
# **Requests, batches, instances.** What do `max_batch_size`, the queue delay and the number of instances do?

# %% figure
from utils.widgets.ch28_triton_containers import timeline

timeline()

# %% [markdown]
# What to notice: a delay helps only where it fills batches. At 600 requests/s and one instance an execution has 3.4 requests without it, and 4.2 with 5,000 µs. With `max_batch_size` 0 there is one bar for each request. Two instances at 150/s bring p95 from 9.0 to 6.5 ms, more than any delay does (if a second copy runs as fast as the first, which is not so when both share one busy chip).
#
# **A configuration, explained.** Edit the text and see what the server would say.

# %% figure
from utils.widgets.ch28_triton_containers import config_editor

config_editor()

# %% [markdown]
# ## Exercises
#
# The set-up cell has imported `json`, `re`, `shlex` and `numpy` as `np`. You may import more from Python's standard library.

# %% [markdown] about="request_error"
# Does a request's tensor fit the configuration?
#
# - `max_batch_size` is a whole number. Above 0 a request's shape has one more axis in front of `dims`, the *batch axis*, of size 1 to `max_batch_size`. At 0 there is no such axis.
# - `dims` is a list of whole numbers: a fixed size of 1 or more, or -1 for an axis of any size, 0 included.
# - `shape` is the request's shape, a list of whole numbers of 0 or more. It may be empty.
# - Return `"rank"` if the number of axes is wrong; otherwise `"batch"` if there is a batch axis and its size is not allowed; otherwise `"dim"` if another axis differs from its fixed size; otherwise `None`.
# - Raise `ValueError`, whatever the shape is, if a dim is 0 or below -1, or `max_batch_size` is negative.
# - Leave the lists unchanged.
#
# For example `request_error(4, [3], [5, 3])` → `"batch"`, `request_error(0, [-1, 3], [7, 3])` → `None`, `request_error(4, [3], [3])` → `"rank"`.

# %% exercise="request_error"
def request_error(max_batch_size: int, dims: list[int], shape: list[int]) -> str | None:
    """Why a request's tensor is refused: "rank", "batch" or "dim"; None if it is accepted."""
    ### BEGIN SOLUTION
    if max_batch_size < 0 or any(dim < 1 and dim != -1 for dim in dims):
        raise ValueError("max_batch_size must be at least 0, a dim at least 1 or -1")
    batch_axes = 1 if max_batch_size else 0
    if len(shape) != len(dims) + batch_axes:
        return "rank"
    if batch_axes and not 1 <= shape[0] <= max_batch_size:
        return "batch"
    fits = all(dim in (-1, size) for dim, size in zip(dims, shape[batch_axes:]))
    return None if fits else "dim"
    ### END SOLUTION

# %% check="request_error"
check("28.request_error", request_error)

# %% [markdown] about="parse_pbtxt"
# Read `config.pbtxt`: protobuf's text format, as nested dicts.
#
# The text is a sequence of **fields**. A field is a name (letters, digits and `_`, not beginning with a digit) followed by one of these:
#
# - a colon and a **plain value**: `max_batch_size: 8`
# - a **message** in braces, which holds fields again; the colon is optional: `dynamic_batching { }` or `dynamic_batching: { }`
# - a **list** in brackets with commas between its values, all plain values or all messages. A list of plain values needs the colon. For one of messages, and for an empty one, it is optional: `dims: [ ]` or `dims [ ]`.
#
# Plain values:
#
# - whole numbers with an optional sign → `int`
# - numbers with a point, an exponent (`e` or `E`) or both, with an optional sign → `float`; the digits on one side of the point may be missing, as in `1.` and `.5`
# - strings in double or single quotes, on one line → `str`, where backslash-n, -t, -r become line break, tab and carriage return, and a backslash before a backslash or a quotation mark means that character itself
# - the bare words `true` and `false` → `bool`; any other bare word, such as `TYPE_FP32` → `str`
#
# Spaces and line breaks mean nothing outside strings, and `#` begins a comment that ends with its line, unless it stands in a string. Nothing else occurs in a correct text.
#
# - Return a dict from the names of the fields to lists of values; a message is such a dict again. A field that occurs again adds to its list, and a list in brackets adds all its values; an empty one, `[ ]`, leaves an empty list. An empty text is `{}`.
# - Raise `ValueError` with `line N` in its message, N being the line (from 1) of the offending character or word: a character that belongs nowhere (such as `@`, `$`, `?`, the quotation mark of a string that does not end on its line, or a closing brace or bracket that does not fit what is open), a plain value without its colon, or a text that ends while a brace or a bracket is open. In the tests such a text has a single line from the opening to the end, and a name and the value without colon share a line.
#
# For example `max_batch_size: 8 input [ { name: "x" dims: [ -1, 3 ] } ] # c` gives `{'max_batch_size': [8], 'input': [{'name': ['x'], 'dims': [-1, 3]}]}`.
# Both `input { name: 'x' } input { name: 'y' }` and `input [ { name: 'x' }, { name: 'y' } ]` give `{'input': [{'name': ['x']}, {'name': ['y']}]}`.

# %% exercise="parse_pbtxt"
def parse_pbtxt(text: str) -> dict[str, list]:
    """The fields of a message in protobuf's text format; every field is a list."""
    ### BEGIN SOLUTION
    pattern = re.compile(r"""(?P<skip>\s+|\#[^\n]*)|(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
        |(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<word>[A-Za-z_]\w*)|(?P<mark>[:{}\[\],])""", re.X)
    tokens, at, line = [], 0, 1
    while at < len(text):
        match = pattern.match(text, at)
        if match is None:
            raise ValueError(f"line {line}: {text[at]!r} does not belong here")
        if match.lastgroup != "skip":
            tokens.append((match.lastgroup, match[0], line))
        line += match[0].count("\n")
        at = match.end()
    tokens.append(("end", "", line))
    tokens.reverse()  # the next one is the last

    def value(colon):
        kind, word, line = tokens.pop()
        if word == "{":
            return message("}")
        if not colon or kind in ("mark", "end"):
            raise ValueError(f"line {line}: {word!r} does not belong here")
        if kind == "string":
            return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t", "r": "\r"}.get(m[1], m[1]), word[1:-1])
        if kind == "number":
            return float(word) if set(word) & set(".eE") else int(word)
        return {"true": True, "false": False}.get(word, word)

    def message(closing):
        fields = {}
        while True:
            kind, name, line = tokens.pop()
            if name == closing:
                return fields
            if kind != "word":
                raise ValueError(f"line {line}: expected the name of a field, got {name!r}")
            values = fields.setdefault(name, [])
            colon = tokens[-1][1] == ":"
            if colon:
                tokens.pop()
            if tokens[-1][1] != "[":
                values.append(value(colon))
                continue
            tokens.pop()
            while tokens[-1][1] != "]":
                values.append(value(colon))
                if tokens[-1][1] == ",":
                    tokens.pop()
            tokens.pop()

    return message("")
    ### END SOLUTION

# %% check="parse_pbtxt"
check("28.parse_pbtxt", parse_pbtxt)

# %% [markdown] about="encode_v2"
# Write a request with one binary tensor, as the v2 protocol wants it.
#
# - `x` is an array with one axis or more; an axis may have size 0. Its dtype is float32, int64, uint8 or bool, in either byte order, and its memory may lie in any order (a transposed view, a slice). Any other dtype is a `ValueError` with `dtype` in its message.
# - The body begins with compact JSON, in UTF-8: no spaces after commas and colons. It has two keys, `inputs` and `outputs`, in this order, each with a list of one object. The input's keys are, in this order: `name`; `shape`, a list; `datatype`, which is `FP32`, `INT64`, `UINT8` or `BOOL`; and `parameters`, an object with the one key `binary_data_size`, the number of bytes of the tensor. The output's keys are `name`, then `parameters`, an object with the one key `binary_data` set to true.
# - Right after the JSON come the tensor's bytes: little-endian, in row-major order (the last index runs fastest), 1 byte for a bool.
# - `name` is the input's name, `output` the output's; any text. Characters beyond ASCII may stand as they are or as `\u` escapes.
# - Return a tuple: the body as `bytes`, and the length of its JSON in bytes as an `int` (this becomes the HTTP header Inference-Header-Content-Length).
#
# For example for `np.array([1.5, -2], np.float32)` with the names `"x"` and `"p"` the JSON is
# `{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","parameters":{"binary_data_size":8}}],"outputs":[{"name":"p","parameters":{"binary_data":true}}]}`,
# its length is 150, the body has 158 bytes, and the last eight are `0000c03f000000c0` in hexadecimal. The second visible case is an int64 array of shape (2, 3) with the numbers 0 to 5, with the same names.

# %% exercise="encode_v2"
def encode_v2(name: str, x: np.ndarray, output: str) -> tuple[bytes, int]:
    """Body and JSON length of a binary request with one tensor and one output."""
    ### BEGIN SOLUTION
    datatypes = {"f4": "FP32", "i8": "INT64", "u1": "UINT8", "b1": "BOOL"}
    kind = x.dtype.str[1:]  # without the sign of the byte order
    if kind not in datatypes:
        raise ValueError(f"dtype {x.dtype} can't be sent")
    raw = x.astype("<" + kind).tobytes()
    message = {"inputs": [{"name": name, "shape": list(x.shape), "datatype": datatypes[kind], "parameters": {"binary_data_size": len(raw)}}],
               "outputs": [{"name": output, "parameters": {"binary_data": True}}]}
    text = json.dumps(message, separators=(",", ":")).encode()
    return text + raw, len(text)
    ### END SOLUTION

# %% check="encode_v2"
check("28.encode_v2", encode_v2)

# %% [markdown] about="lint_docker_run"
# Say what is missing or dangerous in a `docker run` command, before it is run.
#
# The command is what one types into a shell: words, quotes, and a backslash at the end of a line that continues it. It begins with `docker run`, then come **options**, then the **image**, then the words of the program inside.
#
# - The options without a value are `--rm`, `--privileged`, `--init`, `--detach`, `--interactive`, `--tty` and the letters `-d`, `-i`, `-t`, which may stand together (`-dit`).
# - Every other option has a value. A long one takes it after `=` or as the next word (`--gpus=all`, `--gpus all`), a short one (`-p`, `-v`, `-e`) directly or as the next word (`-p8000:8000`, `-p 8000:8000`).
# - `-p` is short for `--publish`, `--net` is another name of `--network`. A published port is `container`, `host:container` or `address:host:container`, each perhaps with `/tcp` at its end.
# - What does not occur: ranges of ports (`8000-8002`), the option `-P`, `CAP_SYS_ADMIN` with its prefix, and `bash -c` with a command in quotes.
#
# Return a sorted list of the codes that apply, each once:
#
# | code | applies if |
# |---|---|
# | `http-port`, `grpc-port`, `metrics-port` | the *container's* port 8000, 8001, 8002 is not published, and the network is not `host` |
# | `no-gpu` | there is no option `--gpus` |
# | `privileged` | there is `--privileged`, or `--cap-add` with `SYS_ADMIN` |
# | `seccomp-off` | there is `--security-opt` with `seccomp=unconfined` |
# | `default-shm` | there is neither `--shm-size` nor `--ipc` |
# | `floating-tag` | the image has no tag, or the tag `latest`; not if it has a digest (`@` and what follows). The tag stands after a colon behind the last slash |
# | `no-server` | `tritonserver` is not one of the words after the image |
#
# For example the source's command, `docker run -dt --gpus=all -p 1237:22 --name triton -v /home/me/code:/workspace/code nvcr.io/nvidia/tritonserver:23.01-py3` → `['default-shm', 'grpc-port', 'http-port', 'metrics-port', 'no-server']`.
# And the good one: `docker run --gpus=1 --rm -p8000:8000 -p8001:8001 -p8002:8002 --shm-size=1g -v /srv/models:/models nvcr.io/nvidia/tritonserver:26.07-py3 tritonserver --model-repository=/models` → `[]`.

# %% exercise="lint_docker_run"
def lint_docker_run(command: str) -> list[str]:
    """Sorted codes of what is missing or dangerous in a `docker run` command for Triton."""
    ### BEGIN SOLUTION
    without_value = {"--rm", "--privileged", "--init", "--detach", "--interactive", "--tty"}
    words, options = shlex.split(command.replace("\\\n", " "))[2:], {}
    while words[0].startswith("-"):
        word = words.pop(0)
        if set(word) <= set("-dit"):
            continue
        if word.startswith("--"):
            name, joined, value = word.partition("=")
            if not joined and name not in without_value:
                value = words.pop(0)
        else:
            name, value = word[:2], word[2:] or words.pop(0)
        options.setdefault({"-p": "--publish", "--net": "--network"}.get(name, name), []).append(value)
    image, program = words[0], words[1:]
    published = {value.split(":")[-1].removesuffix("/tcp") for value in options.get("--publish", [])}
    codes = []
    if "host" not in options.get("--network", []):
        codes += [code for port, code in (("8000", "http-port"), ("8001", "grpc-port"), ("8002", "metrics-port")) if port not in published]
    if "--gpus" not in options:
        codes.append("no-gpu")
    if "--privileged" in options or "SYS_ADMIN" in options.get("--cap-add", []):
        codes.append("privileged")
    if "seccomp=unconfined" in options.get("--security-opt", []):
        codes.append("seccomp-off")
    if "--shm-size" not in options and "--ipc" not in options:
        codes.append("default-shm")
    if "@" not in image and image.split("/")[-1].partition(":")[2] in ("", "latest"):
        codes.append("floating-tag")
    if "tritonserver" not in program:
        codes.append("no-server")
    return sorted(codes)
    ### END SOLUTION

# %% check="lint_docker_run"
check("28.lint_docker_run", lint_docker_run)

# %% [markdown] about="plan_instances"
# How many copies of a model run, and where?
#
# - `groups` is the `instance_group` of a configuration, a list of dicts with the optional keys `kind` (a string), `count` (1 or more) and `gpus` (a list of different whole numbers; an empty one counts as absent). An empty `groups` means one group without keys.
# - `visible_gpus` is the number of GPUs that the server sees; they have the numbers 0, 1, 2 … `backend` is the backend's name.
# - The kind is `KIND_GPU`, `KIND_CPU`, `KIND_MODEL` (the model places itself) or `KIND_AUTO`, which is the default. `KIND_AUTO` becomes `KIND_GPU` if there is a visible GPU and every number in `gpus` is visible, otherwise `KIND_CPU`. The `gpus` of the group stay what they are.
# - A group of `KIND_GPU` runs on the GPUs in `gpus`, without them on all visible ones: `count` instances on *each*. Groups of the other kinds have `count` instances in all.
# - A missing `count` is 1, but 2 for a group that is (or became) `KIND_CPU` with the backend `onnxruntime` or `tensorflow`.
# - Return a sorted list with one tuple an instance: `("gpu", number)`, `("cpu", None)` or `("model", None)`.
# - Raise `ValueError` for any other kind; for `KIND_GPU` when no GPU is visible; for `KIND_GPU` with a number that is not visible, if a GPU is visible (then with `gpu id` in the message); and for a group that is or became `KIND_CPU`, or is `KIND_MODEL`, and has `gpus`.
# - Leave `groups` unchanged.
#
# For example `[{"kind": "KIND_GPU", "count": 1, "gpus": [0]}, {"kind": "KIND_GPU", "count": 2, "gpus": [1, 2]}]` with 3 visible GPUs and `"tensorrt"` → `[("gpu", 0), ("gpu", 1), ("gpu", 1), ("gpu", 2), ("gpu", 2)]`.
# No group, no GPU, `"onnxruntime"` → `[("cpu", None), ("cpu", None)]`. And `[{"kind": "KIND_GPU", "count": 2}]` with 2 GPUs and `"onnxruntime"` → `[("gpu", 0), ("gpu", 0), ("gpu", 1), ("gpu", 1)]`.

# %% exercise="plan_instances"
def plan_instances(groups: list[dict], visible_gpus: int, backend: str) -> list[tuple[str, int | None]]:
    """The execution instances of a model, sorted: ("gpu", number), ("cpu", None) or ("model", None)."""
    ### BEGIN SOLUTION
    visible, found = list(range(visible_gpus)), []
    for group in groups or [{}]:
        kind, gpus = group.get("kind", "KIND_AUTO"), group.get("gpus", [])
        if kind not in ("KIND_AUTO", "KIND_GPU", "KIND_CPU", "KIND_MODEL"):
            raise ValueError(f"unknown kind {kind}")
        seen = all(gpu in visible for gpu in gpus)
        if kind == "KIND_AUTO":
            kind = "KIND_GPU" if visible and seen else "KIND_CPU"
        if kind == "KIND_GPU":
            if not visible:
                raise ValueError("no GPU is visible")
            if not seen:
                raise ValueError(f"a gpu id of {gpus} is not visible")
            places = [("gpu", gpu) for gpu in gpus or visible]
        else:
            if gpus:
                raise ValueError(f"{kind} has no gpus")
            places = [("cpu" if kind == "KIND_CPU" else "model", None)]
        default = 2 if kind == "KIND_CPU" and backend in ("onnxruntime", "tensorflow") else 1
        found += places * group.get("count", default)
    return sorted(found)
    ### END SOLUTION

# %% check="plan_instances"
check("28.plan_instances", plan_instances)

# %% [markdown]
# ## Measure it
#
# ### Text or bytes
#
# Vectors of 1,000 to 1,000,000 random float32 go to the course's server, once as JSON and once as binary. The model takes their mean, which costs next to nothing. Before you run it: how much slower is JSON for a million numbers?

# %% experiment
from utils.serving.triton.experiment import compare_encodings
from utils.widgets.ch28_triton_containers import encodings_table

encodings = compare_encodings()
encodings_table(encodings)

# %% experiment
from utils.widgets.ch28_triton_containers import encodings_picture

encodings_picture(encodings)

# %% [markdown]
# What to look for: five times the bytes, whatever the size; and for a million numbers a request that takes many times as long. Most of that time is spent on turning numbers into text, and text into numbers.
#
# ### A real Triton server
#
# NVIDIA ships the real server in a Python package, `nvidia-pytriton`. One command makes an environment of its own for it, since it needs an older NumPy: `autograder doctor --setup triton` (Linux on x86-64, about 450 MB, no GPU needed). Where it is not, the next cells show the course's own small server in its place: it has no gRPC, and its batches are made and counted by its own code.
#
# Is it here?

# %% experiment
from autograder.setup_triton import triton_folder
from utils.widgets.ch28_triton_containers import environment_line

environment_line(triton_folder())

# %% [markdown]
# The network is that of the handwritten digits, as ONNX. The bundled server has the Python backend alone. So the model is a `model.py` that runs ONNX Runtime: it joins the requests that it is handed, runs once, and splits the result.
# The cell starts the server on free ports of this machine and asks the same five pictures over HTTP as JSON, over HTTP as bytes, and over gRPC. Are the answers those of ONNX Runtime?
#
# The server ends with the cell. It also ends if you stop the cell, or the kernel dies: a small watcher process ends it and removes its files.

# %% experiment
from autograder.setup_triton import triton_folder
from utils.graphs.onnx_tools import make_session
from utils.optional import EngineUnavailable
from utils.serving.triton.experiment import compare_batching, digits_model, digits_rows, model_name, serve_digits

digits = digits_model()
with serve_digits(triton_folder(), digits) as served:
    pictures = digits_rows(5)
    direct = make_session(digits, optimize=True).run(None, {served.names[0]: pictures})[0]
    answers = {"HTTP, JSON": served.infer(model_name(0), pictures, binary=False),
               "HTTP, binary": served.infer(model_name(0), pictures)}
    try:
        answers["gRPC"] = served.infer_grpc(model_name(0), pictures)
    except EngineUnavailable as error:
        print(error)
    batching = compare_batching(served)
print(served.name)
for way, logits in answers.items():
    worst = np.abs(logits - direct).max()
    print(f"{way:12}: classes {logits.argmax(axis=1)}, largest difference from ONNX Runtime {worst:.0e}")

# %% [markdown]
# The same cell has sent single pictures from one client, and from eight at a time, to two models that differ in their queue delay alone. This is what the server counted: `nv_inference_count` and `nv_inference_exec_count` from its metrics (port 8002 in a container), and the sizes of batches from `/v2/models/…/stats`.

# %% experiment
from utils.widgets.ch28_triton_containers import batching_table

batching_table(batching)

# %% experiment
from utils.widgets.ch28_triton_containers import batching_picture

batching_picture(batching)

# %% [markdown]
# What to look for:
#
# - One client never has company. The delay of 5,000 µs then only makes it wait, for each picture.
# - With eight clients there are fewer executions than inferences: the server merged requests that did not know of each other.
# - With the delay the batches are nearly full, since all eight wait. Without it they are made of those who came while the execution before ran.
# - Is the delay worth it? Compare requests/s. This network takes a fraction of a millisecond, so there is little to share.
#
# And on a machine with Docker and an NVIDIA GPU?

# %% experiment
from utils.widgets.ch28_triton_containers import docker_cell

docker_cell()

# %% [markdown]
# ## What the source says
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | the host needs the NVIDIA driver only | wrong, incomplete | Docker alone sees no GPU: the NVIDIA Container Toolkit has to be installed. Without `--gpus` the image runs on the CPU |
# | 2 | image and driver have to match | holds | 24.01 asks for 545 or newer; data-center GPUs may have listed older branches (table above) |
# | 3 | the example image 23.01 | dated | on 2026-11-27 the notes went up to 26.09. From 25.03 on GPUs below compute capability 7.5 (Pascal, Volta) are out |
# | 4 | `docker run … -p 1237:22 …` starts the service | wrong | it publishes SSH; the client on localhost:8000 reaches nothing, and no server is started |
# | 5 | on an error add `--cap-add=SYS_ADMIN --security-opt seccomp=unconfined` | wrong as a recipe | these remove isolation and treat no named cause. What Triton's Python models often lack is shared memory: `--shm-size` |
# | 6 | `max_batch_size: 0` means dynamic input | wrong | no batching, `dims` is the full shape. Variable axes are -1 |
# | 7 | inputs must be NCHW or NHWC | wrong | any rank from 1 on. Only with a `format` field must there be three dims |
# | 8 | platforms include `tensorflow_cc` and `custom` | wrong, dated | `platform` is the field that names engine and format in one word, as `onnxruntime_onnx` does. The server's sources have no `tensorflow_cc`; other engines are named by `backend:` |
# | 9 | kind may be CPU, GPU, "perhaps NPU" | wrong | KIND_AUTO, KIND_GPU, KIND_CPU, KIND_MODEL. With KIND_NPU the text can't be read, and the model is skipped |
# | 10 | `name` must equal the folder's name | holds | it may be left out |
# | 11 | one process for each GPU of `--gpus` | wrong | one `tritonserver`. The Python backend adds a stub process for each instance |
# | 12 | without `gpus` the model runs on all GPUs | holds | `count` instances on each |
# | 13 | `gpus: [1]` in the example | depends | needs a second *visible* GPU. Triton 2.51: "invalid or unsupported gpu id 1" |
# | 14 | 8000 HTTP, 8001 gRPC, 8002 metrics | holds | the defaults |
# | 15 | the client sends `binary_data=False` | works, badly | five times the bytes, and much slower (measured above) |
# | 16 | pre- and post-processing have to be in the client | wrong | ensembles, and models in the Python or DALI backends (DALI is NVIDIA's library for decoding and resizing), run in the server |
#
# Claim 4 was linted and claim 15 measured above, claim 2 is the table. The others about configurations are decided by small models here. Where the real server is installed, its verdict stands beside ours: whether it loads the model, and whether it takes the request.

# %% experiment
from autograder.setup_triton import triton_folder
from utils.serving.triton.verdicts import CLAIMS, real_verdicts, told_verdict

found = real_verdicts(triton_folder())
for claim in CLAIMS:
    beside = f", Triton {found[claim.name]}" if found else ""
    print(f"claim {claim.number:2}: {claim.told}: our checker {told_verdict(claim)}{beside}")
if not found:
    print("The real server is not here: run `autograder doctor --setup triton` to have it asked.")

# %% [markdown]
# ## Explain it
#
# A colleague writes: "Our detector gets one picture of 3 × 640 × 640 float32 per request. I set `max_batch_size: 0` so that any batch size works, put `gpus: [1]` because GPU 0 is busy on the host, and run the container with `--gpus '\"device=1\"' --privileged`. The client sends JSON. It does not load, and when it loads it will be fast." Answer in five or six sentences.
#
# A good answer names:
# 1. what `max_batch_size: 0` does, and what to write for batches;
# 2. which number the GPU has inside the container;
# 3. what `--privileged` does, and which options are missing in its place (those for ports, and for shared memory);
# 4. the bytes of a picture in both encodings;
# 5. how to see what the server does.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# `max_batch_size: 0` switches batching off, and `dims` is then the full shape. For batches write for example 8 with `dims: [3, 640, 640]`; a request then has the shape [n, 3, 640, 640] with n up to 8, and `dynamic_batching { }` merges requests.
# The container sees one GPU, and that has the number 0 in there. `gpus: [1]` fails with "invalid or unsupported gpu id 1"; leave `gpus` out.
# `--privileged` gives the container rights over the host and helps nothing here. What it needs are the published ports 8000, 8001 and 8002, and `--shm-size` if Python models are used.
# A picture has 1.23 million numbers: 4.9 MB as raw bytes, about 24 MB as JSON, and most of a request's time goes into writing and reading that text. Send it in binary.
# Then I look at `/v2/models/detector/stats` and at the metrics: queue time, compute time, and executions against inferences tell whether batches form.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("28")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | NGC image | NGC 镜像 | a container image of NVIDIA's with a version |
# | Container Toolkit | 容器工具包 | hands the host's GPUs and driver into containers |
# | compute capability | 计算能力 | NVIDIA's number for the generation of a GPU |
# | forward compatibility | 前向兼容 | a newer CUDA on an older driver of a data-center GPU |
# | model repository | 模型仓库 | the folder that Triton serves |
# | config.pbtxt | 模型配置 | a model's description, in protobuf's text format |
# | instance group | 实例组 | copies of a model, and where they run |
# | dynamic batching | 动态批处理 | the server merges queued requests |
# | ensemble | 模型编排 | models in a chain, inside the server |
# | backend | 后端 | the engine in the server that runs a model |
# | Python backend | Python 后端 | runs a model.py in a process of its own, the stub |
# | KServe v2, open inference protocol | 推理协议 | the messages over HTTP and gRPC |
# | gRPC | 远程过程调用 | calls over HTTP/2 with protobuf messages |
# | binary tensor extension | 二进制张量扩展 | raw bytes behind the JSON |
# | shared memory | 共享内存 | memory that several processes map, in /dev/shm |
# | Prometheus metrics | 指标 | counters as text, for a monitoring system to fetch |

# %% [markdown]
# ## Sources
#
# - NVIDIA, Triton Inference Server release notes 22.01, 22.12, 23.04, 23.05, 23.07, 23.12, 24.01, 24.07, 25.03, 26.02, 26.09 (read on 2026-11-27).
# - triton-inference-server/server: *Quickstart*, *Model configuration*, *Batchers*, *Ensemble models*, *Binary tensor data extension*, `docs/introduction/compatibility.md`.
# - triton-inference-server/core: `src/model_config_utils.cc` (what is checked, and the default counts), `src/constants.h` (the names of platforms).
# - KServe, *Open Inference Protocol* (v2). Protocol Buffers, *Text Format Language Specification*.
# - Docker, reference of `docker container run`; moby/moby issue 29492 (64 MB of /dev/shm by default).
# - nvidia-pytriton 0.7.0 with Triton 2.51.0, and tritonclient 2.73.0, run here.
