"""Drill questions of chapter 28: containers and the Triton Inference Server."""

from __future__ import annotations

import math

from ..question import Choice, Numeric, Open


def _draw_encoding(rng):
    return {"n": int(rng.choice([1, 2, 4])), "c": 3, "side": int(rng.choice([224, 320, 640, 1024])), "chars": float(rng.choice([18.5, 19, 19.5, 20, 20.5, 21]))}


def _draw_instances(rng):
    memory = int(rng.choice([16, 24, 40, 48, 80]))
    return {"G": int(rng.integers(2, 9)), "m": float(rng.choice([2.5, 3, 4.5, 6, 7.5])), "M": memory}


def _draw_batch(rng):
    return {"rate": int(rng.choice([400, 500, 800, 1000, 2000])), "delay": int(rng.choice([2000, 4000, 5000, 10000])), "B": int(rng.choice([4, 8, 16, 32]))}


def _draw_shm(rng):
    return {"inp": float(rng.choice([1.5, 3, 4.5, 6, 12])), "out": float(rng.choice([0.5, 1, 2, 4])), "n": int(rng.choice([4, 8, 16, 32]))}


def _fits(v):
    return math.floor(v["M"] / v["m"])


QUESTIONS = [
    Numeric(
        "28.json_bytes", 1, "A float32 input of {n} × {c} × {side} × {side} goes to Triton as JSON. A number takes {chars} characters on average, and a comma "
        "follows. How many times as many bytes is that as the binary form, headers aside?",
        _draw_encoding, lambda v: (v["chars"] + 1) / 4,
        "Per number: {chars} + 1 bytes of text against 4 bytes, so {answer} times. The shape cancels.",
        rtol=0.02,
        traps=((lambda v: v["chars"] / 4, "The comma between two numbers is a byte, too."),
               (lambda v: (v["chars"] + 1) / 8, "A float32 has 4 bytes, not 8."),
               (lambda v: 4 / (v["chars"] + 1), "That is the binary form over JSON."))),
    Numeric(
        "28.instances", 2, "A container sees {G} GPUs of {M} GiB each. One instance of a model takes {m} GiB. Its group has kind KIND_GPU and no `gpus`. What is the "
        "largest number of instances in all that fits?",
        _draw_instances, lambda v: v["G"] * _fits(v),
        "count is per GPU, and floor({M} / {m}) fit on one. On {G} GPUs: {answer}.",
        traps=((_fits, "That is `count`, the number on each GPU. Without `gpus` every visible GPU gets so many."),
               (lambda v: math.floor(v["G"] * v["M"] / v["m"]), "An instance can't lie on two GPUs: round down for each of them."),
               (lambda v: v["G"], "Those are the GPUs. One of them may hold several instances."))),
    Numeric(
        "28.batch_from_delay", 2, "Single requests come at random, {rate} per second. The batcher may wait for {delay} µs, and max_batch_size is {B}. How many requests does "
        "a batch hold on average at most, by the delay alone?",
        _draw_batch, lambda v: min(v["B"], 1 + v["rate"] * v["delay"] / 1e6),
        "The first request, and those that come within the delay: 1 + {rate} · {delay} / 10^6, but not more than {B}: {answer}.",
        rtol=0.01,
        traps=((lambda v: min(v["B"], v["rate"] * v["delay"] / 1e6), "The request that begins the batch counts, too."),
               (lambda v: 1 + v["rate"] * v["delay"] / 1e6, "A batch can't be larger than max_batch_size."),
               (lambda v: min(v["B"], 1 + v["rate"] * v["delay"] / 1e3), "The delay is in microseconds."),
               (lambda v: v["B"], "That is the limit. The delay does not reach it at this rate."))),
    Numeric(
        "28.shared_memory", 3, "A model runs in the Python backend, which passes tensors through /dev/shm. A request brings {inp} MiB in and {out} MiB out, and {n} requests are "
        "under way at a time. How much do the tensors need in all, in MiB? (Docker's default for /dev/shm is 64 MiB.)",
        _draw_shm, lambda v: v["n"] * (v["inp"] + v["out"]),
        "{n} · ({inp} + {out}) = {answer} MiB. Above 64 MiB the container needs `--shm-size`.",
        unit="MiB", rtol=0.01,
        traps=((lambda v: v["n"] * v["inp"], "The outputs travel through shared memory as well."),
               (lambda v: v["inp"] + v["out"], "That is one request."),
               (lambda v: v["n"] * (v["inp"] + v["out"]) - 64, "That is what is missing beyond the default, not what is needed."))),
    Choice(
        "28.max_batch_zero", 1, "What does `max_batch_size: 0` in config.pbtxt mean?",
        "Triton does not batch, and `dims` is the full shape",
        (("Batches may be of any size", "No maximum is given by a large number. 0 switches batching off."),
         ("The input has a dynamic shape", "A variable axis is written -1 in `dims`, with or without batching."),
         ("The configuration is an error", "It is legal, and also the default. Only a negative number is refused.")),
        "With 0 no batch axis is put in front of `dims`, and requests are not merged. A model with `dims: [2, 3]` then refuses a request of shape [4, 3]."),
    Choice(
        "28.gpu_in_container", 2, "A model with `gpus: [1]` loads on the host, but not in `docker run --gpus '\"device=1\"'`. Why?",
        "The container sees one GPU, and its number in there is 0",
        (("The image has no CUDA", "The image brings CUDA. And another model would fail as well."),
         ("The driver is too old", "Then nothing on the GPU would load, with any index."),
         ("It needs KIND_CPU", "KIND_CPU would run the model on the CPU. It may have the GPU; only its number is wrong.")),
        "Visible GPUs are numbered anew from 0 inside the container. The server says: invalid or unsupported gpu id 1. Leave `gpus` out, or write [0]."),
    Choice(
        "28.from_the_host", 2, "Which part of the stack does a Triton container take from the host?",
        "The kernel driver",
        (("The CUDA runtime", "It lies in the image; its version is that of the release."),
         ("cuDNN", "It is a library of the image."),
         ("TensorRT", "It is a library of the image, and engines have to be built with the same version.")),
        "The NVIDIA Container Toolkit hands the driver and its libraries into the container. Everything else of the user-space stack is frozen in the image."),
    Choice(
        "28.processes", 2, "A server has 2 GPUs, and a model has a group of KIND_GPU with count 3, in the TensorRT backend. How many `tritonserver` processes serve it?",
        "One",
        (("Two, one for each GPU", "Several GPUs do not mean several servers. One process schedules them all."),
         ("Three", "`count` is about instances on each GPU, and instances are not processes."),
         ("Six", "There are six instances of the model, in one process.")),
        "Instances are scheduled inside one server process. Only the Python backend adds a process per instance, its stub, and those are no servers."),
    Open(
        "28.idle_gpu", 3, "A client's p99 is 3 s, and the GPU is idle. What do you look at, and in which order?",
        ("The server's statistics: time in the queue, in compute_input, in compute_infer", "The encoding: JSON numbers for a large tensor; binary, or shared memory",
         "Preprocessing in the client, or in a Python model with a single instance", "The batcher's delay, and the number of instances", "Measure each part again: metrics on port 8002"),
        "I ask for `/v2/models/NAME/stats` before and after some requests. A long queue means too few instances or a delay that is too long; a long compute_input points at copies. If the server's "
        "sum is far below 3 s, the time is lost before it: large tensors as JSON, or preprocessing in the client. I switch to binary tensors first, because that costs one argument. Then I look "
        "at the Python models, whose single instance works on one request at a time, and raise `count`. After each change I read the metrics again, and compare the client's p99 with the server's."),
]
