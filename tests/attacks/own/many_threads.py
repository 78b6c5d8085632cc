"""EXPECT: 0. Threads are bounded, and end with their process."""

KIND = "cell"
CAUSE = r"started \d\d? threads|ended its own process|MemoryError|still running"
CELL = r"""
import threading, time

threading.stack_size(64 << 10)

def ANSWER(*args, **kwargs):
    started = 0
    try:
        for _ in range(2000):
            threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
            started += 1
    except (RuntimeError, MemoryError):
        pass
    raise RuntimeError(f"LEAK {started} threads" if started > 99 else f"started {started} threads")
"""
