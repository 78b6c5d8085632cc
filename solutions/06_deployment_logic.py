# %% [markdown]
# # 06 · What is the logic of deploying an algorithm model?
# **算法模型部署逻辑？**
#
# The network was 96.8 % right in the laboratory. In the app it is 65.8 % right. There was no exception, no warning, and the file is the same.
# Most models that disappoint in service are numerically correct and wrongly fed, or were switched on for everybody before anyone had counted.
# This chapter carries a network from its training to a served release that can be checked and taken back. At each step stands a number.
#
# About 110 minutes: 68 for the five exercises, the rest to read, measure and explain. It helps to know chapter 23 (what is in an ONNX file).

# %% setup
import hashlib
import math

import numpy as np

# %% [markdown]
# ## The short answer
#
# > Deployment is a chain of transformations, the **hops**. Each hop has an acceptance test. I freeze the result of the training. Then I fix the **interface**: names, shapes, types, layout and range of the tensors, with preprocessing and postprocessing.
# > I **export** to an exchange format such as ONNX, and optimise or quantise for the engine of the target.
# > After each step I check **parity**: the same outputs as the training framework, on real samples. Then accuracy, latency, memory and power, on the target device.
# >
# > Model, preprocessing, labels and environment become one **bundle**, named by a hash of its bytes. It is served behind **health checks**: addresses where the server says whether it is alive, and ready for requests.
# > It goes to a small share of the users first, a **canary**. A rule on counted errors promotes it or rolls it back. After that I watch whether the inputs drift.
# >
# > Two rules matter most. Preprocessing belongs to the bundle, since a difference between training and serving raises no exception.
# > And each step must be reversible. So a release never changes, and going live means moving a pointer.

# %% [markdown]
# ## How it works
#
# ### Wrong, and nobody is told
#
# A small CNN reads handwritten digits of 8 × 8 grey pixels, from 0 to 255. In training each pixel x was **normalised**: scaled by 1/255, then the mean 0.305 was subtracted, then divided by the standard deviation 0.376.
# The app has to do the same with each camera picture. Here it makes one mistake at a time. The network is always the same file:

# %%
from utils.delivery.release.digits_release import skew_accuracies
from utils.widgets.ch06_deployment_logic import skew_picture

skew_picture(skew_accuracies())

# %% [markdown]
# Each of these tensors has the right shape and the right type, so nothing can complain. This is **train/serve skew**: the inputs differ between training and serving.
# The mildest fault divides by the standard deviation *before* it subtracts the mean. It costs 5 points of accuracy. Who sees 91.6 % in service may well blame the network.
#
# ### Write the interface down
#
# A **contract** names what both sides rely on: name, dtype, shape, layout, and range of the values. It is a file, and a program checks it:

# %%
import numpy as np
from utils.delivery.release import TensorContract

raw = TensorContract("raw", dtype="uint8", shape=(None, 8, 8, 1), layout="NHWC", value_range=(0, 255))
rng = np.random.default_rng(0)
good = rng.integers(0, 256, (2, 8, 8, 1)).astype(np.uint8)
examples = {"as agreed": good, "scaled already": (good / 255).astype(np.float32), "channels first": good.reshape(2, 1, 8, 8),
            "rows and columns swapped": good.swapaxes(1, 2)}
for told, x in examples.items():
    print(f"{told}:", "; ".join(raw.check(x)) or "nothing found")

# %% [markdown]
# NHWC is the order of the axes: image, row, column, channel. The last mistake passes: a swapped image is an image.
# So a contract needs an example too: one raw image with its right tensor, kept in the bundle and compared at each start.
#
# ### Put the preprocessing into the file
#
# The surest way to do the same in training and service: do it in the graph. Five nodes in front of the network, and it takes raw pixels:
# Cast (uint8 to float), Transpose (NHWC to NCHW), Mul (by 1/255), Sub (the mean) and Div (by the standard deviation).
# That is real surgery on the ONNX file. What comes out are ten **scores** an image, before any softmax. They are also called **logits**:

# %%
from utils.delivery.release import parity, prepend_preprocess
from utils.delivery.release.digits_release import exported_digits, run_onnx, trained_digits

digits = trained_digits()  # 9,802 parameters, 1,200 training images, 597 held out
model = exported_digits()
complete = prepend_preprocess(model, [digits.mean], [digits.std])
print("before:", *(node.op_type for node in model.graph.node))
print("after: ", *(node.op_type for node in complete.graph.node))
report = parity(digits.logits, run_onnx(complete, digits.raw))
print(f"raw pixels in, largest difference from torch: {report.max_abs:.0e},",
      f"same class for {report.top1_agreement:.0%} of the images")

# %% [markdown]
# Five nodes cost five passes over the image. Can they vanish? A convolution multiplies and adds, and so does the normalisation. One after the other is again one of the kind. Take one weight w, bias b and raw pixel x. The scale is s (here 1/255), the mean m, the standard deviation σ:
#
# $$w\,\frac{s x - m}{\sigma} + b \;=\; \frac{w s}{\sigma}\,x + \Big(b - \frac{w m}{\sigma}\Big)$$
#
# The new weight is ws/σ, the new bias b − wm/σ. This is **constant folding**: computed once, before run time. For 3 × 3 kernels and three channels, against torch, with the mean and std that are usual for ImageNet (a large set of photographs):

