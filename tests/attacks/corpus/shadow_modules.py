"""EXPECT: the honest score. Files beside the notebook are no modules of the sandbox."""

KIND = "submit"
CAUSE = None
SHADOW = """
class Anything:
    def __getattr__(self, name): return Anything()
    def __call__(self, *args, **kwargs): return Anything()
    def __eq__(self, other): return True
    def __iadd__(self, other): return 3
def __getattr__(name): return Anything()
"""


def submit(nb, folder):
    for name in ("numpy", "torch", "probes", "inside", "sitecustomize", "usercustomize", "autograder"):
        (folder / f"{name}.py").write_text(SHADOW)
    (folder / "evil.pth").write_text("import os\n")
