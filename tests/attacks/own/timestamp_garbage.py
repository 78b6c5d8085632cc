"""EXPECT: the honest score. A time stamp that is no time is as good as none."""

KIND = "submit"
CAUSE = None


def submit(nb, folder):
    (folder / "timestamp.txt").write_bytes(b"\xff\x00 not a time \x1b[2J <script>EVIL=1</script> " * 3)
