"""Counters and a histogram in Prometheus's text format, which monitoring systems read at /metrics."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
KEPT = 10_000  # service times that are remembered


class Metrics:
    """What a service counts: requests by model, version and HTTP code; latencies in buckets; recent service times."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets: dict[str, list[int]] = defaultdict(lambda: [0] * (len(BUCKETS_S) + 1))
        self._sums: Counter[str] = Counter()
        self._services: deque[float] = deque(maxlen=KEPT)
        self.runs = 0  # of models, ever

    def answered(self, model: str, version: str, code: int, seconds: float) -> None:
        """One request was answered `seconds` after it was read. Only answers of 200 go into the histogram."""
        with self._lock:
            self.requests[model, version, code] += 1
            if code == 200:
                self._buckets[model][sum(seconds > edge for edge in BUCKETS_S)] += 1
                self._sums[model] += seconds

    def served(self, seconds: float) -> None:
        """A worker ran a model for so long."""
        with self._lock:
            self._services.append(seconds)
            self.runs += 1

    def service_times_s(self) -> list[float]:
        """The most recent times in s of single runs, at most 10,000."""
        with self._lock:
            return list(self._services)

    def codes(self) -> dict[int, int]:
        """How often each HTTP code was answered to a prediction."""
        with self._lock:
            total: Counter[int] = Counter()
            for (_, _, code), n in self.requests.items():
                total[code] += n
            return dict(sorted(total.items()))

    def text(self, waiting: int) -> str:
        """The exposition: one line a value, buckets cumulative as Prometheus wants them."""
        with self._lock:
            lines = ["# HELP inference_requests_total Predictions by HTTP code.",
                     "# TYPE inference_requests_total counter"]
            for (model, version, code), n in sorted(self.requests.items()):
                labels = f'model="{_escape(model)}",version="{_escape(version)}",code="{code}"'
                lines.append(f"inference_requests_total{{{labels}}} {n}")
            lines += ["# HELP inference_request_seconds Time from reading a request to its answer.",
                      "# TYPE inference_request_seconds histogram"]
            for model, counts in sorted(self._buckets.items()):
                lines += self._histogram(model, counts)
        return "\n".join([*lines, "# HELP inference_waiting Requests that no worker has begun.",
                          "# TYPE inference_waiting gauge", f"inference_waiting {waiting}", ""])

    def _histogram(self, model: str, counts: list[int]) -> list[str]:
        label, below, lines = f'model="{_escape(model)}"', 0, []
        for edge, n in zip((*BUCKETS_S, float("inf")), counts):
            below += n
            le = "+Inf" if edge == float("inf") else f"{edge:g}"
            lines.append(f'inference_request_seconds_bucket{{{label},le="{le}"}} {below}')
        return [*lines, f"inference_request_seconds_sum{{{label}}} {self._sums[model]:.9g}",
                f"inference_request_seconds_count{{{label}}} {below}"]


def _escape(label: str) -> str:
    """A label's value as the format wants it: backslash, quote and line feed escaped."""
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