# %%
import numpy as np
import torch
from utils.delivery.release import fold_normalization as fold

rng = np.random.default_rng(0)
w, b = rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)
mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
pixels = rng.integers(0, 256, (1, 3, 8, 8)).astype(float)
normal = (pixels / 255 - mean[:, None, None]) / std[:, None, None]
new_w, new_b, pad = fold(w, b, mean, std, 1 / 255)


def conv(x, weight, bias, padding=0):
    return torch.nn.functional.conv2d(*map(torch.from_numpy, (x, weight, bias)), padding=padding).numpy()


print(f"no padding:            {np.abs(conv(normal, w, b) - conv(pixels, new_w, new_b)).max():.0e}")
error = np.abs(conv(normal, w, b, 1) - conv(pixels, new_w, new_b, 1))
print(f"zero padding:          {error[..., 1:-1, 1:-1].max():.0e} inside, {error.max():.1f} at the border")
framed = np.stack([np.pad(pixels[0, c], 1, constant_values=pad[c]) for c in range(3)])[None]
print(f"padded with {pad.round(3)} instead: {np.abs(conv(normal, w, b, 1) - conv(framed, new_w, new_b)).max():.0e}")

# %% [markdown]
# Without padding it is exact. With zero padding the border is wrong, by up to 15.2: before, the zeros stood for pixels of average brightness; now they stand for black ones.
# It is exact again if the raw image is padded with the value that normalises to zero, m/s. ONNX has no convolution that pads each channel with a value of its own. So leave the subtraction in front, and fold only the factor.
# The digits network pads, too:

# %%
import numpy as np
from utils.delivery.release import fold_into_first_conv, parity
from utils.delivery.release.digits_release import accuracy_of, exported_digits, run_onnx, trained_digits

digits, model = trained_digits(), exported_digits()
pixels = np.moveaxis(digits.raw, -1, 1).astype(np.float32)
for told, careless in (("one Sub left in front", False), ("everything folded", True)):
    folded = fold_into_first_conv(model, [digits.mean], [digits.std], ignore_border=careless)
    logits = run_onnx(folded, pixels)
    print(f"{told:22} {len(folded.graph.node)} nodes, largest difference {parity(digits.logits, logits).max_abs:.0e},",
          f"accuracy {accuracy_of(logits, digits.labels):.1%}")

# %% [markdown]
# The careless fold costs 2.5 points of accuracy. No checker finds it.
#
# ### Parity: four numbers without labels
#
# **Parity** means: the same outputs as the reference. It needs no labels, only inputs, and it is far more sensitive than accuracy. Four numbers together tell what kind of error it is:
#
# - the largest difference: the worst single value;
# - the smallest **cosine** of two rows: do the scores of each image point the same way?
# - the **SQNR** (signal to quantisation noise ratio): 10 · log10 of the power of the reference over the power of the error, in dB;
# - the **top-1 agreement**: the share of images that keep their class.
#
# FP32 means 32-bit floats. INT8 means 8-bit integers, here by ONNX Runtime's dynamic quantisation (chapter 54). ONNX Runtime is an engine that runs ONNX files.

# %%
from utils.compression.qdq import to_dynamic
from utils.delivery.release import parity
from utils.delivery.release.digits_release import exported_digits, rounded_weights, run_onnx, trained_digits
from utils.widgets.ch06_deployment_logic import parity_table

digits, model = trained_digits(), exported_digits()
variants = {"FP32 export": model, "INT8": to_dynamic(model), "4-bit weights": rounded_weights(model, 4),
            "3-bit weights": rounded_weights(model, 3)}
outputs = {name: run_onnx(variant, digits.x) for name, variant in variants.items()}
outputs["all outputs times 10"] = 10 * digits.logits
parity_table({name: parity(digits.logits, logits) for name, logits in outputs.items()})

# %% [markdown]
# The limits depend on the hop. From FP32 to FP32 only the order of sums changes: 1e-3 on scores of about 10 is generous. INT8 is rounded on purpose: here 30 dB and 98 % of the classes are asked for.
# The last row shows why one number is too few: its cosine is perfect.
#
# If parity fails, look for the first tensor that differs. Everything behind it is a consequence. Make the tensors between the nodes outputs, and go through them in the order of the graph. One weight of the second convolution was damaged:

# %%
import numpy as np
import onnx
from onnx import numpy_helper
from utils.delivery.release import first_divergence
from utils.delivery.release.digits_release import exported_digits, trained_digits
from utils.graphs.onnx_tools import expose_outputs, make_session

model, damaged = exported_digits(), onnx.ModelProto()
damaged.CopyFrom(model)
kernel = [t for t in damaged.graph.initializer if len(t.dims) == 4][1]
values = numpy_helper.to_array(kernel).copy()
values[0, 0, 1, 1] += 0.05
kernel.CopyFrom(numpy_helper.from_array(values, kernel.name))

