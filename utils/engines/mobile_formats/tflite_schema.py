"""The tables of a .tflite file that this room writes and reads, with their slots and defaults.

Source: schema.fbs of TensorFlow Lite (version 3), as generated into ai-edge-litert 2.3.0. A test compares them.
"""

from __future__ import annotations

IDENTIFIER = b"TFL3"
VERSION = 3
FLOAT32, INT32 = 0, 2  # TensorType
SAME, VALID = 0, 1  # Padding
NO_ACTIVATION, RELU = 0, 1  # ActivationFunctionType

BUILTINS = {  # BuiltinOperator
    "ADD": 0, "AVERAGE_POOL_2D": 1, "CONCATENATION": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 4, "FULLY_CONNECTED": 9,
    "LOGISTIC": 14, "MAX_POOL_2D": 17, "RELU": 19, "RESHAPE": 22, "SOFTMAX": 25, "PAD": 34, "TRANSPOSE": 39,
    "MEAN": 40, "PADV2": 60,
}

SCHEMA = {
    "union": {  # BuiltinOptions
        "Conv2DOptions": 1, "DepthwiseConv2DOptions": 2, "Pool2DOptions": 5, "FullyConnectedOptions": 8,
        "SoftmaxOptions": 9, "ConcatenationOptions": 10, "AddOptions": 11, "ReshapeOptions": 17, "PadOptions": 22,
        "TransposeOptions": 26, "ReducerOptions": 27, "PadV2Options": 43,
    },
    "Model": {
        "version": (0, "uint32", 0), "operator_codes": (1, "[OperatorCode]", None),
        "subgraphs": (2, "[SubGraph]", None), "description": (3, "string", None), "buffers": (4, "[Buffer]", None),
    },
    "OperatorCode": {
        # one byte was too small: codes up to 127 stand in both fields, larger ones in the second alone
        "deprecated_builtin_code": (0, "int8", 0), "version": (2, "int32", 1), "builtin_code": (3, "int32", 0),
    },
    "SubGraph": {
        "tensors": (0, "[Tensor]", None), "inputs": (1, "[int32]", None), "outputs": (2, "[int32]", None),
        "operators": (3, "[Operator]", None), "name": (4, "string", None),
    },
    "Tensor": {
        "shape": (0, "[int32]", None), "type": (1, "int8", 0), "buffer": (2, "uint32", 0), "name": (3, "string", None),
        "has_rank": (8, "bool", False),
    },
    "Operator": {
        "opcode_index": (0, "uint32", 0), "inputs": (1, "[int32]", None), "outputs": (2, "[int32]", None),
        "builtin_options": (3, "union", None),
    },
    "Buffer": {"data": (0, "[uint8]", None)},
    "Conv2DOptions": {
        "padding": (0, "int8", 0), "stride_w": (1, "int32", 0), "stride_h": (2, "int32", 0),
        "fused_activation_function": (3, "int8", 0), "dilation_w_factor": (4, "int32", 1),
        "dilation_h_factor": (5, "int32", 1),
    },
    "DepthwiseConv2DOptions": {
        "padding": (0, "int8", 0), "stride_w": (1, "int32", 0), "stride_h": (2, "int32", 0),
        "depth_multiplier": (3, "int32", 0), "fused_activation_function": (4, "int8", 0),
        "dilation_w_factor": (5, "int32", 1), "dilation_h_factor": (6, "int32", 1),
    },
    "Pool2DOptions": {
        "padding": (0, "int8", 0), "stride_w": (1, "int32", 0), "stride_h": (2, "int32", 0),
        "filter_width": (3, "int32", 0), "filter_height": (4, "int32", 0),
        "fused_activation_function": (5, "int8", 0),
    },
    "FullyConnectedOptions": {"fused_activation_function": (0, "int8", 0), "keep_num_dims": (2, "bool", False)},
    "SoftmaxOptions": {"beta": (0, "float32", 0.0)},
    "ConcatenationOptions": {"axis": (0, "int32", 0), "fused_activation_function": (1, "int8", 0)},
    "AddOptions": {"fused_activation_function": (0, "int8", 0)},
    "ReshapeOptions": {"new_shape": (0, "[int32]", None)},
    "PadOptions": {},
    "PadV2Options": {},
    "TransposeOptions": {},
    "ReducerOptions": {"keep_dims": (0, "bool", False)},
}
