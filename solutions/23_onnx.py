# %% [markdown]
# # 23 · ONNX: the format, its versions and its limits
# **ONNX的相关知识**
#
# A model was exported on Monday. On the device it fails with "Unsupported model IR version: 14, max supported IR version: 13", or with "Opset 28 is under development".
# Nobody knows what these numbers are, and the exporter is run again with random options.
# This chapter opens the file. You read it byte by byte, order and run its graph, and choose versions that both sides know.
#
# About 80 minutes: 50 for the five exercises, the rest to read, measure and explain. It needs no other chapter. The exercises need only NumPy; the other cells also use onnx, ONNX Runtime and torch.

# %% setup
import heapq
import math

import numpy as np

# %% [markdown]
# ## The short answer
#
# > ONNX (Open Neural Network Exchange) is an open **specification**, not a framework. It defines a file and the meaning of operators. Running the file is somebody else's work.
# >
# > The file is a **protobuf** message: a graph of typed operators (nodes), the weights as **initializers**, and the versions of the operator sets that it uses.
# >
# > Two versions matter. The **IR version** (IR: intermediate representation) says how the file is built. The **opset** says which definition of each operator counts; each name space of operators, called a domain, has its own. A runtime supports a range of both. So I export with the highest opset that my target knows, and I check the operators that I need.
# >
# > It is mostly a one-way road: training frameworks write ONNX, engines such as ONNX Runtime, TensorRT or OpenVINO run it. The way back into a training framework is third-party and loses things.
# >
# > The usual trouble: operators that the engine lacks, shapes that depend on data, files above 2 GiB, and the wish that two runtimes agree to the last bit.

# %% [markdown]
# ## How it works
#
# ### A whole model in 71 bytes
#
# This file holds one operator, a Relu. All of it:

# %%
from utils.widgets.ch23_onnx import RELU

for row in range(0, len(RELU), 16):
    chunk = RELU[row : row + 16]
    print(f"{row:3}  {chunk.hex(' '):48} {''.join(chr(b) if 32 <= b < 127 else '.' for b in chunk)}")

# %% [markdown]
# You can see names: the operator `Relu`, the tensors `x` and `y`, the graph `g` and the dimension `N`. Everything else is numbers; some of them happen to be the code of a character, such as `Z`. The format is Google's **Protocol Buffers** (protobuf).
#
# ### Numbers: seven bits a byte
#
# Protobuf writes a number as a **varint**, a number of variable length. A byte carries seven bits of it, the least significant ones first. Its eighth bit (0x80) says that another byte follows.
# So 300 = 2 · 128 + 44 becomes `ac 02`: 44 with the eighth bit set is 0xac, then 2.

# %%
from utils.graphs.protobuf import encode_varint

for number in (8, 127, 128, 300, 2**32, -1):
    print(f"{number:>12,}: {encode_varint(number).hex(' ')}")

# %% [markdown]
# Small numbers take one byte. A negative one takes ten: it is stored as a 64-bit two's complement, whose upper bits are all ones. In an attribute `axis = -1` the value alone takes ten bytes.
#
# ### Fields: tag, then content
#
# A message is a row of **fields**. Each starts with a **tag**, a varint that holds two things: field number · 8 + **wire type**. The wire type says where the field ends:
#
# | wire type | content |
# |---|---|
# | 0 | a varint |
# | 1 | 8 bytes |
# | 2 | a length (a varint), then that many bytes: text, raw data, or a message inside |
# | 5 | 4 bytes |
#
# The file begins with `08 08`. The tag 8 is 1 · 8 + 0: field 1, a varint. Its value is 8. Then `3a 3d`: 58 = 7 · 8 + 2, so field 7 with a length, and 61 bytes belong to it.

# %%
from utils.graphs.protobuf import iter_fields

for number, wire_type, value in iter_fields(RELU):
    print(f"field {number}, wire type {wire_type}: {value if isinstance(value, int) else f'{len(value)} bytes'}")

# %% [markdown]
# What do the numbers mean? That stands in the specification's file `onnx.proto`: field 1 of a model is the IR version, field 7 the graph, field 8 an operator set.
# The content of field 7 is again a message, with fields of its own. So it goes on inside:

# %%
from utils.widgets.ch23_onnx import pieces_table

pieces_table()

