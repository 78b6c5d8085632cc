"""ONNX graphs: build, inspect, simplify."""
