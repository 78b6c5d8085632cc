"""Chinese texts of chapter 24's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "24.fused_ratio": Zh(
        text="一个 3x3 卷积，{c} 通道到 {c} 通道，特征图 {side} x {side}，batch 为 1，每个值 {bytes} 字节，无 "
             "bias。后面接 {n} 个逐元素层。只算 DRAM 流量，kernel 之间不走缓存，逐元素层自身的参数忽略不计。"
             "不融合时各 kernel 的总访存量是融合 kernel 的多少倍？",
        explain="输入、输出各 {act:,} 个元素，权重 {w:,} 个。每个逐元素层再多读一次、多写一次："
                "(2 · {act} + {w} + {n} · 2 · {act}) / (2 · {act} + {w}) = {answer}。",
        traps=("中间张量只算了一次。它要写一次，还要读一次。",
               "只有没有权重、且每层访存量相同时才是这个数。",
               "融合后的 kernel 也要读权重。"),
        words={"times": "倍"}),
    "24.saved_ms": Zh(
        text="某层受访存限制，融合后省下 {mb} MB（1e6 字节）的 DRAM 流量。GPU 的读写带宽是 {bw} GB/s（1e9 字节）。"
             "最多能省多少毫秒？",
        explain="{mb}e6 字节 / {bw}e9 字节/s = {answer} ms。如果这一层受计算限制，省得更少，甚至不省。",
        traps=("这是微秒数。",
               "除反了。",
               "省下的流量里已经包含写和读了。")),
    "24.launch_us": Zh(
        text="batch 为 1 时，一个网络要跑 {before} 个 kernel，每个 kernel 的启动要等 {us} µs，互不重叠。融合后剩 "
             "{after} 个。一次推理省下多少 µs 的启动时间？",
        explain="{us} · ({before} − {after}) = {answer} µs。CUDA Graph 用另一种办法解决同样的开销。",
        traps=("这是剩下的启动时间，不是省下的。",
               "这是融合前的启动时间。")),
    "24.chain_arena": Zh(
        text="一条 {n} 层的链共有 {n} + 1 个张量（含输入和输出），每个 {kib} KiB，每层读取前一个张量。另有一个 "
             "{kib} KiB 的张量在第一层之前产生，到最后一层才被读取。不考虑对齐，arena（内存池）最少要多少 KiB？",
        explain="任一时刻存活的有：该层的输入、输出，以及跳连张量，共 3 · {kib} = {answer} KiB。没有跳连的话，"
                "两块缓冲区就够了。",
        traps=("这只是链本身。跳连张量全程都要占着。",
               "这是给每个张量各分一块缓冲区。用完的缓冲区可以复用。")),
    "24.parsers": Zh(
        text="TensorRT 10 及以后的版本，自带的解析器能从哪些文件读入网络？",
        right="只有 ONNX",
        wrong=(("ONNX 和 Caffe", "Caffe 解析器在 8 版被弃用，10 版里已经没有了。"),
               ("ONNX 和 UFF", "UFF 是给 TensorFlow 1 用的，已经移除；现在 TensorFlow 模型走 ONNX。"),
               ("ONNX 和 TorchScript", "TensorRT 自身从来不读 TorchScript。Torch-TensorRT 是外围的另一个项目。")),
        why="看 Python 绑定的源码，8.6 版有三个解析器，10 版只剩一个。"),
    "24.opt_batch": Zh(
        text="一个 engine 的 optimization profile 是 batch 1 到 32，opt = 1。你用 batch 32 去跑，会怎样？",
        right="能跑，但用的是按 batch 1 选出来的 kernel",
        wrong=(("报错", "32 在 profile 范围内，只有超出范围的形状才会被拒绝。"),
               ("重新给 kernel 计时选优", "计时只在构建时做，engine 会一直沿用当时的选择。"),
               ("结果错误", "选出的 kernel 对 profile 内的所有形状都正确，只是可能慢。")),
        why="tactic 是在 opt 形状上计时的。如果线上主要跑 batch 32，opt 就该设成 32。"),
    "24.two_builds": Zh(
        text="同一个模型在同一块 GPU 上构建两次，得到的 engine 所用 kernel 不同，结果在最后一位上也有差异。为什么？",
        right="计时有噪声，胜出的 tactic 可能不同；用 timing cache 可以复现",
        wrong=(("权重是随机生成的", "权重来自模型。"),
               ("Dropout 没关", "推理时没有 dropout，导出时就去掉了。"),
               ("engine 被加密了", "plan 文件没有加密，不同的是 kernel。")),
        why="两个速度相近的 tactic，每次构建谁胜出不一定，而它们的累加顺序各不相同。"),
    "24.fanout": Zh(
        text="某个卷积的结果既送给 Relu，又原样送给后面的一个加法。为什么不能直接把 Conv-Relu 融合成一个单输出的 "
             "kernel？",
        right="加法要用 Relu 之前的值，而融合后的 kernel 不会把它存下来",
        wrong=(("Relu 不能和卷积融合", "能，而且这是最常见的融合。"),
               ("加法有两个输入", "两个输入的加法同样可以融合。"),
               ("TensorRT 会把卷积算两遍", "算两遍倒是一种解决办法，不是原因。")),
        why="只有当一个张量没有别的读者、也不是图的输出时，才可以把它消掉。"),
    "24.only_1_1x": Zh(
        text="你的模型换成 TensorRT 后，速度只有 PyTorch 的 1.1 倍。怎么查原因？",
        rubric=("先做 profiling：瓶颈在计算、访存、kernel 启动还是主机侧",
                "有没有算子跑在 engine 之外，有没有格式转换的拷贝",
                "profile 的 opt 和线上实际的形状是否一致",
                "测量里有没有包含与 GPU 之间的拷贝，两边是否一致",
                "基线是什么：可能已经用上了 torch.compile 和 Tensor Core",
                "精度：网络是 FP32，还是由 cast 和 Q/DQ 指定了类型",
                "小 batch 时：启动开销、CUDA Graph"),
        answer="先对 engine 逐层计时，再看 trace。如果时间主要花在少数几个大矩阵乘上，而 PyTorch 本来就已经用 FP16 "
               "跑在 Tensor Core 上，那就没多少提升空间了。如果是大量小 kernel，就比较融合前后的启动次数，再试 "
               "CUDA Graph。还要确认 opt 就是线上的形状，没有子图回退到别的运行时，Q/DQ 节点没有把融合切断，"
               "并且两边的测量口径一致：拷贝都算或都不算，都预热过，精度相同。"),
}
