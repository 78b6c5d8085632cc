"""EXPECT: 0. Messages of the notebook protocol have no reader."""

KIND = "cell"
CAUSE = r"ValueError|expected"
CELL = r"""
def ANSWER(*args, **kwargs):
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is not None:
        content = {"data": {"text/plain": "3.0"}, "metadata": {}, "execution_count": 1}
        kernel.session.send(kernel.iopub_socket, "execute_result", content, parent=kernel.get_parent())
    raise ValueError("ValueError on purpose")
"""
