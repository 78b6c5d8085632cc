"""Reads a `docker run` command for a Triton container and says what is missing or dangerous, before anything starts."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

# Long options of `docker run` that take no value, and letters that may stand together behind one hyphen (`-dit`).
# Source: Docker's reference of `docker container run`.
FLAGS = frozenset(
    (
        "--detach",
        "--interactive",
        "--tty",
        "--rm",
        "--privileged",
        "--init",
        "--read-only",
        "--publish-all",
        "--no-healthcheck",
        "--oom-kill-disable",
        "--quiet",
        "--help",
    )
)
LETTERS = frozenset("ditPq")
PORTS = {"8000": "http-port", "8001": "grpc-port", "8002": "metrics-port"}
WHY = {
    "http-port": "container port 8000 (HTTP) is not published",
    "grpc-port": "container port 8001 (gRPC) is not published",
    "metrics-port": "container port 8002 (metrics) is not published",
    "no-gpu": "no GPU is handed to the container",
    "privileged": "the container gets rights over the host",
    "seccomp-off": "the filter of system calls is off",
    "default-shm": "/dev/shm has Docker's default of 64 MiB",
    "floating-tag": "the tag can mean another image tomorrow",
    "no-server": "nothing starts tritonserver",
}


def lint_docker_run(command: str) -> list[str]:
    """Sorted codes of what is missing or dangerous in `docker run …`; the keys of `WHY` say what each means.

    Ranges of ports, `-P` and `--privileged=false` are not looked into.

    >>> lint_docker_run("docker run --gpus all --net=host --shm-size 1g x/y:1.0 tritonserver")
    []
    """
    options, image, rest = split_docker_run(command)
    values = {name: [v for n, v in options if n == name] for name, _ in options}
    codes = set()
    if "host" not in values.get("--network", []):
        published = {_container_port(v) for v in values.get("--publish", [])}
        codes |= {code for port, code in PORTS.items() if port not in published}
    if "--gpus" not in values:
        codes.add("no-gpu")
    if "--privileged" in values or any("SYS_ADMIN" in v for v in values.get("--cap-add", [])):
        codes.add("privileged")
    if "seccomp=unconfined" in values.get("--security-opt", []):
        codes.add("seccomp-off")
    if "--shm-size" not in values and "--ipc" not in values:
        codes.add("default-shm")
    if _floats(image):
        codes.add("floating-tag")
    if "tritonserver" not in rest:
        codes.add("no-server")
    return sorted(codes)


def split_docker_run(command: str) -> tuple[list[tuple[str, str]], str, list[str]]:
    """(options with their values, the image, the words after it). Short names and `--net` come as the long ones."""
    words = iter(shlex.split(command.replace("\\\n", " "))[2:])
    options = []
    for word in words:
        if not word.startswith("-"):
            return options, word, list(words)
        options += _options(word, words)
    return options, "", []


_LONG = {"-p": "--publish", "--net": "--network"}


def _options(word: str, words: Iterator[str]) -> list[tuple[str, str]]:
    if word.startswith("--"):
        name, joined, value = word.partition("=")
        if not joined:
            value = "" if name in FLAGS else next(words, "")
        return [(_LONG.get(name, name), value)]
    if set(word[1:]) <= LETTERS:
        return [(f"-{letter}", "") for letter in word[1:]]
    value = word[2:].removeprefix("=") or next(words, "")
    return [(_LONG.get(word[:2], word[:2]), value)]


def _container_port(published: str) -> str:
    """The right-hand side of [address:][host port:]container port[/tcp]."""
    return published.rsplit(":", 1)[-1].removesuffix("/tcp")


def _floats(image: str) -> bool:
    name, pinned, _ = image.partition("@")
    if pinned:
        return False
    _, _, tag = name.rsplit("/", 1)[-1].partition(":")
    return tag in ("", "latest")
