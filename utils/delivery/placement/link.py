"""An emulated uplink: a token bucket for its bandwidth, a wait for its round trip."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from utils.cost.checks import non_negative, positive


class TokenBucket:
    """Lets bytes through at `bytes_per_s` on average, and at most `burst_bytes` at once after a pause.

    `take(n)` returns when n bytes may be gone. Tokens are booked before the wait, so that two threads which take at the
    same time wait one after the other. `clock` and `sleep` are in seconds and may be replaced.
    """

    def __init__(self, bytes_per_s: float, burst_bytes: float = 0.0, *, clock: Callable[[], float] = time.perf_counter,
                 sleep: Callable[[float], object] = time.sleep) -> None:
        positive(bytes_per_s=bytes_per_s)
        non_negative(burst_bytes=burst_bytes)
        self.bytes_per_s, self.burst_bytes = bytes_per_s, burst_bytes
        self._clock, self._sleep, self._lock = clock, sleep, threading.Lock()
        self._tokens, self._at = float(burst_bytes), clock()

    def take(self, n_bytes: float) -> float:
        """Waits until `n_bytes` are through; the seconds that it had to wait for."""
        non_negative(n_bytes=n_bytes)
        with self._lock:
            now = self._clock()
            self._tokens = min(self.burst_bytes, self._tokens + (now - self._at) * self.bytes_per_s) - n_bytes
            self._at = now
            wait_s = max(0.0, -self._tokens / self.bytes_per_s)
        if wait_s:
            self._sleep(wait_s)
        return wait_s


class EmulatedLink:
    """An uplink of `uplink_mbps` with a round trip of `rtt_ms`; it counts the payload bytes that went through.

    Answers are small and cost the round trip alone.
    """

    def __init__(self, uplink_mbps: float, rtt_ms: float = 0.0, *, clock: Callable[[], float] = time.perf_counter,
                 sleep: Callable[[float], object] = time.sleep) -> None:
        positive(uplink_mbps=uplink_mbps)
        non_negative(rtt_ms=rtt_ms)
        self.uplink_mbps, self.rtt_ms, self.sent_bytes, self.sends = uplink_mbps, rtt_ms, 0, 0
        self._bucket = TokenBucket(uplink_mbps * 1e6 / 8, clock=clock, sleep=sleep)
        self._sleep = sleep

    def send(self, payload: bytes) -> bytes:
        """The payload at the other end, after its transfer and the round trip."""
        self._bucket.take(len(payload))
        if self.rtt_ms:
            self._sleep(self.rtt_ms / 1e3)
        self.sent_bytes += len(payload)
        self.sends += 1
        return payload