# %% [markdown]
# A reader that meets a field number it does not know skips it, because the wire type tells where it ends. That is how an old reader gets through a newer file.
#
# The course's reader follows a table of field numbers. It imports neither `onnx` nor a protobuf library. Here it reads a digits network with 9,802 parameters, which torch has exported:

# %%
from utils.graphs.protobuf import parse_model
from utils.widgets.ch23_onnx import digits_model

file = digits_model().SerializeToString()
model = parse_model(file)
print(f"{len(file):,} bytes, IR version {model.ir_version}, opset {model.opset}, by {model.producer_name} {model.producer_version}")
weights = sum(tensor.nbytes for tensor in model.graph.initializers)
print(f"{len(model.graph.initializers)} initializers with {weights:,} bytes: {weights / len(file):.0%} of the file")
for node in model.graph.nodes[:4]:
    print(f"{node.op_type:9} {list(node.input)} → {list(node.output)}")

# %% [markdown]
# An **initializer** is a tensor with a value in the file: the weights. Its element type, its dimensions and its raw little-endian bytes are all there is.
#
# ### A graph is a list of names
#
# There are no arrows in the file. A node names what it reads and what it makes. The graph follows from equal names, and each name is made once.
# A node can run when everything that it reads exists. ONNX asks for a sorted list, but tools that add nodes at the end leave it unsorted:

# %%
from utils.graphs.order import topological_order

nodes = [(["b"], ["y"]), (["x"], ["a"]), (["a", "x"], ["b"])]  # (reads, makes)
print("run in the order", topological_order(nodes, ["x"]))
for broken in ([(["b"], ["a"]), (["a"], ["b"])], [(["z"], ["y"])], [(["x"], ["y"]), (["x"], ["y"])]):
    try:
        topological_order(broken, ["x"])
    except ValueError as error:
        print("error:", error)

# %% [markdown]
# ### A runtime is a loop
#
# Keep a dict of tensors. Take the next node, look up its kernel (the function that computes this operator), call it, store what it returns. That is a runtime.
# The course has one in NumPy. It runs the digits network, and ONNX Runtime agrees:

# %%
from utils.graphs.onnx_tools import make_session
from utils.graphs.runtime import KERNELS, NumpyRuntime
from utils.widgets.ch23_onnx import digits_test

images, labels = digits_test()
mine = NumpyRuntime(digits_model()).run({"input": images})["output"]
theirs = make_session(digits_model()).run(None, {"input": images})[0]
print(f"{len(KERNELS)} operators have a kernel")
print(f"right: {np.mean(mine.argmax(1) == labels):.1%} of {len(images)} digits")
print(f"same digit as ONNX Runtime: {np.mean(mine.argmax(1) == theirs.argmax(1)):.1%}")
print("differences below 1e-4:", np.allclose(mine, theirs, rtol=1e-4, atol=1e-4))
print("equal to the last bit:", np.array_equal(mine, theirs))

# %% [markdown]
# Close, and in general not equal to the last bit. The specification does not promise that: a sum in another order rounds otherwise. Compare runtimes with a tolerance, and by what they decide.
#
# ### Shapes, with symbols
#
# A dimension may be a number or a name. With a name it is a **symbolic dimension**. Here the batch is called `N`, and one file serves every batch size. **Shape inference** follows the shapes through the graph without any data:

# %%
from utils.graphs.runtime import infer_shapes

types = infer_shapes(digits_model())
print("input", types["input"])
for node in model.graph.nodes:
    print(f"{node.op_type:9} {types[node.output[0]]}")
print("with a batch of 4:", infer_shapes(digits_model(), {"input": (4, 64)})["output"])

# %% [markdown]
# ### The opset says what an operator means
#
# A Softmax in a file is just the word "Softmax". What it computes depends on the **opset**, the version of the operator set. Softmax was defined three times:

# %%
from onnx import helper

from utils.graphs.onnx_tools import make_model
from utils.graphs.versions import since_versions

print("Softmax:", since_versions("Softmax"), " Relu:", since_versions("Relu"), " Gelu:", since_versions("Gelu"))
x = np.log(np.array([[[1, 3], [1, 3]]], np.float32))  # shape (1, 2, 2)
for opset in (11, 13):
    softmax = make_model([helper.make_node("Softmax", ["x"], ["y"])], {"x": (1, 2, 2)}, {"y": (1, 2, 2)}, opset=opset)
    print(f"opset {opset}: NumPy runtime {NumpyRuntime(softmax).run({'x': x})['y'].tolist()}")
    print(f"          ONNX Runtime  {make_session(softmax).run(None, {'x': x})[0].tolist()}")

