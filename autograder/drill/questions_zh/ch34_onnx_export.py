"""Chinese texts of chapter 34's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "34.room_in_protobuf": Zh(
        text="一个模型有 {millions}M 个 {dtype} 参数（1M = 10^6）。只算权重，"
             "离单个 protobuf 消息的上限 2^31 - 1 字节还剩多少字节？"
             "（负数表示不用外部数据（external data）就装不进一个文件。）",
        explain="上限 2,147,483,647 B 减去 {millions} · 10^6 · {item} B，还剩 {room} B。",
        traps=("上限比 2 GiB 少 1 字节：2,147,483,647。",
               "2 GiB 是 2^31 字节，不是 2e9。",
               "看清这种格式下每个参数占几个字节。",
               "符号反了：还有余量时为正。")),
    "34.conv_out": Zh(
        text="形状推断遇到一个 Conv：输入高 {h}，kernel {k}，stride {s}，每侧 padding {p}，dilation {d}。"
             "输出高是多少？",
        explain="floor(({h} + 2·{p} - {d}·({k} - 1) - 1) / {s}) + 1 = {answer}。",
        traps=("dilation 会把卷积核撑开：它覆盖 d·(k - 1) + 1 行。",
               "padding 是两侧都有的。",
               "少了 1：第一个位置也要算。",
               "应向下取整：卷积核伸出边界的位置不计算。")),
    "34.reshape_target": Zh(
        text="一个 Reshape 的输入形状为 ({n}, {c}, {hw})，目标形状为 [0, -1, {last}]。"
             "结果的第 1 轴（从 0 数起）有多大？",
        explain="0 表示照抄 {n}。每份还剩 {c} · {hw} 个值，每行 {last} 个：{answer}。",
        traps=("照抄尺寸的是 0，不是 -1：-1 由剩余的元素数推出。",
               "第 0 轴已经被 0 占用，还要除以它。")),
    "34.largest_passing": Zh(
        text="参考输出为 {ref}，rtol 为 {rtol}，atol 为 {atol}。|got - ref| 不超过 atol + rtol·|ref| 的元素算通"
             "过。能通过的最大偏差是多少？",
        explain="{atol} + {rtol} · |{ref}| = {answer}。",
        traps=("两项是相加，不是取较大者。",
               "还要加上 atol：没有它，接近 0 的值都通不过。",
               "看的是参考值的绝对值，与符号无关。")),
    "34.opset_13": Zh(
        text="在 torch 2.13 里用默认导出器调用 `torch.onnx.export(..., opset_version=13)`，文件里实际是什么？",
        right="opset 18，日志里有一条提示",
        wrong=(("按要求写成 opset 13", "只有旧路径 `dynamo=False` 还会写 13。新导出器的算子从 18 起才有实现。"),
               ("什么也没有：抛出异常", "它会尝试把导出的图降到 13，失败就保留 18 继续。"),
               ("opset 20，onnxscript 最新的版本", "导出器实现的是 18，再从 18 转换。")),
        why="每次导出后都要从文件里读出 opset：目标端的转换器支持的版本可能低于实际写出的版本。"),
    "34.fold_random": Zh(
        text="RandomNormalLike 的输入形状是静态的，常量折叠应当怎么处理它？",
        right="保留它，以及所有依赖它的节点",
        wrong=(("用种子 0 折叠", "那样每次推理都返回同一份噪声，网络算的就不是原来的东西了。"),
               ("形状是静态的，所以折叠", "形状静态只说明大小已知，值并不已知。"),
               ("不用处理：ONNX 禁止推理时用这个算子", "它是允许的，扩散模型和一些采样器就在用。")),
        why="只有每次运行结果都相同的节点才能折叠。随机算子做不到，哪怕它可能没有任何输入。"),
    "34.dynamic_dims": Zh(
        text="用 torch 现在的默认导出器，在哪里声明 batch 是动态的？",
        right="在 `dynamic_shapes` 里，用 `torch.export.Dim`",
        wrong=(("只用 `dynamic_axes`", "那是旧路径的参数。新导出器会告警并尝试转换，也可能失败。"),
               ("不用声明：导出之后改文件", "那是没法重新导出时的补救办法。"),
               ("用属性 `opset_version`", "那是算子定义的版本。")),
        why="导出器走的是 torch.export，它在追踪时就要知道哪些尺寸会变。"),
    "34.fails_at_batch_8": Zh(
        text="导出的模型在 batch 1 时与 PyTorch 一致，batch 8 时出错。怎么定位原因，又在哪里修？",
        rubric=("batch 大小被写死成常量：Reshape、Expand 的目标形状或其他常量",
                "先分清是报错还是结果不对。结果不对：batch norm 或 dropout 处于训练模式，"
                "或在 batch 轴上做了归约",
                "追踪只记录了依赖数据的 if 的一个分支",
                "二分定位：把中间张量加为输出，对比 batch 1 与 8",
                "从源头修：用 dynamic_shapes 导出，并在 CI 里用多个 batch 大小对比"),
        answer="我先看错误类型。如果是形状错误，会指明某个节点：静态导出把它的目标形状写死成了 1。"
               "如果能跑但结果不同，我就拿 batch 8 与八次 batch 1 逐个张量对比，找到第一个不一致的："
               "可能是 batch norm 处于训练模式，也可能是 mean 取错了轴。被追踪固定下来的 if 表现为少了一个分支。"
               "我会改模型或改导出调用，用上 dynamic_shapes，并把 batch 1、2、8 加进每次导出后运行的对比里。"),
}
