"""The linter on documented commands, the splitting of options, and the drivers of the release notes."""

from datetime import date

import pytest

from utils.serving.triton import IMAGES, WHY, driver_ok, lint_docker_run, split_docker_run

SOURCE = "docker run -dt --gpus=all -p 1237:22 --name triton -v /home/xxiao/code:/workspace/code nvcr.io/nvidia/tritonserver:23.01-py3"
# NVIDIA's quickstart with a tag filled in
QUICKSTART = ("docker run --gpus=1 --rm -p8000:8000 -p8001:8001 -p8002:8002 -v/full/path/to/docs/examples/model_repository:/models "
              "nvcr.io/nvidia/tritonserver:25.03-py3 tritonserver --model-repository=/models")


def test_the_source_and_the_quickstart():
    assert lint_docker_run(SOURCE) == ["default-shm", "grpc-port", "http-port", "metrics-port", "no-server"]
    assert lint_docker_run(QUICKSTART) == ["default-shm"]
    assert lint_docker_run(QUICKSTART.replace("--rm", "--rm --shm-size=1g")) == []


def test_options_are_cut_as_docker_does():
    options, image, rest = split_docker_run('docker run -dit -p8000:8000 \\\n --net=host -e A="b c" --gpus \'"device=1"\' --rm x/y:1 tritonserver -p 1')
    assert image == "x/y:1" and rest == ["tritonserver", "-p", "1"]
    assert options == [("-d", ""), ("-i", ""), ("-t", ""), ("--publish", "8000:8000"), ("--network", "host"), ("-e", "A=b c"), ("--gpus", '"device=1"'), ("--rm", "")]
    assert split_docker_run("docker run --rm") == ([("--rm", "")], "", [])


@pytest.mark.parametrize("change, code", [
    (("-p8000:8000", "-p 8000:22"), "http-port"), (("-p8001:8001", ""), "grpc-port"), (("-p8002:8002", "-p 9000:18002"), "metrics-port"), (("--gpus=1", ""), "no-gpu"),
    (("--rm", "--rm --privileged"), "privileged"), (("--rm", "--cap-add SYS_ADMIN"), "privileged"), (("--rm", "--security-opt seccomp=unconfined"), "seccomp-off"),
    ((":25.03-py3", ""), "floating-tag"), ((":25.03-py3", ":latest"), "floating-tag"), (("nvcr.io/nvidia/tritonserver:25.03-py3", "host:5000/t"), "floating-tag"),
    ((" tritonserver --model", " bash --model"), "no-server"),
])
def test_one_change_one_code(change, code):
    good = QUICKSTART.replace("--rm", "--rm --ipc=host")
    assert lint_docker_run(good) == [] and lint_docker_run(good.replace(*change)) == [code] and code in WHY


@pytest.mark.parametrize("change", [("-p8000:8000", "--publish=127.0.0.1:9000:8000/tcp"), ("-p8000:8000 -p8001:8001 -p8002:8002", "--net host"), (":25.03-py3", "@sha256:00ff"),
                                    (":25.03-py3", ":latest@sha256:00ff"), ("--model-repository", "--gpus --privileged --model-repository"), ("--gpus=1", "--gpus '\"device=1\"'")])
def test_changes_that_are_right(change):
    assert lint_docker_run(QUICKSTART.replace("--rm", "--rm --shm-size 1g").replace(*change)) == []


# --- drivers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag, driver, data_center, ok", [
    ("22.01", "510.39", False, True), ("22.01-py3", "470.57", True, True), ("22.01", "470.56", True, False), ("22.01", "470.57", False, False), ("23.12", "450.51", True, True),
    ("24.01", "450.80", True, False), ("24.01", "510.108", True, False), ("24.01", "535.86", True, True), ("24.01", "545.23", False, True), ("25.03", "560", False, True),
    ("25.03", "555.42", True, False), ("26.02", "580.95.05", False, True),
])
def test_drivers_of_the_release_notes(tag, driver, data_center, ok):
    assert driver_ok(tag, driver, data_center) is ok


def test_unknown_tags_and_drivers():
    with pytest.raises(KeyError):
        driver_ok("19.01", "510", True)
    with pytest.raises(ValueError, match="driver"):
        driver_ok("24.01", "newest", True)
    with pytest.raises(ValueError, match=r"26\.09"):
        driver_ok("26.09", "600", True)


def test_rows_carry_their_source_and_day():
    for tag, row in IMAGES.items():
        assert row.tag == tag and tag in row.source and isinstance(row.as_of, date)
        assert row.min_driver is None or all(branch <= row.min_driver for branch in row.branches)
    assert list(IMAGES) == sorted(IMAGES)