# %% [markdown]
# The same node on the same input. Up to opset 12 the default was one sum over axis 1 and everything behind it. Since opset 13 it is one sum over the last axis.
# No error, no warning: never change the number in a file by hand.
#
# Operators live in **domains**. The empty domain (also called `ai.onnx`) is the standard one. Others belong to vendors, such as `com.microsoft`. A file states one opset for each domain that it uses.

# %%
import onnx

from utils.graphs.versions import function_operators, operator_count

composite = function_operators()
print(f"onnx {onnx.__version__}: {operator_count()} operator names in the standard domain")
print(f"{len(composite)} of them have a body of others, such as", ", ".join(sorted({"LayerNormalization", "Gelu", "Attention"} & set(composite))))

# %% [markdown]
# An operator with a body is a **model function**: a runtime without a kernel for it runs the body instead. A file can bring functions of its own, too.
#
# ### The IR version says how the file is built
#
# It rises when messages get new fields or types: functions came with IR version 8, 4-bit integers with 10. Each release of `onnx` has an opset and an IR version; the library keeps the table:

# %%
from utils.graphs.versions import IR_FOR_OPSET

print("opset:", *(f"{opset:3}" for opset in IR_FOR_OPSET if opset >= 11))
print("IR:   ", *(f"{ir:3}" for opset, ir in IR_FOR_OPSET.items() if opset >= 11))

# %% [markdown]
# ### Which versions does the target know?
#
# Documentation may be old, so ask the runtime itself: offer it tiny models of rising versions, and see which it refuses.

# %%
from utils.graphs.versions import runtime_limits

limits = runtime_limits()
print(f"ONNX Runtime {limits.version} loads opsets up to {limits.max_opset} and IR versions up to {limits.max_ir}")
print("beyond:", limits.ir_message.strip().split(") ")[-1])
print("beyond:", next((part for part in limits.opset_message.split(". ") if part.startswith("Opset")), limits.opset_message))

# %%
from utils.widgets.ch23_onnx import version_matrix

version_matrix()

# %% [markdown]
# Each mark is a real attempt. On the left the opsets are refused for another reason: the runtime has no kernel for a Relu that old.
# What `onnx` writes by default is its newest. When this course was planned, onnx 1.23.2 and ONNX Runtime 1.31.1 were installed on the same day: the default (opset 28, IR 14) was refused, the runtime knew 26 and 13. Version 1.32.0 knows them.
# That is why this course writes opset 17 and IR version 8 into every model it makes by hand.
#
# Now the choice. An operator sets a floor, the runtime a ceiling. The floor is the lowest opset that the model may use for the operator: 20 for Gelu, which exists since then.
# It can be higher than the opset in which the operator first appeared. Conv exists since opset 1 and was defined anew at 11; a model that relies on that definition has the floor 11.
# `required_opset` reads the floor off a file, as the lowest opset in which all of its operators have the definitions that the file uses:

# %%
from utils.graphs.versions import choose_versions as versions_for
from utils.graphs.versions import required_opset

for ceiling, ir in ((26, 13), (20, 9), (19, 9)):
    try:
        print(f"opset up to {ceiling}, IR up to {ir}:", versions_for({"Conv": 11, "Gelu": 20}, ceiling, ir))
    except ValueError as error:
        print(f"opset up to {ceiling}, IR up to {ir}:", error)
print(f"the digits network states opset {model.opset['']}; the lowest with the same definitions:", required_opset(digits_model()))

# %% [markdown]
# If only the IR version is too new and no new field is used, the file can be saved again with a lower one; nothing in the graph changes.
# If the opset is too new, export again with a lower one, or let `onnx.version_converter` try, which does not know every operator. Compare the results in any case.
#
# ### Limits
#
# - **2 GiB.** Protobuf messages must stay below that. A float32 model of 750 million parameters has 3 GB. Its weights go into a second file, as **external data**; a tensor then holds the file's name, an offset and a length. Move both files together.
# - **Custom and missing operators.** The file can name any operator. Whether a runtime has a kernel shows when it loads the file.
# - **Data-dependent control flow.** `If` and `Loop` exist. Tracing exporters follow the one path that the example took (chapter 34).
# - **Training.** Optimisers, hooks, dropout at training and the names in your Python code are gone.

