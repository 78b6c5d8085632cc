"""The door to the trtexec modules: everything is there, and nothing heavy comes with it."""

import subprocess
import sys

from utils.engines import trtexec


def test_every_name_is_there():
    assert all(hasattr(trtexec, name) for name in trtexec.__all__)
    exercises = {"shape_spec", "fill_profile", "lint_trtexec", "summarize_trace", "migrate_trtexec"}
    assert exercises <= set(trtexec.__all__)


def test_import_is_light():
    code = "import sys, utils.engines.trtexec; sys.exit(any(m in sys.modules for m in ('torch', 'onnx', 'onnxruntime')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
