"""Exercise 28.lint_docker_run: what a docker command lacks, before it is run."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable
from typing import Any

import numpy as np

from utils.serving.triton import docker_lint

from ...compare import brief
from ...exercise import Case, Exercise, Misconception

_FLAGS = {"--rm", "--privileged", "--init", "--detach", "--interactive", "--tty"}
_PORTS = {"8000": "http-port", "8001": "grpc-port", "8002": "metrics-port"}


def _shell(command: str) -> list[str]:
    return shlex.split(command.replace("\\\n", " "))[2:]


def _container_side(value: str) -> str:
    return value.split(":")[-1].split("/")[0]


def _tag_floats(image: str) -> bool:
    name = image.rsplit("/", 1)[-1]
    return "@" not in image and (":" not in name or name.endswith(":latest"))


def _answer(*, words: Callable[[str], list[str]] = _shell, port: Callable[[str], str] = _container_side, floats: Callable[[str], bool] = _tag_floats,
            server: Callable[[list[str], list[str]], bool] = lambda rest, all_words: "tritonserver" in rest, host_network: bool = True, everywhere: bool = False,
            joined_letters: bool = True, sys_admin: bool = True, ipc: bool = True, shm: bool = True, ordered: Callable[[list], list] = sorted,
            values: frozenset = frozenset(), net: tuple[str, ...] = ("--network", "--net"), publish: tuple[str, ...] = ("-p", "--publish"),
            seccomp: Callable[[list[str]], bool] = lambda given: "seccomp=unconfined" in given, equals: bool = True) -> Callable:
    """An answer from its rules; with its defaults it is right."""

    def answer(command: str) -> list[str]:
        left, options, positional = words(command), [], []
        all_words = list(left)
        while left and (left[0].startswith("-") or (everywhere and positional)):
            word = left.pop(0)
            if not word.startswith("-"):
                positional.append(word)
            elif word.startswith("--"):
                name, joined, value = word.partition("=") if equals else (word, "", "")
                if name in _FLAGS - values:
                    value = ""
                elif not joined:
                    value = left.pop(0) if left else ""
                options.append((name, value))
            elif joined_letters and set(word[1:]) <= set("dit"):
                options.append((word, ""))
            elif len(word) > 2 and joined_letters:
                options.append((word[:2], word[2:]))
            else:
                options.append((word, left.pop(0) if left else ""))
            if everywhere and left and not left[0].startswith("-") and not positional:
                positional.append(left.pop(0))
        image, rest = (positional[0], positional[1:]) if positional else (left[0] if left else "", left[1:])

        def given(*names: str) -> list[str]:
            return [value for name, value in options if name in names]

        published = {port(value) for value in given(*publish)}
        host = host_network and "host" in given(*net)
        rights = bool(given("--privileged")) or (sys_admin and any("SYS_ADMIN" in v for v in given("--cap-add")))
        has_shm = (shm and given("--shm-size")) or (ipc and given("--ipc"))
        codes = [code for number, code in _PORTS.items() if number not in published and not host]
        found = {"no-gpu": not given("--gpus"), "privileged": rights, "seccomp-off": seccomp(given("--security-opt")), "default-shm": not has_shm,
                 "floating-tag": floats(image), "no-server": not server(rest, all_words)}
        return ordered([*codes, *(code for code, applies in found.items() if applies)])

    return answer


def _text_search(command: str) -> list[str]:
    """Looks for substrings."""
    codes = [code for number, code in _PORTS.items() if number not in command and "host" not in command]
    codes += ["no-gpu"] * ("--gpus" not in command) + ["privileged"] * ("--privileged" in command or "SYS_ADMIN" in command)
    codes += ["seccomp-off"] * ("seccomp=unconfined" in command) + ["default-shm"] * ("--shm-size" not in command and "--ipc" not in command)
    image = next((w for w in command.split() if "/" in w and not w.startswith("-") and ":/" not in w), "")
    return sorted([*codes, *["floating-tag"] * _tag_floats(image), *["no-server"] * (not re.search(r"\stritonserver(\s|$)", command))])


def _port_anywhere(command: str) -> list[str]:
    """A port is published when its number occurs in some option."""
    found = set(docker_lint.lint_docker_run(command)) - set(_PORTS.values())
    host = re.search(r"--net(work)?[= ]host", command)
    return sorted(found | {code for number, code in _PORTS.items() if number not in command and not host})


def _with_argparse(command: str) -> list[str]:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for flag in ("-d", "-i", "-t", "--detach", "--interactive", "--tty", "--rm", "--init", "--privileged"):
        parser.add_argument(flag, action="store_true", dest=flag.strip("-"))
    for names in (["-p", "--publish"], ["-v", "--volume"], ["-e", "--env"], ["--network", "--net"], ["--gpus"], ["--cap-add"], ["--security-opt"], ["--shm-size"],
                  ["--ipc"], ["--name"], ["-w", "--workdir"], ["-u", "--user"], ["--ulimit"], ["--hostname"], ["-m", "--memory"]):
        parser.add_argument(*names, action="append", default=[], dest=names[-1].strip("-").replace("-", "_"))
    parser.add_argument("image")
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    got = parser.parse_args(shlex.split(command.replace("\\\n", " "))[2:])
    ports = {re.sub(r"/tcp$", "", value).split(":")[-1] for value in got.publish}
    codes = set() if "host" in got.net else {code for number, code in _PORTS.items() if number not in ports}
    last = got.image.split("/")[-1]
    checks = {"no-gpu": not got.gpus, "privileged": got.privileged or "SYS_ADMIN" in got.cap_add, "seccomp-off": "seccomp=unconfined" in got.security_opt,
              "default-shm": not got.shm_size and not got.ipc, "floating-tag": "@" not in last and (":" not in last or last.split(":")[1] == "latest"),
              "no-server": "tritonserver" not in got.rest}
    return sorted(codes | {code for code, applies in checks.items() if applies})


def _with_index(command: str) -> list[str]:
    """Walks over the words with an index."""
    words, i, seen, published = shlex.split(command.replace("\\\n", ""))[2:], 0, {}, set()
    while words[i].startswith("-"):
        word = words[i]
        i += 1
        name, equals, value = word.partition("=")
        if re.fullmatch(r"-[dit]+", word) or word in _FLAGS:
            seen.setdefault(word, [])
            continue
        if not word.startswith("--") and len(word) > 2:
            name, value = word[:2], word[2:]
        elif not equals:
            value, i = words[i], i + 1
        name = {"--net": "--network", "-p": "--publish"}.get(name, name)
        seen.setdefault(name, []).append(value)
        if name == "--publish":
            published.add(value.rpartition(":")[2].replace("/tcp", ""))
    out = []
    if "host" not in seen.get("--network", ()):
        out += [_PORTS[p] for p in _PORTS if p not in published]
    image, rest = words[i], words[i + 1 :]
    tag = re.fullmatch(r"(?:.*/)?[^/:@]+(?::([^/@]+))?(@.*)?", image)
    out += ["floating-tag"] if tag is None or (tag[2] is None and tag[1] in (None, "latest")) else []
    out += [] if "--gpus" in seen else ["no-gpu"]
    out += [] if "--shm-size" in seen or "--ipc" in seen else ["default-shm"]
    out += ["privileged"] if "--privileged" in seen or "SYS_ADMIN" in seen.get("--cap-add", ()) else []
    out += ["seccomp-off"] if "seccomp=unconfined" in seen.get("--security-opt", ()) else []
    return sorted([*out, *([] if "tritonserver" in rest else ["no-server"])])


# --- cases ----------------------------------------------------------------------------------------

IMAGE = "nvcr.io/nvidia/tritonserver:26.07-py3"
_THREE = "-p8000:8000 -p8001:8001 -p8002:8002"
_START = "tritonserver --model-repository=/models"
_SOURCE = "docker run -dt --gpus=all -p 1237:22 --name triton -v /home/me/code:/workspace/code nvcr.io/nvidia/tritonserver:23.01-py3"
_GOOD = f"docker run --gpus=1 --rm {_THREE} --shm-size=1g -v /srv/models:/models {IMAGE} {_START}"


def _draw(rng: np.random.Generator) -> Case:
    def pick(*options: str) -> str:
        return str(rng.choice(options))

    parts = []
    for number in ("8000", "8001", "8002"):
        parts.append(pick(f"-p {number}:{number}", f"-p{number}:{number}", f"--publish={9}{number[1:]}:{number}/tcp", f"--publish 127.0.0.1:9{number[1:]}:{number}", f"-p {number}", f"-p{number}", f"-p {number}:22", ""))
    parts += [pick("", "--gpus all", "--gpus=1", "--gpus '\"device=1\"'", "--gpus all"), pick("", "", "--privileged", "--cap-add=SYS_ADMIN", "--cap-add SYS_ADMIN", "--cap-add=SYS_PTRACE"),
              pick("", "", "--security-opt seccomp=unconfined", "--security-opt=no-new-privileges"), pick("", "--shm-size=1g", "--shm-size 512m", "--ipc=host", "--ipc host", ""),
              pick("", "", "", "--network host", "--net=host", "--network=backend", "--net bridge"), pick("-d", "-dit", "--rm", "-it", "--init", "--detach"), pick("", "--name triton", "--name=8000", "-e A=8001"),
              pick("", "-v /srv/models:/models", "-v '/srv/my models:/models'", "--volume=/a:/b")]
    image = pick(IMAGE, IMAGE, "nvcr.io/nvidia/tritonserver", "tritonserver:latest", "registry.local:5000/triton", "registry.local:5000/triton:24.01-py3", "triton@sha256:0123abcd",
                 "registry.local:5000/triton:latest@sha256:0123abcd")
    end = pick(_START, _START, "", "bash", f"{_START} --http-port 8000", "perf_analyzer -m digits", "sh start.sh --gpus", "python -p 8000:8000")
    ordered = [parts[i] for i in rng.permutation(len(parts)) if parts[i]]
    return Case(pick(" ", " ", " \\\n  ").join(filter(None, ["docker run", *ordered, image, end])))


def _show(value: Any) -> str:
    """A command whole, so that a learner can paste it; the codes as a list."""
    return repr(value[:1000]) if isinstance(value, str) else brief(value, 200)


lint_docker_run = Exercise(
    id="28.lint_docker_run", points=4, difficulty=2, minutes=20, idea="options before the image are docker's, words after it the program's; -p is host:container",
    reference=docker_lint.lint_docker_run,
    cases=[Case(_SOURCE, label="the source's command"), Case(_GOOD, label="the good command of the text")],
    hidden=[
        Case(f"docker run --gpus all -p 9000:8000 -p 9001:8001 -p 9002:8002 --ipc=host {IMAGE} {_START}"), Case(f"docker run --gpus all --network host --shm-size 1g {IMAGE} {_START}"),
        Case(f"docker run --gpus all --net=host --shm-size=1g {IMAGE} {_START}"), Case(f"docker run --gpus all --network=backend --shm-size=1g {IMAGE} {_START}"),
        Case(f"docker run --gpus all -p 8000:22 {_THREE.replace('-p8000:8000', '')} --ipc host {IMAGE} {_START}"), Case(f"docker run --gpus all --publish=9000:8000/tcp --publish 8001:8001 -p 127.0.0.1:9002:8002 --ipc host {IMAGE} {_START}"),
        Case(f"docker run --gpus all {_THREE} --ipc host nvcr.io/nvidia/tritonserver {_START}"), Case(f"docker run --gpus all {_THREE} --ipc host registry.local:5000/triton {_START}"),
        Case(f"docker run --gpus all {_THREE} --ipc host registry.local:5000/triton:24.01-py3 {_START}"), Case(f"docker run --gpus all {_THREE} --ipc host registry.local:5000/triton:latest {_START}"),
        Case(f"docker run --gpus all {_THREE} --ipc host nvcr.io/nvidia/tritonserver@sha256:0123abcd {_START}"), Case(f"docker run --gpus all {_THREE} --ipc host nvcr.io/nvidia/tritonserver:latest@sha256:0123abcd {_START}"),
        Case(f"docker run {_THREE} --shm-size=1g {IMAGE} tritonserver --gpus all --privileged"), Case(f"docker run --gpus all {IMAGE} tritonserver {_THREE} --shm-size=1g --network host"),
        Case(f"docker run --gpus all {_THREE} --shm-size=1g --privileged {IMAGE} {_START}"), Case(f"docker run --gpus all {_THREE} --shm-size=1g --cap-add=SYS_ADMIN --security-opt seccomp=unconfined {IMAGE} {_START}"),
        Case(f"docker run --gpus all {_THREE} --shm-size=1g --cap-add SYS_ADMIN --security-opt=seccomp=unconfined {IMAGE} {_START}"), Case(f"docker run --gpus all {_THREE} --shm-size=1g --cap-add=SYS_PTRACE {IMAGE} {_START}"),
        Case(f"docker run --gpus '\"device=1\"' \\\n  {_THREE} \\\n  --shm-size=1g \\\n  -v '/srv/my models:/models' \\\n  {IMAGE} {_START}"), Case(f"docker run --name tritonserver --gpus all {_THREE} --shm-size=1g {IMAGE} bash"),
        Case(f"docker run --gpus all {_THREE} --shm-size=1g {IMAGE}"), Case("docker run ubuntu:24.04"), Case("docker run --gpus all -p8000 -p8001 -p8002 --ipc=host tritonserver bash"), Case("docker run -it ubuntu"), Case(f"docker run -dit --init --rm --gpus all {_THREE} --ipc=host {IMAGE} sh tritonserver"),
        Case(f"docker run --gpus all -p 8000 -p 8001 -p 8002 --shm-size=1g {IMAGE} {_START}"), Case(f"docker run --gpus all -p 18000:18000 -p 8001:8001 -p 8002:8002 --shm-size=1g {IMAGE} {_START}"),
        Case(f"docker run --tty --interactive --detach --gpus all {_THREE} --shm-size=1g --name host {IMAGE} {_START}"), Case(f"docker run -e X=--privileged --gpus all {_THREE} --shm-size=1g {IMAGE} {_START}"),
        Case(f"docker run -v /a:/b -v /dev/shm:/dev/shm --gpus all {_THREE} {IMAGE} {_START}"), Case(f"docker run --privileged --rm {IMAGE} {_START}"), Case(f"docker run -t -i -d --gpus all {_THREE} --ipc=host x/y:1@z {_START}"),
    ],
    draw=_draw, draws=60, show=_show,
    misconceptions=[
        Misconception(
            "number_anywhere", _port_anywhere,
            "You look for the number 8000 somewhere in the command. A host port 8000 that leads to 22, or a name, does not publish Triton's port: look at the container's side of -p.",
            "The number alone proves nothing.", also=(_text_search,)),
        Misconception(
            "left_side", _answer(port=lambda value: value.split("/")[0].split(":")[-2 if ":" in value else -1]),
            "You read the left number of `-p`. It is the host's; the order is host:container, and Triton listens in the container.",
            "-p is host:container.", also=(_answer(port=lambda value: value.split("/")[0].split(":")[0]),)),
        Misconception(
            "second_part", _answer(port=lambda value: value.split("/")[0].split(":")[1] if ":" in value else value),
            "You take the second part of `-p`. With an address in front there are three parts: the container's port is always the last.",
            "The container's port is last."),
        Misconception(
            "protocol_suffix", _answer(port=lambda value: value.split(":")[-1]),
            "`/tcp` behind a port confuses your answer. It only names the protocol.",
            "/tcp is not part of the number."),
        Misconception(
            "plain_split", _answer(words=lambda command: command.split()[2:]),
            "You split at spaces. Quotes keep a word together, and a backslash at a line's end continues the line: Python's `shlex` knows the rules of the shell.",
            "Quotes and continuations.", also=(_answer(words=lambda command: command.replace("\\\n", " ").split()[2:]), _answer(words=lambda command: command.split(" ")[2:]))),
        Misconception(
            "broken_lines", _answer(words=lambda command: shlex.split(command)[2:]),
            "A backslash at the end of a line becomes a word of its own in your answer. Join such lines before you cut the command into words.",
            "Continued lines."),
        Misconception(
            "registry_port", _answer(floats=lambda image: "@" not in image and (image.count(":") == 0 or image.endswith(":latest"))),
            "You take the colon of a registry's port for that of a tag. The tag stands after the last slash.",
            "A registry may have a port."),
        Misconception(
            "digest_floats", _answer(floats=lambda image: ":" not in image.rsplit("/", 1)[-1].split("@")[0] or image.split("@")[0].endswith(":latest")),
            "An image with a digest (`@sha256:…`) is pinned, whatever its tag says: the digest is of its content.",
            "A digest pins the image.", also=(_answer(floats=lambda image: ":" not in image.rsplit("/", 1)[-1] or ":latest" in image),)),
        Misconception(
            "latest_is_a_tag", _answer(floats=lambda image: "@" not in image and ":" not in image.rsplit("/", 1)[-1]),
            "`latest` counts as a fixed tag in your answer. It is only a name, and means another image after the next release.",
            "latest moves."),
        Misconception(
            "no_tag_is_fixed", _answer(floats=lambda image: "@" not in image and image.endswith(":latest")),
            "An image without a tag passes. Docker then takes `latest`.",
            "No tag means latest."),
        Misconception(
            "options_after_the_image", _answer(everywhere=True),
            "You read options behind the image as Docker's. Everything after the image belongs to the program inside.",
            "Behind the image nothing is Docker's."),
        Misconception(
            "server_in_the_name", _answer(server=lambda rest, all_words: any("tritonserver" in word for word in all_words)),
            "You find \"tritonserver\" in the image's name, or in an option. What counts is the program after the image: without one this image starts a shell.",
            "The image's name starts nothing.", also=(_answer(server=lambda rest, all_words: "tritonserver" in all_words),)),
        Misconception(
            "server_must_be_first", _answer(server=lambda rest, all_words: rest[:1] == ["tritonserver"]),
            "You look at the first word after the image only. The text asks whether `tritonserver` is among them.",
            "Among the words, not first."),
        Misconception(
            "host_network", _answer(host_network=False),
            "You ask for published ports under the host's network, too. There the container's ports are the host's; nothing needs to be published.",
            "The host network publishes all.", also=(_answer(net=("--network",)), _answer(net=("--net",)))),
        Misconception(
            "only_short_p", _answer(publish=("-p",)),
            "You know `-p`, but not its long form `--publish`.",
            "--publish is -p.", also=(_answer(publish=("--publish",)), _answer(joined_letters=False))),
        Misconception(
            "only_privileged", _answer(sys_admin=False),
            "You overlook `--cap-add` with SYS_ADMIN. It gives most of what `--privileged` gives.",
            "SYS_ADMIN is nearly root."),
        Misconception(
            "ipc_forgotten", _answer(ipc=False),
            "`--ipc` (for example `--ipc=host`) gives the container another shared memory; Docker's default no longer applies.",
            "--ipc counts, too.", also=(_answer(shm=False),)),
        Misconception(
            "every_option_has_a_value", _answer(values=frozenset(_FLAGS)),
            "You take a value for every long option. `--rm`, `--privileged` and a few others have none, so you swallow the word after them.",
            "Some options have no value."),
        Misconception(
            "unsorted", _answer(ordered=lambda codes: codes),
            "The codes are right, but not sorted.",
            "The list is sorted."),
    ],
    alternatives=[_with_argparse, _with_index, _answer()],
    hints=(
        "First join continued lines and cut the command into words with `shlex.split`. Drop the two words `docker run`.",
        "Walk over the words until one doesn't begin with a hyphen: that is the image. Keep each option with its value in a dict of lists.",
        "The container's port is what stands after the last colon, without `/tcp`. The tag is what stands after a colon behind the last slash.",
    ),
    worth_knowing="The source's command publishes port 1237 to 22, so its own client on localhost:8000 reaches nothing, and no server is started either.",
)