# %% [markdown]
# ## See it
#
# ![The 71 bytes of the Relu model as a grid of hexadecimal bytes, coloured and lettered by the part of the file they belong to. Bytes 12 to 17 (counted from 0), 22 04 52 65 6c 75, are framed: tag, length and the four letters of Relu in the node. On the right the graph: x, Relu, y, with the Relu marked.](figure.svg)
#
# Bytes 12 to 17 of 71, counted from 0, are the operator's name: the tag 34 is 4 · 8 + 2 (field 4, wire type 2), the length is 4, then follow the letters "Relu". The node takes 14 bytes, the types of input and output 44, the opset 6.
#
# **X-ray of an ONNX file.** Move the slider from field to field. The second file has weights.

# %% figure
from utils.widgets.ch23_onnx import xray

xray()

# %% [markdown]
# ## Exercises
#
# `heapq`, `math` and NumPy as `np` are there from the set-up cell. Each answer stands alone: it can't use the functions of another exercise's cell, so copy what you need into its own cell.

# %% [markdown] about="decode_varint"
# Read one number from the wire.
#
# - `buf` is a `bytes` object, `pos` the index at which the number starts, from 0 to `len(buf)`.
# - A byte's lower seven bits are a group of the number, the least significant group first. The eighth bit (0x80) says that another byte follows. A group may be 0, also the last one. A number that ends in a tenth byte has 0 or 1 there, since 9 · 7 + 1 = 64 bits.
# - Return a pair (value, next position): the value as an int from 0 to 2⁶⁴ − 1, never negative, and the index of the first byte behind the number.
# - If `buf` ends before the number does, raise `ValueError` with "truncated" in its message.
# - A number has at most ten bytes. If ten bytes are there and all ten announce another one, raise `ValueError` with "too long" in its message.
#
# For example `decode_varint(b"\xac\x02")` → (300, 2), and `decode_varint(b"\x00\x96\x01", 1)` → (150, 3).

