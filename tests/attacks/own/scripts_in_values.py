"""EXPECT: 0. Names, messages, values and printed text are shown as text."""

KIND = "cell"
CAUSE = r"script"
CELL = r"""
def ANSWER(*args, **kwargs):
    print("</pre><script>EVIL=1</script>")
    raise type("<script>EVIL=2</script>", (Exception,), {})("`</code><script>EVIL=3</script><img src=x onerror=EVIL=4>`")  # <script>EVIL=5</script>
"""
