"""`python -m utils.graphs.simplify model.onnx [simplified.onnx]`; see --help."""

from utils.graphs.simplify.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
