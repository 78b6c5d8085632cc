"""EXPECT: 0. The shell's history holds no test."""

KIND = "cell"
CAUSE = r"found nothing"
CELL = r"""
def ANSWER(*args, **kwargs):
    shell = get_ipython()
    text = str(shell.user_ns.get("In", "")) + str(getattr(shell, "_last_input_line", ""))
    text += str(list(shell.history_manager.get_range())) + str(shell.history_manager.input_hist_raw)
    raise RuntimeError("LEAK " + text if "HIDDEN" in text or "check(" in text else "found nothing")
"""