names, x = [node.output[0] for node in model.graph.node], trained_digits().x[:20]
ref, got = (dict(zip(names, make_session(expose_outputs(m)).run(names, {"input": x}))) for m in (model, damaged))
for node in model.graph.node:
    name = node.output[0]
    print(f"{node.op_type:8} {np.abs(ref[name] - got[name]).max() / np.abs(ref[name]).max():.0e}")
found = first_divergence(ref, got, names, tolerance=1e-4)
print("first to differ:", next(node.op_type for node in model.graph.node if node.output[0] == found), "number", names.index(found) + 1)

# %% [markdown]
# ### A release never changes
#
# What goes live is a **bundle**: model, labels, contract, versions of the environment. It is an **artefact**, the output of a step that nobody edits afterwards.
# Its name is a **content hash**, computed from the names and the bytes of its files, and from nothing else. So two people who hold the same name hold the same files.
# A **manifest** beside them lists their hashes, the contract and the metrics. It is not hashed. So a contract that the name shall cover must be a file of its own.
# The digits release further below has four files: `model.onnx`, `labels.txt`, `contract.json`, `environment.json` (the versions). This small one has two, and its contract stands in the manifest only:

# %%
import json
import tempfile
from utils.delivery.release import Registry, TensorContract
from utils.delivery.release import release_id as bundle_id

files = {"model.onnx": b"abc", "labels.txt": b"0\n1\n"}
print(bundle_id(files)[:16], bundle_id(dict(reversed(files.items())))[:16], "(put in the other order)")
contract = TensorContract("x", "float32", (None, 4), "NC", (0, 1))
with tempfile.TemporaryDirectory() as folder:
    registry = Registry(folder)
    old, new = (registry.add({**files, "model.onnx": data}, contract, {"accuracy": 0.97}) for data in (b"abc", b"abd"))
    registry.promote("digits", old)
    registry.promote("digits", new)
    print("live:", registry.current("digits")[:12], "after a rollback:", registry.rollback("digits")[:12])
    (registry.folder(new) / "labels.txt").write_bytes(b"1\n0\n")
    try:
        registry.promote("digits", new)
    except ValueError as error:
        print(error)
    print(json.loads((registry.folder(old) / "manifest.json").read_text())["files"]["labels.txt"])

# %% [markdown]
# A **model registry** stores the bundles, and for each name a pointer to the live one. To **promote** or to **roll back** is to move the pointer, in one step: the new small file takes the old one's place, so a reader sees one or the other.
# The hash forbids no change: the cell could write into a stored bundle. It finds the change. And it does not stop anybody who may also rewrite the manifest and move the pointer: for that, sign it.
#
# ### Who gets it first
#
# Tests see the inputs that somebody thought of. So a release meets real traffic in steps. **Shadow traffic** is a copy of the requests. No user gets its answers. They are usually compared with those of the live release, and then thrown away. So it shows crashes, latency and disagreement.
# A **canary release** answers a small share of the users. The rest, the *base*, stays on the old release. These two groups are the **arms** of the comparison. The same user always gets the same arm, by a hash of the user's id.
#
# Then errors are counted. The base has 20 in 2,000 requests, 1 %. The canary has 4 in 200, 2 %. Twice as many: is it worse? Chance alone may do that.
# A **confidence interval** holds the differences that are compatible with the counts. Here it is at the 95 % level: of 100 such intervals, about 95 hold the true difference.
# The **tolerance** is the rise of the error rate that we accept. The rule: the whole interval above the tolerance, roll back; none of it above, promote; else wait for more.

# %%
from utils.cost.edge_metrics import newcombe_diff
from utils.delivery.release import canary_decision as decide

for counts in ((20, 2000, 16, 200), (100, 10_000, 11, 1000), (20, 2000, 4, 200), (20, 2000, 0, 50)):
    low, high = newcombe_diff(*counts)
    print("base {} of {:,}, canary {} of {:,}:".format(*counts), f"{100 * low:+.2f} to {100 * high:+.2f} points,",
          f"tolerance +1: {decide(*counts, 0.01)}")

# %% [markdown]
# The last row: 50 requests without an error still allow 6.1 points more than the base.
# One caution: users are assigned, but requests are counted, and the errors of one user tend to come in clusters, so this interval is too narrow.
#
# How many requests, then? A plain test without a tolerance shall find a rise from 1.0 % to 1.5 % with a chance of 80 %.
# A release that is as good as the old one may be taken for worse in 5 % of the cases. Or in 2.5 %: so much lies beyond each end of a 95 % interval (z = 1.96).

# %%
from utils.delivery.release import canary_seconds, samples_per_arm

for alpha in (0.05, 0.025):
    n = samples_per_arm(0.010, 0.015, alpha=alpha, power=0.8)
    print(f"{alpha:.1%} taken for worse: {n:,} requests an arm. At 50 requests/s:",
          f"{canary_seconds(n, 50, 0.01) / 3600:.1f} hours with 1 % of the users,",
          f"{canary_seconds(n, 50, 0.25) / 60:.0f} minutes with 25 %")

