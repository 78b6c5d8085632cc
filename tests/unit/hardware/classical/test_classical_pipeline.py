"""Latency by a state machine, coverage by hand, HOG against a plain loop, and the contest's disturbances."""

import itertools
import math

import numpy as np
import pytest

from utils.hardware.classical import PIPELINE_OPS, end_to_end_ms, hog, npu_coverage
from utils.hardware.classical.contest import contest, disturbed


def test_latency():
    assert end_to_end_ms([(6, False), (24, True)], 20, 1.0) == pytest.approx(9.2) and end_to_end_ms([], 5, 1) == 0
    rng = np.random.default_rng(0)
    for _ in range(200):
        stages = [(float(rng.integers(0, 20)), bool(rng.random() < 0.5)) for _ in range(int(rng.integers(0, 7)))]
        places = [False, *(engine for _, engine in stages), False]
        switches = sum(a != b for a, b in itertools.pairwise(places))
        assert end_to_end_ms(stages, 8, 0.5) == pytest.approx(sum(ms / 8 if e else ms for ms, e in stages) + 0.5 * switches)
    for bad, word in ((([(1, True)], 0, 1), "speedup"), (([(-1, True)], 2, 1), "ms"), (([(1, True)], 2, -1), "copy_ms")):
        with pytest.raises(ValueError, match=word):
            end_to_end_ms(*bad)


def test_coverage():
    steps = ["Sobel", "median 3 × 3", "Hough transform", "optical flow"]
    assert npu_coverage(steps) == 0.5 and npu_coverage(steps, ("NPU", "OFA")) == 0.75 and npu_coverage(steps, ("CPU",)) == 0.25
    assert len(PIPELINE_OPS) == 20 and {r.kind for r in PIPELINE_OPS.values()} == {"conv", "elementwise", "reduction", "gather", "data-dependent"}
    assert all(bool(r.on_npu) for r in PIPELINE_OPS.values() if r.kind == "conv")
    with pytest.raises(ValueError, match="empty"):
        npu_coverage([])
    with pytest.raises(KeyError):
        npu_coverage(["magic"])


def test_hog_against_a_loop():
    rng = np.random.default_rng(1)
    image = rng.random((8, 8))
    gy, gx = np.gradient(image)
    features = []
    for top in (0, 2, 4):
        for left in (0, 2, 4):
            bins = [0.0] * 8
            for y in range(top, top + 4):
                for x in range(left, left + 4):
                    angle = math.atan2(gy[y, x], gx[y, x]) % (2 * math.pi) / (2 * math.pi) * 8
                    low, part = int(angle) % 8, angle - int(angle)
                    size = math.hypot(gy[y, x], gx[y, x])
                    bins[low] += size * (1 - part)
                    bins[(low + 1) % 8] += size * part
            features += bins
    want = np.array(features) / np.linalg.norm(features)
    np.testing.assert_allclose(hog(image[None])[0], want, atol=1e-12)
    assert hog(np.zeros((2, 8, 8))).shape == (2, 72) and not hog(np.zeros((1, 8, 8))).any()
    with pytest.raises(ValueError, match="3-D"):
        hog(np.zeros((8, 8)))


def test_disturbed_images():
    X = np.random.default_rng(0).random((5, 64)).astype(np.float32)
    forms = disturbed(X)
    assert (forms["clean"] == X).all() and np.allclose(forms["inverted"], 1 - X)
    assert (forms["shifted by a pixel"].reshape(5, 8, 8)[:, :, 1:] == X.reshape(5, 8, 8)[:, :, :-1]).all()
    assert all(((a == 0) & (b != 0)).sum() == 9 for a, b in zip(forms["3 × 3 covered"], X))
    assert forms["noise, σ = 0.2"].min() >= 0 and forms["noise, σ = 0.2"].max() <= 1


def test_the_contest():
    rows = {r.kind: r for r in contest()}
    assert rows["clean"].hog_svm > 0.95 and rows["clean"].cnn > 0.93
    assert all(r.hog_svm < rows["clean"].hog_svm and r.cnn < rows["clean"].cnn for kind, r in rows.items() if kind != "clean")
