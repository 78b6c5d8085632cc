"""The network of the race: the CNN of chapter 20 (seven nodes, images of 28 x 28 pixels) for any batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto


def race_cnn(width: int = 1, batch: int = 1, seed: int = 0) -> ModelProto:
    """`example_cnn` with `batch` images: input "x" (batch, 1, 28, 28), output "y" (batch, 10), float32.

    `width` multiplies the 8 and 16 channels of its convolutions; its weights are drawn from `seed`.
    Raises ValueError for a width or batch below 1.
    """
    if min(width, batch) < 1:
        raise ValueError(f"width and batch must be at least 1, got {width} and {batch}")
    from utils.engines.mobile_formats import example_cnn

    model = example_cnn(width, seed)
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    return model
