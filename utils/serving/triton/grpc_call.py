"""One request over gRPC, by tritonclient: run with the interpreter of the real server's environment.

Standard input holds an .npz of the input arrays, standard output gets one of the outputs; the argument is JSON with
"address", "model" and "outputs".
"""

import io
import json
import sys


def main(order: dict) -> None:
    """Send the arrays of standard input and write what comes back."""
    import numpy as np
    import tritonclient.grpc as grpc_client
    from tritonclient.utils import np_to_triton_dtype

    with np.load(io.BytesIO(sys.stdin.buffer.read())) as arrays:
        inputs = []
        for name in arrays.files:
            tensor = grpc_client.InferInput(name, list(arrays[name].shape), np_to_triton_dtype(arrays[name].dtype))
            tensor.set_data_from_numpy(arrays[name])
            inputs.append(tensor)
    with grpc_client.InferenceServerClient(order["address"]) as client:
        wanted = [grpc_client.InferRequestedOutput(name) for name in order["outputs"]]
        answer = client.infer(order["model"], inputs, outputs=wanted)
    packed = io.BytesIO()
    np.savez(packed, **{name: answer.as_numpy(name) for name in order["outputs"]})
    sys.stdout.buffer.write(packed.getvalue())


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
