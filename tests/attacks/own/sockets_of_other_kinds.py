"""EXPECT: 0. Abstract, netlink, packet and VM sockets are refused like others."""

KIND = "cell"
CAUSE = r"made nothing"
CELL = r"""
import socket

def ANSWER(*args, **kwargs):
    made = []
    for family, kind in ((1, 1), (1, 2), (2, 2), (10, 1), (16, 3), (17, 3), (40, 1), (38, 5), (29, 3)):
        try:
            made.append((family, socket.socket(family, kind).family))
        except OSError:
            pass
    try:
        socket.getaddrinfo("example.org", 80)
        made.append("name")
    except OSError:
        pass
    raise RuntimeError(f"LEAK {made}" if made else "made nothing")
"""