# %% exercise="decode_varint"
def decode_varint(buf: bytes, pos: int = 0) -> tuple[int, int]:
    """The unsigned base-128 number that starts at `pos`, and the position after it."""
    ### BEGIN SOLUTION
    value = 0
    for i in range(10):
        if pos + i >= len(buf):
            raise ValueError("truncated")
        byte = buf[pos + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value, pos + i + 1
    raise ValueError("too long")
    ### END SOLUTION

# %% check="decode_varint"
check("23.decode_varint", decode_varint)

# %% [markdown] about="read_graph"
# Read an .onnx file without any library: no import of `onnx`, `onnxruntime`, `google`, `importlib` or `utils`.
#
# `model` is a `bytes` object: a whole, well-formed file. Return a dict with
#
# - `"ir_version"`: an int;
# - `"opset"`: a dict from domain (a string) to version (an int), an entry for each operator set of the model;
# - `"nodes"`: a list with (op_type, inputs, outputs) for each node of the graph, in the file's order; inputs and outputs are lists of names;
# - `"initializers"`: a dict from an initializer's name to its shape, a tuple of ints.
#
# | message | fields: number and content |
# |---|---|
# | model | 1 ir_version (varint) · 7 graph (message, once) · 8 operator set (message, any number of times) |
# | operator set | 1 domain (text) · 2 version (varint) |
# | graph | 1 node (message, any number) · 5 initializer (message, any number) |
# | node | 1 input (text, any number) · 2 output (text, any number) · 4 op_type (text) |
# | initializer | 1 dims (see below) · 8 name (text) |
#
# - Every message can hold other fields, of the wire types 0, 1, 2 and 5. Skip them, whatever is inside. A message's fields may come in any order.
# - Tags, lengths and numbers are varints of one to ten bytes.
# - Text is UTF-8. An empty name among the inputs stands for an absent optional input: keep it as `""`.
# - An operator set without a domain belongs to the domain `""`.
# - An initializer's dims come one a field (wire type 0, the field once for each dimension), or packed: one field of wire type 2 whose content is varints one after another. No dims: the shape is `()`.
#
# For example the 71 bytes that the chapter began with
#
# ```python
# bytes.fromhex("08083a3d0a0c0a0178120179220452656c751201675a140a0178120f0a0d080112090a03"
#               "12014e0a02080262140a0179120f0a0d080112090a0312014e0a02080242040a001011")
# ```
#
# give `{"ir_version": 8, "opset": {"": 17}, "nodes": [("Relu", ["x"], ["y"])], "initializers": {}}`.

# %% exercise="read_graph"
def read_graph(model: bytes) -> dict:
    """ir_version, opset, nodes and initializers (name to shape) of a serialised model, as plain data."""
    ### BEGIN SOLUTION
    def varint(buf: bytes, pos: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = buf[pos]
            value |= (byte & 0x7F) << shift
            shift, pos = shift + 7, pos + 1
            if byte < 0x80:
                return value, pos

    def fields(buf: bytes) -> dict[int, list]:
        found, pos = {}, 0
        while pos < len(buf):
            tag, pos = varint(buf, pos)
            wire = tag & 7
            if wire == 0:
                value, pos = varint(buf, pos)
            else:
                size, pos = varint(buf, pos) if wire == 2 else (8 if wire == 1 else 4, pos)
                value, pos = buf[pos:pos + size], pos + size
            found.setdefault(tag >> 3, []).append(value)
        return found

    def texts(message: dict, number: int) -> list[str]:
        return [raw.decode() for raw in message.get(number, [])]

    def shape(tensor: dict) -> tuple[int, ...]:
        dims = []
        for value in tensor.get(1, []):
            pos = 0
            if isinstance(value, int):
                dims.append(value)
                continue
            while pos < len(value):
                number, pos = varint(value, pos)
                dims.append(number)
        return tuple(dims)

    top = fields(model)
    graph = fields(top[7][0])
    nodes, tensors = ([fields(raw) for raw in graph.get(number, [])] for number in (1, 5))
    return {
        "ir_version": top[1][0],
        "opset": {"".join(texts(entry, 1)): entry[2][0] for entry in map(fields, top.get(8, []))},
        "nodes": [(texts(node, 4)[0], texts(node, 1), texts(node, 2)) for node in nodes],
        "initializers": {texts(tensor, 8)[0]: shape(tensor) for tensor in tensors},
    }
    ### END SOLUTION

# %% check="read_graph"
check("23.read_graph", read_graph)

# %% [markdown] about="topo_sort"
# In which order can the nodes run?
#
# - `nodes` is a list of pairs (inputs, outputs), each a list of tensor names. It may be empty. An input `""` is absent: it needs no maker. A node may read one tensor several times, and may have no inputs. It has one output or more, none of them `""`, and names each once.
# - `available` lists the tensors that exist from the start: graph inputs and initializers.
# - Return the indices of all nodes in an order of execution: every tensor exists before it is read. Among the nodes that are ready, the one with the lowest index always goes next.
# - Raise `ValueError` with exactly one of these words in its message:
#   "undefined" if a node reads a tensor that is not available and that no node makes;
#   "twice" if two nodes make the same tensor, or a node makes one that is available;
#   "cycle" if some nodes wait for each other (or a node for itself).
#   Each input of the check has at most one of these faults, and no tensor's name contains one of the words.
# - Leave both arguments unchanged. A chain of 1,500 nodes, the last one first in the list, has to be ordered within 10 seconds.
#
# For example `[(["b"], ["y"]), (["x"], ["a"]), (["a", "x"], ["b"])]` with `["x"]` available → [1, 2, 0].

# %% exercise="topo_sort"
def topo_sort(nodes: list[tuple[list[str], list[str]]], available: list[str]) -> list[int]:
    """Indices of the nodes in an order in which every input exists before it is read, the lowest ready one first."""
    ### BEGIN SOLUTION
    makers = {}
    for i, (_, outputs) in enumerate(nodes):
        for name in outputs:
            if name in makers or name in available:
                raise ValueError(f"{name} is made twice")
            makers[name] = i
    missing = [set(inputs) - {""} - set(available) for inputs, _ in nodes]
    readers = {name: [] for name in makers}
    for i, names in enumerate(missing):
        for name in names:
            if name not in makers:
                raise ValueError(f"{name} is undefined")
            readers[name].append(i)
    ready, order = [i for i, names in enumerate(missing) if not names], []
    while ready:
        i = heapq.heappop(ready)
        order.append(i)
        for name in nodes[i][1]:
            for reader in readers[name]:
                missing[reader].discard(name)
                if not missing[reader]:
                    heapq.heappush(ready, reader)
    if len(order) < len(nodes):
        raise ValueError("the nodes form a cycle")
    return order
    ### END SOLUTION

# %% check="topo_sort"
check("23.topo_sort", topo_sort)

# %% [markdown] about="mini_runtime"
# Run a graph.
#
# - `nodes` is a list of (op, inputs, outputs, attrs): the operator's name, two lists of tensor names, and a dict of attributes. Every node has one output. **The list may be in any order**; it has no cycle, and everything that is read exists.
# - `constants` and `feeds` are dicts from names to arrays (float32 or float64; a shape for Reshape is int64). No name is in both, and no node makes a tensor of that name. `outputs` lists names of tensors that nodes make; a name may occur twice.
# - Return the list of these tensors. Floating-point results keep the dtype of their inputs; all floats of one graph have the same dtype. Leave the arrays and the dicts unchanged.
# - Any other operator than the nine below: raise `NotImplementedError` with the operator's name in its message, also if no wanted tensor depends on it.
#
# | op | inputs | what it computes |
# |---|---|---|
# | Add, Mul | A, B | elementwise, with NumPy's broadcasting |
# | Relu | X | X where positive, else 0 |
# | MatMul | A, B | `A @ B` |
# | Gemm | A, B, optional C | alpha · A′B′ + beta · C. A and B have two axes; A′ is A, or its transpose if `transA` is 1; B′ likewise with `transB`. C broadcasts, and is absent if there are two inputs or the third is `""`. Defaults: alpha = beta = 1.0, transA = transB = 0 |
# | Reshape | X, shape | X in that shape: 0 copies the dimension of X at the same place, a −1 (at most one) takes what is left |
# | Transpose | X | axes in the order `perm`; by default reversed |
# | Softmax | X | exponentials over their sum along `axis` (default −1), without overflow for large inputs |
# | Flatten | X | two axes: the product of the dimensions before `axis` (default 1; from 0 to the number of axes), and of the others; an empty product is 1 |
#
# For example the node `("Gemm", ["a", "b", "c"], ["y"], {"transB": 1})` with a = [[1, 2]], b = [[3, 4]], c = [10] makes y = [[21]].
# And `[("Relu", ["s"], ["y"], {}), ("Add", ["x", "b"], ["s"], {})]` with x = [[2, 3]], b = [1, -5] and the outputs `["y", "s"]` gives [[3, 0]] and [[3, -2]].

# %% exercise="mini_runtime"
def mini_runtime(nodes: list[tuple], constants: dict, feeds: dict, outputs: list[str]) -> list[np.ndarray]:
    """The tensors named in `outputs`, computed by nodes (op, inputs, outputs, attributes) in any order."""
    ### BEGIN SOLUTION
    def gemm(a, b, c=None, alpha=1.0, beta=1.0, transA=0, transB=0):
        y = alpha * ((a.T if transA else a) @ (b.T if transB else b))
        return y if c is None else y + beta * c

    def reshape(x, shape):
        return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(shape)])

    def softmax(x, axis=-1):
        e = np.exp(x - x.max(axis=axis, keepdims=True))
        return e / e.sum(axis=axis, keepdims=True)

    kernels = {
        "Add": np.add, "Mul": np.multiply, "MatMul": np.matmul, "Gemm": gemm, "Reshape": reshape, "Softmax": softmax,
        "Relu": lambda x: np.maximum(x, 0), "Transpose": lambda x, perm=None: np.transpose(x, perm),
        "Flatten": lambda x, axis=1: x.reshape(math.prod(x.shape[:axis]), -1),
    }
    tensors, waiting = {**constants, **feeds, "": None}, list(nodes)
    while waiting:
        op, inputs, outs, attrs = waiting.pop(0)
        if op not in kernels:
            raise NotImplementedError(f"no kernel for {op}")
        if all(name in tensors for name in inputs):
            tensors[outs[0]] = kernels[op](*[tensors[name] for name in inputs], **attrs)
        else:
            waiting.append((op, inputs, outs, attrs))
    return [tensors[name] for name in outputs]
    ### END SOLUTION