# %% [markdown]
# The rule above answers another question. With its tolerance of 1 point it allows a rise of half a point, by design.
#
# Now a bad release: the base fails in 1 % of the requests, the canary in 2 %, and the tolerance is 1 point. So it stands right at the limit, and should hardly ever be promoted. How often is it, by the number of looks?

# %%
from utils.widgets.ch06_deployment_logic import looks_table

looks_table()

# %% [markdown]
# One look at 5,000 canary requests promotes it in 1.9 % of the cases. Who looks 50 times on the way promotes it in 13.7 %: each look is another chance to be lucky.
# So fix the looks before the start, and decide nothing before a least number of requests. If you must look often, widen the interval for it.
# Chapters 14, 39 and 41 have other release rules, on purpose. 14 guards an absolute promise. 39 and 41 compare two models on the same labelled images. These three decide before the release; this one counts errors after it.
#
# ### Afterwards: drift
#
# The inputs may move after the release: another lamp, another season. That is **drift**. It shows without labels, in histograms of the inputs. The population stability index (PSI) sums (a − e) · ln(a/e) over ten bins, where e is the share of a bin in training and a its share now.
# The edges are chosen so that each bin holds about a tenth of the training's values. An empty bin counts as a share of 0.0001, since the logarithm of 0 is infinite.
# A rule of thumb (see the sources) calls less than 0.1 no change, and more than 0.25 a large one.
# Here for the mean brightness of a picture:

# %%
import numpy as np
from utils.delivery.release import psi
from utils.delivery.release.digits_release import trained_digits

digits = trained_digits()
training = digits.train_raw.mean(axis=(1, 2, 3))
cameras = {"held-out images": digits.raw, "a brighter lamp, 1.3 times": np.minimum(1.3 * digits.raw, 255),
           "inverted": 255 - digits.raw}
for told, images in cameras.items():
    print(f"{told:28} {psi(training, images.mean(axis=(1, 2, 3))):.2f}")

# %% [markdown]
# The first row is what chance makes of 597 images: the alarm belongs well above it, whatever the rule of thumb says.
#
# ### The chain
#
# Eight hops: train, export, optimise, quantise, preprocess, bundle, serve, canary. Each takes what the one before it made, measures it, and stops the chain if its contract is broken.
# You will run all eight below (*preprocess* puts the preprocessing into the graph). Here are four of them to break. In the figure the app preprocesses outside the file, so *preprocess* comes first.

# %% [markdown]
# ## See it
#
# ![Above, four boxes in a row: preprocess and export passed, quantise stopped because the top-1 agreement is 0.9514 where 0.98 is asked for, bundle not run. Below, the difference of two error rates over ten minutes, with its interval. In the tenth minute the whole interval lies above the tolerance of 1 point, and the release is rolled back.](figure.svg)
#
# With 3-bit weights 95.1 % of the 597 images keep their class, where 98 % are asked for: the chain stops there, and there is no bundle. Below, simulated traffic of 50 requests/s: the base fails in 1 % of the requests, the canary in 3 %. It has 1 % of the users, and is rolled back after 10 minutes, with 12 errors in 306 requests.
#
# **A chain with contracts.** The network is real, and so are the files. Here *quantise* rounds the weights and stores them as floats, so the small number of bits is simulated.

# %% figure
from utils.widgets.ch06_deployment_logic import chain_figure

chain_figure()

# %% [markdown]
# **A canary over time.** All of its traffic is simulated. It is looked at once a minute, and nothing is decided before 200 canary requests. The interval is not widened for so many looks: this rollout has the weakness just shown.

# %% figure
from utils.widgets.ch06_deployment_logic import canary_figure

canary_figure()

# %% [markdown]
# ## Exercises
#
# From the set-up cell you have `hashlib`, `math` and NumPy as `np`. Arguments must not be changed. A NumPy number or bool counts as a Python one.

# %% [markdown] about="release_id"
# Name a bundle by its content.
#
# - `files` maps names (strings) to contents (bytes, perhaps empty).
# - Take the names in the order of `sorted`. For each of them come four pieces: the name in UTF-8, one zero byte, the SHA-256 of the content as 64 lower-case hex digits, one newline byte.
# - Return the SHA-256 of all these bytes, one after another, as a string of 64 lower-case hex digits.
# - Raise `ValueError` for an empty dict, and for a name that contains a zero byte or a newline.
#
# For example `{"model.onnx": b"abc", "labels.txt": b"0\n1\n"}` gives an id that begins with `a5ddf8c9cc70ca3d`, in whatever order the files were put in.

# %% exercise="release_id"
def release_id(files: dict[str, bytes]) -> str:
    """SHA-256 (hex) over name, zero byte, hex SHA-256 of the content and newline of each file, by name."""
    ### BEGIN SOLUTION
    if not files:
        raise ValueError("a release must have files")
    lines = []
    for name in sorted(files):
        if "\0" in name or "\n" in name:
            raise ValueError(f"a name must have no zero byte and no newline, got {name!r}")
        lines.append(name.encode() + b"\0" + hashlib.sha256(files[name]).hexdigest().encode() + b"\n")
    return hashlib.sha256(b"".join(lines)).hexdigest()
    ### END SOLUTION

