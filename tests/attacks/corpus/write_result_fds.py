"""EXPECT: 0. Bytes on an inherited descriptor are no reply to a question."""

KIND = "cell"
CAUSE = r"not asked|unreadable|large|reply"
CELL = r"""
import json, os

def ANSWER(*args, **kwargs):
    message = json.dumps({"outputs": [], "n": 1, "ok": True, "value": 3.0}).encode()
    for descriptor in range(3, 64):
        try:
            os.set_blocking(descriptor, False)
            os.write(descriptor, len(message).to_bytes(4, "little") + message)
        except OSError:
            pass
    raise KeyError("written")
"""