# %% check="mini_runtime"
check("23.mini_runtime", mini_runtime)

# %% [markdown] about="choose_versions"
# Which opset, and which IR version, do you export with?
#
# - `ops` maps each operator of the model to the lowest opset that the model may use for it. It may be empty.
# - `max_opset` and `max_ir` are the highest versions that the runtime loads. Both are allowed.
# - `ir_for_opset` maps an opset to its IR version. Only opsets in this table count. It has gaps, may be in any order, and may be empty. A higher opset never has a lower IR version.
# - Return (opset, IR version): the highest opset of the table that is within `max_opset` and whose IR version is within `max_ir`.
# - If the table has no such opset, raise `ValueError`.
# - If operators need more than that opset (their number is greater), raise `ValueError` with the name of the alphabetically first of them in the message.
# - Leave the dicts unchanged.
#
# For example with `ops = {"Conv": 11, "Gelu": 20}` and the table `{17: 8, 18: 8, 19: 9, 20: 9, 21: 10}`: limits 20 and 9 → (20, 9). Limits 19 and 9 → ValueError with "Gelu".

# %% exercise="choose_versions"
def choose_versions(ops: dict[str, int], max_opset: int, max_ir: int, ir_for_opset: dict[int, int]) -> tuple[int, int]:
    """The highest opset of the table within both limits, and its IR version."""
    ### BEGIN SOLUTION
    allowed = [opset for opset, ir in ir_for_opset.items() if opset <= max_opset and ir <= max_ir]
    if not allowed:
        raise ValueError("no opset lies within the limits")
    opset = max(allowed)
    for op in sorted(ops):
        if ops[op] > opset:
            raise ValueError(f"{op} needs opset {ops[op]}")
    return opset, ir_for_opset[opset]
    ### END SOLUTION