# %% check="release_id"
check("06.release_id", release_id)

# %% [markdown] about="parity_report"
# How far are the outputs of a converted network from the reference?
#
# - `ref` (the yardstick) and `got` are NumPy arrays (N, C): a row an image, a column a class. N and C are at least 1; float16, float32 or float64. `ref` holds no NaN and no infinity. Compute in float64.
# - Raise `ValueError` if the shapes differ, before anything else; its message must contain the word `shape`.
#
# Return a dict with five keys:
# - `finite`: whether all of `got` is finite. If it is not, the other four are NaN.
# - `max_abs`: the largest |ref - got|.
# - `min_cosine`: the smallest cosine of a row of `ref` and the same row of `got`. Two rows of zeros count as 1.0, one row of zeros as 0.0.
# - `sqnr_db`: 10 · log10(sum of ref² / sum of (ref - got)²), over all elements. If the arrays are equal it is `inf` (also if both are zero); else, if all of `ref` is zero, `-inf`.
# - `top1_agreement`: the share of rows whose largest value stands at the same place in both. Among equal values the first one counts.
#
# For example `ref` = [[1, 2, 3], [0, 0, 5]] and `got` = [[1, 2, 2.5], [0, 1, 5]]: `max_abs` 1.0, `min_cosine` 0.980581, `sqnr_db` 14.9415, `top1_agreement` 1.0, `finite` True. With `ref` = [[1, 2], [3, 4]] and `got` = [[1, NaN], [3, 4]]: `finite` False, the rest NaN.

# %% exercise="parity_report"
def parity_report(ref: np.ndarray, got: np.ndarray) -> dict:
    """max_abs, min_cosine, sqnr_db, top1_agreement and finite of two outputs (N, C)."""
    ### BEGIN SOLUTION
    if ref.shape != got.shape:
        raise ValueError(f"the shapes must agree, got shape {ref.shape} and {got.shape}")
    ref, got = ref.astype(np.float64), got.astype(np.float64)
    if not np.isfinite(got).all():
        return {"max_abs": math.nan, "min_cosine": math.nan, "sqnr_db": math.nan, "top1_agreement": math.nan, "finite": False}
    cosines = []
    for r, g in zip(ref, got):
        length = np.linalg.norm(r) * np.linalg.norm(g)
        cosines.append(r @ g / length if length else float(not r.any() and not g.any()))
    signal, noise = (ref**2).sum(), ((ref - got) ** 2).sum()
    sqnr = math.inf if noise == 0 else 10 * math.log10(signal / noise) if signal else -math.inf
    return {
        "max_abs": float(np.abs(ref - got).max()),
        "min_cosine": float(min(cosines)),
        "sqnr_db": sqnr,
        "top1_agreement": float((ref.argmax(axis=1) == got.argmax(axis=1)).mean()),
        "finite": True,
    }
    ### END SOLUTION

# %% check="parity_report"
check("06.parity_report", parity_report)

# %% [markdown] about="fold_normalization"
# Fold scale, mean and std into a convolution.
#
# - `w` is a kernel (O, I, kh, kw) and `b` a bias (O,), NumPy arrays of float32 or float64: O output channels, I input channels. `mean` and `std` are sequences of numbers (tuples, lists or arrays); `scale` is a number above 0.
# - Return three float64 arrays, computed in float64: a kernel w' (O, I, kh, kw), a bias b' (O,), and `pad` (I,).
# - For any raw image, and without padding, the convolution of raw with w' and b' must equal the convolution of (raw · scale - mean) / std with w and b. Mean and std belong to the *input* channels.
# - `pad` holds the raw value of each input channel that becomes 0 by (raw · scale - mean) / std. A convolution that pads has to pad the raw image with it.
# - Raise `ValueError` if `std` contains 0, or if `mean` or `std` does not have exactly I entries. (So the kernel of a grouped convolution is refused: its axis 1 is shorter than the image has channels.)
#
# For example `w` of shape (1, 2, 1, 1) with the values 2 and 1, `b` = [0.5], `mean` = (0.5, 0.2), `std` = (0.25, 0.5), `scale` = 1/255: w' holds 0.03137255 and 0.00784314, b' is [-3.9], `pad` is [127.5, 51].
# And `w` of shape (1, 1, 2, 2) with the values 1, 0, 0, 3, `b` = [1], `mean` = [0.5], `std` = [0.5], `scale` = 1: w' holds 2, 0, 0, 6, b' is [-3], `pad` is [0.5].

