"""EXPECT: 0. No network, also not this machine's own."""

KIND = "cell"
CAUSE = r"connected 0, listening 0"
CELL = r"""
import socket

def ANSWER(*args, **kwargs):
    connected, listening = [], 0
    for address in (("127.0.0.1", PORT), ("8.8.8.8", 53)):
        try:
            socket.create_connection(address, 0.2).sendall(b"secrets")
            connected.append(address)
        except OSError:
            pass
    try:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listening += 1
    except OSError:
        pass
    raise RuntimeError(f"LEAK {connected}" if connected else f"connected 0, listening {listening}")
"""