# %% check="choose_versions"
check("23.choose_versions", choose_versions)

# %% [markdown]
# ## Measure it
#
# ONNX Runtime hands the nodes to an **execution provider**, its back end for a device such as CPU or CUDA. Here that is the CPU's; on a machine with a GPU provider a row is added for it.
#
# One graph, four runtimes: the course's NumPy runtime, `onnx.reference` (the evaluator in Python that comes with ONNX), and ONNX Runtime, once with the graph as it was written and once after its own optimisations.
# Before you run it: do they agree on all 540 digits? And how many times slower is an interpreter in Python?

# %% experiment
from utils.widgets.ch23_onnx import gpu_told, race_rows, race_table

rows = race_rows()
race_table(rows)

# %% experiment
from utils.widgets.ch23_onnx import race_picture

print(gpu_told())
race_picture(rows)

# %% [markdown]
# What to look for:
#
# - The differences stay below 1e-4, for outputs of the size of 10. The digits agree.
# - Optimised or not, ONNX Runtime gives slightly different last digits too: it may fuse operators, and sum in another order.
# - The interpreters are between several times and about ten times slower on this tiny network. The reason is the loop in Python around each node, not the arithmetic. On a large network the gap shrinks, since NumPy's products are fast too.
#
# When two runtimes disagree, look for the first tensor on which they part:

# %% experiment
from utils.graphs.runtime.race import tensor_differences
from utils.widgets.ch23_onnx import digits_model, digits_test

for name, difference in tensor_differences(digits_model(), {"input": digits_test()[0][:64]}).items():
    print(f"{name:32} {difference:.1e}")

# %% [markdown]
# Here the differences grow slowly from layer to layer: rounding. A jump at one operator would point at its attributes or its opset.

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims. Row 6 is what it leaves out.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | ONNX is a framework of neural network models | wrong | an open format and operator specification. Microsoft and Facebook announced it in September 2017; since November 2019 it is a project of the Linux Foundation (LF AI & Data). It trains nothing and runs nothing |
# | 2 | it is middleware between frameworks | holds, one-way | PyTorch, TensorFlow (tf2onnx) and scikit-learn (skl2onnx) write it; `torch.onnx` has an exporter and no importer |
# | 3 | the format has a fine granularity | holds | 203 operator names in the standard domain of onnx 1.23, of which 48 are functions with a body of others |
# | 4 | all mainstream frameworks are compatible | depends | up to versions and operators: ONNX Runtime 1.31.1 refused what onnx 1.23.2 writes by default, and by default no version loads an opset that is not released |
# | 5 | ONNX converts between different frameworks | wrong in general | see row 2. On the way back training behaviour, Python control flow and names are lost |
# | 6 | (limits are not mentioned) | missing | 2 GiB a file without external data, operators that an engine lacks, shapes that depend on data, and no promise that two runtimes agree to the last bit |
#
# Rows 2, 3, 4 and 6, computed:

