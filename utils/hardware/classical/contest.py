"""A classical recogniser against a small network on the digits: clean, noisy, shifted, covered, inverted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from utils.hardware.classical.hog import hog

TEST_IMAGES = 540


@dataclass(frozen=True)
class ContestRow:
    """Accuracies of one kind of test images, both on the same 540."""

    kind: str
    hog_svm: float
    cnn: float


def disturbed(X: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """The test images (N, 64) in [0, 1] as they are and in four disturbed forms."""
    rng, images = np.random.default_rng(seed), X.reshape(-1, 8, 8)
    covered = images.copy()
    for i, (y, x) in enumerate(rng.integers(0, 6, (len(images), 2))):
        covered[i, y : y + 3, x : x + 3] = 0
    forms = {"clean": images, "noise, σ = 0.2": np.clip(images + rng.normal(0, 0.2, images.shape), 0, 1),
             "shifted by a pixel": np.roll(images, 1, axis=2), "3 × 3 covered": covered, "inverted": 1 - images}
    return {name: form.reshape(-1, 64).astype(np.float32) for name, form in forms.items()}


@cache
def recognisers(epochs: int = 12) -> tuple[Any, Any]:
    """(linear SVM on HOG features, CNN), trained on the same 1,257 images; done once a process."""
    from sklearn.svm import LinearSVC

    from utils.networks.digits import DigitsCNN, load_digits_split, seeded, train_classifier

    X, _, y, _ = load_digits_split(TEST_IMAGES)
    svm = LinearSVC(C=10.0, random_state=0, max_iter=5000).fit(hog(X.reshape(-1, 8, 8)), y)
    cnn = train_classifier(seeded(lambda: DigitsCNN((8, 16)), 0), X, y, epochs=epochs, lr=5e-3)
    return svm, cnn


def contest() -> list[ContestRow]:
    """Accuracy of both on every form of the test images."""
    from utils.networks.digits import accuracy, load_digits_split

    svm, cnn = recognisers()
    _, X, _, y = load_digits_split(TEST_IMAGES)
    return [ContestRow(kind, float((svm.predict(hog(form.reshape(-1, 8, 8))) == y).mean()), accuracy(cnn, form, y))
            for kind, form in disturbed(X).items()]
