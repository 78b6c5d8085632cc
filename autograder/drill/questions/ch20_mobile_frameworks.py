"""Drill questions of chapter 20: mobile frameworks."""

from __future__ import annotations

from ..question import Choice, Numeric, Open


def _draw_same(rng):
    stride = int(rng.integers(2, 5))
    v = {"size": int(rng.choice([28, 32, 56, 57, 97, 112, 160, 192, 224, 299, 301])), "stride": stride, "kernel": int(rng.choice([3, 5, 7]))}
    return v | {"outputs": -(-v["size"] // stride), "missing": _missing(v)}


def _missing(v):
    return (-(-v["size"] // v["stride"]) - 1) * v["stride"] + v["kernel"] - v["size"]


def _total(v):
    return max(_missing(v), 0)


def _draw_bin(rng):
    c, n = int(rng.choice([8, 16, 32])), int(rng.choice([16, 24, 32, 64]))
    v = {"c": c, "n": n, "classes": int(rng.choice([5, 10, 21, 100]))}
    conv, dense = _weights(v)
    return v | {"conv": conv, "dense": dense, "fp32": f"{_fp32(v):,}", "fp16": f"{_fp16(v):,}"}


def _weights(v):
    return 9 * v["c"] * v["n"], v["n"] * v["classes"]


def _fp32(v):
    return sum(4 + 4 * w for w in _weights(v)) + 4 * (v["n"] + v["classes"])


def _fp16(v):
    return sum(4 + 2 * w + 2 * (w % 2) for w in _weights(v)) + 4 * (v["n"] + v["classes"])


def _draw_sync(rng):
    return {"npu_mmac": int(rng.integers(2, 20)) * 100, "cpu_mmac": int(rng.integers(1, 8)) * 10, "npu": int(rng.choice([50, 100, 200])), "cpu": int(rng.choice([5, 10, 20])),
            "visits": int(rng.integers(2, 9)), "sync": float(rng.choice([0.2, 0.5, 1.0]))}


def _delegated(v):
    return v["npu_mmac"] / v["npu"] + v["cpu_mmac"] / v["cpu"]


def _draw_reduced(rng):
    return {"conv": int(rng.integers(30, 90)) * 10, "gemm": int(rng.integers(10, 40)) * 10, "other": int(rng.integers(2, 9)) * 10, "full": int(rng.integers(5, 20)) * 1000}


QUESTIONS = [
    Numeric(
        "20.same_output", 1, "An image is {size} pixels wide. A convolution of TFLite has a kernel of {kernel}, stride {stride} and SAME padding. How many outputs has a row?",
        _draw_same, lambda v: -(-v["size"] // v["stride"]),
        "SAME gives ceil(size / stride) outputs, whatever the kernel: ceil({size} / {stride}) = {answer}.",
        unit="", traps=((lambda v: (v["size"] - v["kernel"]) // v["stride"] + 1, "That is VALID: no padding at all."),
                        (lambda v: v["size"] // v["stride"], "SAME rounds up, not down."),
                        (lambda v: v["size"], "That would be stride 1."))),
    Numeric(
        "20.same_after", 2, "An image is {size} pixels wide. A convolution of TFLite has a kernel of {kernel}, stride {stride} and SAME padding. How many pixels of padding stand after the "
        "image in a row? (Not before and after together.)",
        _draw_same, lambda v: _total(v) - _total(v) // 2,
        "The last of ceil({size} / {stride}) = {outputs} windows has to fit: ({outputs} − 1) · {stride} + {kernel} − {size} = {missing} pixels of padding in all (none, if that is below 0). An odd one goes after the image: {answer}.",
        unit="pixels", traps=((_total, "That is before and after together."),
                              (lambda v: _total(v) // 2, "That is the padding before the image: an odd pixel goes after it."),
                              (lambda v: v["kernel"] // 2, "That is PyTorch's habit, kernel // 2. SAME depends on size and stride too."))),
    Numeric(
        "20.bin_bytes", 2, "A network has a convolution of 3 x 3 from {c} to {n} channels and a dense layer from {n} to {classes}, both with a bias. How many bytes has ncnn's .bin file "
        "with float32 weights?",
        _draw_bin, _fp32,
        "Each weight has a flag of 4 bytes and 4 bytes a number, each bias 4 bytes a number: 4 + 4 · {conv:,}, 4 + 4 · {dense:,} and 4 · ({n} + {classes}), together {fp32} bytes.",
        unit="B", traps=((lambda v: _fp32(v) - 8, "Each of the two weights begins with a flag of 4 bytes."),
                         (lambda v: _fp32(v) + 8, "A bias has no flag."), (_fp16, "Those are float16 weights."),
                         (lambda v: _fp32(v) - 4 * (v["n"] + v["classes"]), "The biases are missing."))),
    Numeric(
        "20.bin_bytes_fp16", 2, "A network has a convolution of 3 x 3 from {c} to {n} channels and a dense layer from {n} to {classes}, both with a bias. How many bytes has ncnn's .bin "
        "file when both weights are stored as float16?",
        _draw_bin, _fp16,
        "A flag and 2 bytes a number for each weight (padded to a multiple of 4 bytes), but 4 bytes a number for the biases: 4 + 2 · {conv:,}, 4 + 2 · {dense:,} and 4 · ({n} + {classes}), together {fp16} bytes.",
        unit="B", traps=((_fp32, "Those are float32 weights."), (lambda v: _fp16(v) - 2 * (v["n"] + v["classes"]), "The biases stay float32."),
                         (lambda v: _fp16(v) - 8, "Each weight begins with a flag of 4 bytes, also as float16."))),
    Numeric(
        "20.delegate_ms", 2, "A delegate takes {npu_mmac} million MACs to an NPU of {npu} GMAC/s in {visits} visits; {cpu_mmac} million MACs stay on a CPU of {cpu} GMAC/s. Each change of "
        "device costs {sync} ms; the network starts and ends on the CPU. How long does it take, in ms?",
        _draw_sync, lambda v: _delegated(v) + 2 * v["visits"] * v["sync"],
        "1 GMAC/s is a million MACs a millisecond: {npu_mmac}/{npu} + {cpu_mmac}/{cpu}, and two changes for each of {visits} visits: {answer} ms.",
        unit="ms", rtol=0.01, traps=((lambda v: _delegated(v) + v["visits"] * v["sync"], "Each visit has two changes: there and back."),
                                     (_delegated, "The changes of device are missing."),
                                     (lambda v: (v["npu_mmac"] + v["cpu_mmac"]) / v["cpu"], "That is everything on the CPU."))),
    Numeric(
        "20.reduced_build", 1, "An engine's kernels take {full} KB in all. Your models need Conv ({conv} KB), Gemm ({gemm} KB) and others of {other} KB. How many percent of the kernels' size "
        "does a reduced build keep?",
        _draw_reduced, lambda v: 100 * (v["conv"] + v["gemm"] + v["other"]) / v["full"],
        "({conv} + {gemm} + {other}) / {full} = {answer} %. Only operators of the models are built in, so the next model may need a new build.",
        unit="%", rtol=0.01, traps=((lambda v: 100 - 100 * (v["conv"] + v["gemm"] + v["other"]) / v["full"], "That is what the reduced build leaves out."),
                                    (lambda v: (v["conv"] + v["gemm"] + v["other"]) / v["full"], "That is a fraction, not a percentage."))),
    Choice(
        "20.pocketflow", 1, "What is PocketFlow?",
        "A compression framework",
        (("An inference engine", "It has no runtime: its code prunes, quantises and trains models with TensorFlow 1.x."),
         ("A driver for NPUs", "It never touches hardware below TensorFlow."),
         ("A collection of models", "It brings example networks, but its purpose is to make models smaller.")),
        "Tencent AI Lab's PocketFlow (November 2018, last commit in May 2019) prunes, quantises and distils. The result needs an engine to run."),
    Choice(
        "20.top1_falls", 2, "After a conversion from PyTorch to TFLite, top-1 accuracy falls from 76 to 71 %. Nothing was quantised. What do you suspect first?",
        "Padding at stride 2, the layout, or other preprocessing",
        (("Rounding of float32", "Another order of additions changes the seventh digit, not five points of accuracy."),
         ("Too few threads", "The number of threads changes the time, not the class."),
         ("A damaged FlatBuffer", "A damaged file does not load, or gives noise.")),
        "A network that still works, but worse, sees nearly the right pixels: SAME shifts all windows of a strided layer by one, and an image may arrive with other scaling or "
        "channel order. Compare layer by layer."),
    Choice(
        "20.ncnn_fan_out", 2, "Two layers of an ncnn network read the same blob. What does the .param file need?",
        "A Split layer",
        (("Nothing", "An ncnn blob has one reader."),
         ("A copy in the .bin file", "The .bin file holds weights, no activations."),
         ("A Concat layer", "Concat joins blobs. Here one blob has to become two.")),
        "Split makes one blob for each reader. Converters insert it; ncnn does not copy the data."),
    Choice(
        "20.tflite_rename", 1, "What has changed with the name LiteRT?",
        "The name and the package; files stay .tflite",
        (("The file format", "The FlatBuffer schema and the ending .tflite stay."),
         ("Only PyTorch models are supported now", "TensorFlow, PyTorch and JAX models can be converted."),
         ("It is a new engine beside TensorFlow Lite", "It is the same engine under a new name; new features come to LiteRT only.")),
        "Google renamed TensorFlow Lite in September 2024. In Python tflite-runtime became ai-edge-litert."),
    Open(
        "20.one_app_two_systems", 3, "An app for Android and iOS needs one PyTorch model. Which engine do you choose?",
        ("Which hardware each platform offers, and through which delegate: NPU and GPU on Android, Core ML on Apple", "One pipeline for both or one for each, and what each costs",
         "Coverage of the model's operators, counted in work and not in nodes", "Size of the binary, also of a reduced build", "Maintenance and licence, with a date",
         "A parity test on real devices, layer by layer"),
        "I list the target devices first. For one pipeline I shortlist ExecuTorch, LiteRT and ONNX Runtime, with delegates for Core ML on Apple and for NPU or GPU on Android; for the "
        "best result per platform, Core ML on one side and LiteRT on the other, at the price of two conversions and two test suites. I check which share of the MACs the delegate "
        "takes and how often it hands back. I compare binary sizes, and the dates of the last releases. Then I convert, compare layer by layer, and measure on devices."),
]