# %% exercise="fold_normalization"
def fold_normalization(w, b, mean, std, scale) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(w', b', pad): the convolution that takes raw pixels, and the raw value to pad with."""
    ### BEGIN SOLUTION
    w, b = np.asarray(w, np.float64), np.asarray(b, np.float64)
    mean, std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
    if len(mean) != w.shape[1] or len(std) != w.shape[1]:
        raise ValueError(f"mean and std must have {w.shape[1]} entries")
    if (std == 0).any():
        raise ValueError("std must not contain 0")
    shift = (w.sum(axis=(2, 3)) * (mean / std)).sum(axis=1)
    return w * (scale / std)[:, None, None], b - shift, mean / scale
    ### END SOLUTION

# %% check="fold_normalization"
check("06.fold_normalization", fold_normalization)

# %% [markdown] about="diagnose_skew"
# Which preprocessing bug made this tensor?
#
# - `raw` is an image: uint8 (H, W, 3), channels in the order red, green, blue. `mean` and `std` are tuples of 3 floats, in that order; no std is 0.
# - `deployed` is the float array that the app fed to the network, of any shape.
# - The right tensor is (raw/255 - mean)/std, with its axes moved to (3, H, W).
#
# Compare `deployed` with these tensors, in this order, and return the name of the first match, else `"unknown"`:
#
# | name | the tensor |
# |---|---|
# | `ok` | the right one |
# | `bgr` | the channels of `raw` reversed *before* normalising: channel 0 is blue, and gets mean[0] and std[0] |
# | `bgr_late` | the right one with its channels reversed *after* normalising |
# | `no_scale` | (raw - mean)/std: the pixels stay between 0 and 255 |
# | `no_normalize` | raw/255 only |
# | `double_scale` | (raw/255/255 - mean)/std |
# | `std_first` | raw/255/std - mean |
# | `hwc` | the right values, but axes (H, W, 3) |
#
# All but `hwc` have the axes (3, H, W). A match: the same shape, and every element of `deployed` is at most 1e-4 off (an absolute limit, computed in float64). A NaN never matches. On a grey image, say, `bgr` equals `ok`: the answer is `ok`.
#
# For example `raw` is one red pixel (255, 0, 0), `mean` (0.5, 0.4, 0.3), `std` (0.5, 0.25, 0.2). `deployed`, of shape (3, 1, 1): [1, -1.6, -1.5] → `ok`; [-1, -1.6, 3.5] → `bgr`; [-1.5, -1.6, 1] → `bgr_late`; [509, -1.6, -1.5] → `no_scale`; [1.5, -0.4, -0.3] → `std_first`.

# %% exercise="diagnose_skew"
def diagnose_skew(raw: np.ndarray, deployed: np.ndarray, mean, std) -> str:
    """The name of the first tensor that `deployed` equals within 1e-4, or "unknown"."""
    ### BEGIN SOLUTION
    x, mean, std = raw.astype(np.float64), np.array(mean), np.array(std)
    right = (x / 255 - mean) / std
    candidates = {
        "ok": right,
        "bgr": (x[..., ::-1] / 255 - mean) / std,
        "bgr_late": right[..., ::-1],
        "no_scale": (x - mean) / std,
        "no_normalize": x / 255,
        "double_scale": (x / 255 / 255 - mean) / std,
        "std_first": x / 255 / std - mean,
    }
    tensors = {name: image.transpose(2, 0, 1) for name, image in candidates.items()}
    tensors["hwc"] = right
    for name, tensor in tensors.items():
        if tensor.shape == deployed.shape and (np.abs(deployed - tensor) <= 1e-4).all():
            return name
    return "unknown"
    ### END SOLUTION

# %% check="diagnose_skew"
check("06.diagnose_skew", diagnose_skew)

# %% [markdown] about="canary_decision"
# Promote, roll back, or wait? Decide by a 95 % interval for the difference of the two error rates.
#
# - The base had `base_err` errors in `base_n` requests, the canary `can_err` in `can_n`: ints. `tolerance`, a float of 0 or more, is the rise of the error rate that is accepted: 0.01 is one point.
# - **Wilson's limits** of k errors in n, with p = k/n and z = 1.959964 (for 95 %: 2.5 % lie beyond each end), are
#
# $$\frac{p + \frac{z^2}{2n} \pm z\sqrt{\frac{p(1-p)}{n} + \frac{z^2}{4n^2}}}{1 + \frac{z^2}{n}}$$
#
# - Let p0, l0, u0 be the base's rate with its lower and upper limit, p1, l1, u1 the canary's, and d = p1 - p0. **Newcombe's interval** for the difference goes from L = d - √((p1 - l1)² + (u0 - p0)²) to U = d + √((u1 - p1)² + (p0 - l0)²).
# - Return `"rollback"` if L > `tolerance`, `"promote"` if U ≤ `tolerance`, else `"continue"`. (In the check L and U are never so near to the tolerance that rounding decides.)
# - Raise `ValueError` for impossible counts: n below 1, errors below 0 or above n, in either arm.
#
# For example with the tolerance 0.01: (20, 2000, 16, 200) → `"rollback"`; (100, 10000, 11, 1000) → `"promote"`, since U = 0.00977; (20, 2000, 4, 200) → `"continue"`; (20, 2000, 0, 50) → `"continue"`.

# %% exercise="canary_decision"
def canary_decision(base_err: int, base_n: int, can_err: int, can_n: int, tolerance: float) -> str:
    """By Newcombe's 95 % interval of p_canary - p_base: "rollback", "promote" or "continue"."""
    ### BEGIN SOLUTION
    def limits(k, n):
        if n < 1 or not 0 <= k <= n:
            raise ValueError(f"errors must be between 0 and n, and n at least 1, got {k} of {n}")
        p, a = k / n, 1.959964**2 / n
        half = math.sqrt(a * p * (1 - p) + a * a / 4)
        return p, (p + a / 2 - half) / (1 + a), (p + a / 2 + half) / (1 + a)

    p0, l0, u0 = limits(base_err, base_n)
    p1, l1, u1 = limits(can_err, can_n)
    if p1 - p0 - math.hypot(p1 - l1, u0 - p0) > tolerance:
        return "rollback"
    return "promote" if p1 - p0 + math.hypot(u1 - p1, p0 - l0) <= tolerance else "continue"
    ### END SOLUTION