# %%
import torch

from utils.graphs.versions import function_operators, operator_count, refusal, runtime_limits

public = [name for name in dir(torch.onnx) if not name.startswith("_")]
for verb in ("export", "import", "load"):
    print(f"row 2: names in torch.onnx with “{verb}”:", ", ".join(name for name in public if verb in name.lower()) or "none")
print(f"row 3: {operator_count()} operators, {len(function_operators())} of them functions")
newest = runtime_limits()
for opset, ir in ((newest.max_opset + 1, 8), (14, newest.max_ir + 1)):
    print(f"row 4: ONNX Runtime {newest.version}, opset {opset} with IR version {ir}: {'refused' if refusal(opset, ir) else 'loads'}")
print(f"row 6: 750 million float32 parameters are {750e6 * 4 / 2**30:.2f} GiB")

# %% [markdown]
# ## Explain it
#
# A customer's box runs an ONNX Runtime of two years ago. Your file fails with "Unsupported model IR version". A colleague says: "Open the file, write a smaller number into the IR version and into the opset, and it will load." Answer in six sentences.
#
# A good answer names:
# 1. what each of the two numbers says;
# 2. when a lower IR version is harmless;
# 3. why the opset must not be changed by hand;
# 4. how to find out what the box supports, and how to choose;
# 5. how to make sure that the new file computes the same.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# The IR version says how the file is built, the opset says which definition of each operator counts; the message is about the first.
# If the file uses no newer field, functions or 4-bit types for instance, a lower IR version changes nothing in the graph, and saving it again with that number is fine.
# The opset is another matter: with a smaller number the same nodes may mean something else, as Softmax before and after opset 13, and no error tells you.
# So I ask the box itself with tiny models of rising versions, and take the highest opset whose number and IR version it loads.
# If an operator needs a higher one, I replace it by older ones or get the runtime updated; otherwise I export again with this opset.
# Then I run the old and the new file on the same real inputs, compare tensor by tensor with a tolerance, and compare the decisions.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("23")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | ONNX | 开放神经网络交换格式 | open file format and operator specification |
# | operator set (opset) | 算子集 | version of the operators' definitions, one for each domain |
# | IR version | 中间表示版本 | version of the file's structure |
# | domain | 算子域 | name space of operators; the empty one is the standard |
# | initializer | 初始化器(权重) | tensor whose value is in the file |
# | protobuf wire type | Protobuf 线类型 | says where a field ends |
# | varint | 变长整数 | number of one to ten bytes, seven bits in each |
# | graph input / output | 图输入/输出 | what a caller feeds and fetches |
# | kernel | 算子实现 | function that computes an operator |
# | model function | 函数算子 | operator with a body of other operators, which a runtime can run in its place |
# | symbolic dimension | 符号维度 | dimension with a name instead of a number |
# | external data | 外部数据 | weights in a second file |
# | execution provider | 执行提供者 | ONNX Runtime's back end for a device, such as CPU or CUDA |

# %% [markdown]
# ## Sources
#
# - ONNX 1.23: `docs/IR.md`, `docs/Versioning.md`, `docs/ExternalData.md`, `onnx/onnx.proto` (field numbers), `onnx.helper.VERSION_TABLE`, `onnx.defs`.
# - Protocol Buffers documentation, *Encoding*.
# - ONNX Runtime documentation, *Compatibility*.
# - Microsoft, *Microsoft and Facebook create open ecosystem for AI model interoperability*, September 2017; LF AI Foundation, *LF AI Welcomes ONNX, Ecosystem for Interoperable AI Models, as Graduate Project*, November 2019.
# - A. B. Kahn, *Topological sorting of large networks*, CACM 1962.
# - Probes: onnx 1.23.2 with onnxruntime 1.31.1 and 1.32.0.
