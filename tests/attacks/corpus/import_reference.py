"""EXPECT: 0. No module with a reference can be imported, by whatever name."""

KIND = "cell"
CAUSE = r"found nothing"
CELL = r"""
import importlib, pkgutil, sys

def ANSWER(*args, **kwargs):
    found = []
    names = ["utils", "utils.cost.flops.layer_ops", "autograder", "autograder.exercises", "reference_assignment", "solutions",
             "probes.exercise", "inside.exercises", "submissions"]
    names += [n for n in list(sys.modules) + [m.name for m in pkgutil.iter_modules()]
              if any(word in n.lower() for word in ("solution", "reference", "hidden", "autograder"))]
    for name in names:
        try:
            module = importlib.import_module(name)
        except BaseException:
            continue
        found += [f"{name}.{n}" for n in ("ANSWER", "EXERCISES", "find_exercise", "conv_macs") if hasattr(module, n)]
    raise RuntimeError(f"LEAK {found}" if found else "found nothing")
"""