# %% check="canary_decision"
check("06.canary_decision", canary_decision)

# %% [markdown]
# ## Measure it
#
# The whole chain, live: the eight hops, from *train* to *canary*. *Quantise* goes to INT8. If the canary is promoted, the pointer moves. Before you run it: the server is a process of its own. Will it have imported torch? And how much smaller is the INT8 file?
#
# The server listens to this machine alone, on a free port. It verifies its bundle before it starts, and it ends with the cell, also if the kernel is interrupted or killed. The requests of the canary are simulated: random users, random held-out images, and the real answers of both releases.

# %% experiment
import tempfile
from utils.delivery.release import Registry
from utils.delivery.release.digits_release import digits_chain
from utils.widgets.ch06_deployment_logic import chain_table

with tempfile.TemporaryDirectory() as folder:
    chain = digits_chain(Registry(folder))
    chain.run()
assert chain.ok, chain.to_table()
chain_table(chain)

# %% [markdown]
# The file shrinks from 40.4 to 15.4 kB, 2.6 times, and no image changes its class. The serving process never imported torch: ONNX Runtime alone computes the answers.
# The health checks are `/healthz` (alive) and `/readyz` (ready for traffic). A load balancer asks there.
#
# Smaller is not faster, though. FP32 and INT8, timed in turns, one thread, 64 images at a time:

# %% experiment
import numpy as np
from utils.compression.qdq import to_dynamic
from utils.cost.latency import time_interleaved
from utils.delivery.release.digits_release import exported_digits, trained_digits
from utils.graphs.onnx_tools import make_session

model, batch = exported_digits(), trained_digits().x[:64]
sessions = {"FP32": make_session(model, optimize=True), "INT8, dynamic": make_session(to_dynamic(model), optimize=True)}
times = time_interleaved({name: (lambda s=s: s.run(None, {"input": batch})) for name, s in sessions.items()}, 200)
for name, ms in times.items():
    print(f"{name:14} {np.median(ms) * 1e3:.0f} µs, {np.median(times['FP32']) / np.median(ms):.2f} times as fast as FP32")

# %% [markdown]
# On the machine where this was written INT8 was several times slower. The convolutions are tiny, and dynamic quantisation has to measure every activation in each call. A step is accepted on the target, by a number.
#
# TensorRT is NVIDIA's engine. Where it and a GPU are present, one more hop has the same report:

# %% experiment
from utils.widgets.ch06_deployment_logic import tensorrt_hop

tensorrt_hop()

# %% [markdown]
# ## What the source says
#
# The interview document that this course mirrors answers this question only with a link to an article that can't be found any more. It makes no claim here. Rows 1 and 7 are what its other answers ask; the rest are beliefs that are often heard.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | after a conversion, check whether the accuracy dropped | holds | but parity first: it needs no labels, and it finds the place. Here INT8 changes scores by up to 0.20 and not one class; a lost bias changes 0.2 % of the classes, and parity sees it at once |
# | 2 | an export is lossless | depends | the digits CNN: 8e-6. But operators have different defaults: a Resize to half the size gives other values in each of ONNX's coordinate modes (below) |
# | 3 | a model that passes the ONNX checker is right | wrong | it looks at structure and types. A network without its last biases passes. The preprocessing outside the file it never sees: six faults turn 96.8 % into 91.6, 81.6, 65.8, 10.2, 10.1 and 1.3 % |
# | 4 | normalisation can be folded exactly into the first convolution | depends | without padding, yes. With zero padding the border is off, by up to 15.2 in the example: pad with mean/scale, or leave one Sub in front |
# | 5 | the training framework is needed at run time | wrong | the serving process of this chapter never imports torch |
# | 6 | 50 canary requests without an error are enough | wrong | they allow up to 6.1 points more than a base of 1 %. To find a rise from 1.0 to 1.5 %, a one-sided test without tolerance takes 6,105 requests an arm at 5 %, and 7,750 at 2.5 %, as at each end of this chapter's interval. Its tolerance of 1 point allows that rise by design |
# | 7 | optimisation and deployment are tightly linked | holds | a step counts on the target only: the INT8 file is 2.6 times smaller, and the cell above shows what became of the speed |
#
# Rows 2 and 3, computed:

# %%
import numpy as np
import onnx
from onnx import helper, numpy_helper
from utils.delivery.release.digits_release import exported_digits
from utils.graphs.onnx_tools import make_model, make_session

ramp = np.arange(8, dtype=np.float32).reshape(1, 1, 1, 8) ** 2
for mode in ("half_pixel", "asymmetric", "align_corners"):
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="linear", coordinate_transformation_mode=mode)
    scales = {"scales": np.array([1, 1, 1, 0.5], np.float32)}
    model = make_model([node], {"x": (1, 1, 1, 8)}, {"y": (1, 1, 1, 4)}, scales)
    print(f"row 2: Resize, {mode:13}", make_session(model).run(None, {"x": ramp})[0].ravel().round(1))
broken = onnx.ModelProto()
broken.CopyFrom(exported_digits())
bias = [t for t in broken.graph.initializer if list(t.dims) == [10]][-1]
bias.CopyFrom(numpy_helper.from_array(np.zeros(10, np.float32), bias.name))
print("row 3: without its last biases the checker says", onnx.checker.check_model(broken, full_check=True) or "nothing")

# %% [markdown]
# ## Explain it
#
# A colleague writes: "The new detector is exported, the ONNX checker is happy, and five pictures look right in the app. I put the file on the server in place of the old one at noon; in the first 50 requests there was no error. Shall we announce it?" Answer in six sentences.
#
# A good answer names:
# 1. that the checker looks at structure and types only, and five pictures show no skew of a few points;
# 2. parity against the training framework, on recorded raw inputs, with the app's own preprocessing;
# 3. what 50 requests without an error leave open, and a rule with an interval and a tolerance fixed before;
# 4. that a file which is overwritten can't be rolled back: a bundle with a hash and a pointer;
# 5. a canary with a share that grows, and enough requests at each step;
# 6. what is watched afterwards: errors, latency, drift of the inputs.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# Not yet: the checker sees structure and types, and a wrong step of the preprocessing may cost 5 points of accuracy, or 90, without any error.
# Please compare the app's input tensors and all outputs with the training framework on some hundred recorded pictures first.
# Fifty requests without an error are compatible with an error rate of 6 %, so they prove little; let us fix a tolerance of 1 point and a number of requests, and decide by the interval.
# Put the old file back as a bundle with its labels, preprocessing and versions, store the new one beside it under its own hash, and let a pointer say which one serves, so that we can go back in a second.
# Then give the new one 1 %, 5 % and 25 % of the users, each step until the rule promotes it or rolls it back.
# After that we watch errors, p99 and the brightness of the inputs, and announce it when all users have had it for a day.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("06")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | hop | 环节 | one transformation of the chain, with its acceptance test |
# | artefact | 制品 | output of a step, not changed afterwards |
# | logits | 未归一化分数 | the scores of a network, before any softmax |
# | parity | 一致性 / 对齐 | the same outputs as the reference, within a tolerance |
# | train/serve skew | 训练-推理偏差 | inputs that differ between training and serving |
# | contract | 接口约定 | names, shapes, dtypes and ranges on which both sides rely |
# | constant folding | 常量折叠 | computing constant parts once, before run time |
# | SQNR | 信号量化噪声比 | power of the signal over the power of the error, in dB |
# | bundle | 发布包 | all files of a release, under one id, with a manifest |
# | manifest | 清单 | names, hashes, contract and metrics of a bundle |
# | content hash | 内容哈希 | identifier that is computed from the files' names and bytes |
# | model registry | 模型仓库 / 注册中心 | store of versions, with a pointer to the live one |
# | canary release | 金丝雀发布 | a small share of the traffic first |
# | rollback | 回滚 | moving the pointer back to the last good release |
# | arm | 对照臂 / 分组 | one of the groups that are compared, here base and canary |
# | tolerance | 容忍度 | the rise of the error rate that is accepted |
# | shadow traffic | 影子流量 | copy of the requests; the answers are compared, and reach no user |
# | drift | 漂移 | the inputs' distribution moves after the release |
# | confidence interval | 置信区间 | range of values that are compatible with the counts |

# %% [markdown]
# ## Sources
#
# - E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927); R. G. Newcombe, "Interval Estimation for the Difference Between Independent Proportions", Statistics in Medicine 17 (1998), method 10. The limits are checked against SciPy in the tests.
# - D. Sculley et al., "Hidden Technical Debt in Machine Learning Systems", NeurIPS 2015.
# - M. Zinkevich, "Rules of Machine Learning", Google, developers.google.com/machine-learning/guides/rules-of-ml.
# - ONNX documentation: `onnx.checker`, operator Resize. PyTorch 2.13, ONNX Runtime 1.31: all figures were computed with them, on scikit-learn's digits (1,200 training and 597 held-out images).
# - Alibaba Cloud, Platform for AI documentation, "Population stability index" (page of March 2026): below 0.1 insignificant, 0.1 to 0.25 noticeable, above 0.25 major. A convention, not a test.
# - Argo Rollouts documentation, strategy *canary*: a widely used controller for Kubernetes (a system that runs containers on many machines), with steps and automatic rollback as in this chapter.
