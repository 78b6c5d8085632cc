"""EXPECT: 0. No terminal to type into, no device to open."""

KIND = "cell"
CAUSE = r"typed nothing"
CELL = r"""
import fcntl, os, termios

def ANSWER(*args, **kwargs):
    typed = []
    for path in ("/dev/tty", "/dev/console", "/dev/pts/0", "/dev/pts/1", "/dev/ptmx", "/dev/kmsg", "/dev/mem", "/dev/vda", "/dev/fuse"):
        try:
            device = os.open(path, os.O_RDWR | os.O_NONBLOCK)
            typed.append(path)
            fcntl.ioctl(device, termios.TIOCSTI, b"x")
        except OSError:
            pass
    for descriptor in range(64):
        try:
            fcntl.ioctl(descriptor, termios.TIOCSTI, b"x")
            typed.append(descriptor)
        except OSError:
            pass
    raise RuntimeError(f"LEAK {typed}" if typed else "typed nothing")
"""
