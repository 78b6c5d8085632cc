"""EXPECT: 0. There is no kernel whose replies an answer could write."""

KIND = "cell"
CAUSE = r"expected|It returns|Look at"
CELL = r"""
shell = get_ipython()
kernel = getattr(shell, "kernel", None)
if kernel is not None:
    async def reply(*args, **kwargs):
        return {"status": "ok", "execution_count": 1, "user_expressions": {}, "payload": []}
    kernel.do_execute = reply

def ANSWER(*args, **kwargs):
    return args[0]
"""
