"""Chinese texts of chapter 10's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "10.separable_ratio": Zh(
        text="把一个有 {c_out} 个输出通道的普通 {k}x{k} 卷积，换成 {k}x{k} depthwise 加 1x1 pointwise。"
             "乘加次数剩下原来的多大比例？",
        explain="1 / {c_out} + 1 / {k2} = {answer}。输入通道数和特征图大小都约掉了。",
        traps=(
            "这是 MACs 的加速比。剩下的比例是它的倒数。",
            "漏了 depthwise 那一步：它还要加 1 / c_out。",
            "漏了 pointwise 那一步：它还要加 1 / k²。",
            "一个卷积核有 k² 个权重。")),
    "10.fire": Zh(
        text="一个 Fire 模块输入 {c} 个通道，squeeze 到 {s} 个，"
             "再用 1x1 卷积 expand 出 {a} 个、用 3x3 卷积 expand 出 {b} 个，都带偏置。它有多少参数？",
        explain="{c} · {s} + {s}，再加 {s} · {a} + {a}，再加 9 · {s} · {b} + {b}：{answer}。",
        traps=(
            "漏了偏置：三层的每个输出通道各有一个。",
            "expand 层的输入是 squeeze 之后的通道。",
            "有一个 expand 层是 3x3：每对通道有 9 个权重。")),
    "10.width": Zh(
        text="MobileNetV1 的宽度系数取 {alpha}：所有通道数都乘以它。网络中间的一个 pointwise 层，"
             "MACs 剩下原来的多大比例？",
        explain="输入和输出通道都变少：{alpha}² = {answer}。首层和 depthwise 层剩 {alpha}，所以系数取 0.5 时，"
                "整个网络剩 26.3%，而不是 25%。",
        traps=("输入通道和输出通道都变少了。", "这是省掉的比例。")),
    "10.ghost_weights": Zh(
        text="一个 ratio 为 2 的 Ghost 模块，用 1x1 的主卷积和 3x3 的廉价卷积，"
             "从 {c_in} 个通道得到 {c_out} 张特征图。不计偏置和归一化，它有多少个权重？",
        explain="1x1 产生 {p} 张：{c_in} · {p} 个权重。其中每张再配一个 3x3 卷积核：9 · {p}。合计 {answer}。",
        traps=(
            "这是普通的 1x1 卷积。",
            "廉价得到的特征图也有卷积核。",
            "廉价卷积是 depthwise 的：每张图一个核。",
            "只有一半的特征图由廉价卷积产生。")),
    "10.inverted_residual": Zh(
        text="一个倒残差块从 {c} 通道映射到 {c} 通道，扩展倍数 {ratio}，3x3 depthwise，没有偏置。"
             "它的卷积一共有多少个权重（不计归一化）？",
        explain="升维 {c} · {wide}，depthwise 9 · {wide}，投影回去 {wide} · {c}：{answer}。",
        traps=(
            "3x3 是 depthwise 的：每个通道 9 个权重。",
            "漏了投影回去的那一层。",
            "漏了 depthwise 层。",
            "这个块先把通道数升到 ratio 倍。")),
    "10.most_macs": Zh(
        text="在各自的标准分辨率下，哪个网络的乘加次数最多？",
        right="Xception",
        wrong=(
            ("GhostNet", "1.41 亿，四个里最少。"),
            ("MobileNetV1", "5.69 亿。常被列为轻量网络的，并不都是移动端网络，再看看。"),
            ("SqueezeNet 1.0", "8.19 亿：参数少，MACs 并不少。不过这里有一个是它的 10 倍。")),
        why="299 × 299 时是 83.57 亿，是 ResNet-50 的两倍。它的 2290 万参数用得很值，但目标是准确率，不是手机。"),
    "10.linear_bottleneck": Zh(
        text="倒残差块的投影层为什么没有激活函数？",
        right="通道少时，ReLU 会破坏信息",
        wrong=(
            ("这样更快", "ReLU 几乎不花时间，而且常被融合。"),
            ("Batch norm 不允许", "在这个块的其他位置，norm 和 ReLU 都是一起出现的。"),
            ("量化需要这样", "真要说的话，ReLU6 反而让 INT8 更容易。")),
        why="通道多时，ReLU 切掉的信息能从别的通道找回来。窄的一端通道少，所以保持线性。"),
    "10.why_shuffle": Zh(
        text="channel shuffle 是用来做什么的？",
        right="没有它，堆叠的分组卷积永远不会在组间交换信息",
        wrong=(
            ("做正则化", "它每次都是同一个固定的顺序。"),
            ("做数据增强", "它动的是通道，像素的位置不变。"),
            ("减少参数", "减少参数的是分组。shuffle 自己没有参数，也不减少参数。")),
        why="否则每一组都是一个独立的小网络。shuffle 让每个新组都拿到所有旧组的通道。"),
    "10.two_counts": Zh(
        text="MobileNetV1 的参数量，Keras 打印 4,253,864，PyTorch 打印 4,231,976。为什么？",
        right="Keras 把 batch norm 的滑动均值和方差也算进去了",
        wrong=(
            ("其中一个的卷积带偏置", "两个都不带；偏移由 norm 提供。"),
            ("分类层的宽度不同", "两个都是 1,000 类、1,024 维输入。"),
            ("其中一个是四舍五入的", "两个都是精确值。差值 21,888 正好是带 norm 的通道数的两倍。")),
        why="10,944 个通道带 norm，每个有两个统计量：21,888。PyTorch 把它们存成 buffer。两种数法都对。"),
    "10.fewest_macs_slow": Zh(
        text="在 PyTorch 里用一个 CPU 核测了五个轻量网络。GhostNet 的 MACs 最少，却最慢。哪种解释最合理？",
        right="小算子多：depthwise 卷积、拼接和门控搬数据多，计算少",
        wrong=(
            ("它的参数最多", "520 万个参数是 21 MB，读一遍最多几毫秒；AlexNet 的一个线性层都比它大。"),
            ("它的特征图最大", "它最大的特征图是 1.15 MiB，比 SqueezeNet 的小。"),
            ("它的卷积核是 5x5", "只有一部分 depthwise 是；它们的计算量也已经算在 MACs 里了。")),
        why="时间还取决于搬运的字节数和 launch 的算子数。ONNX Runtime 会融合其中一些，名次就变了。"),
    "10.one_megabyte": Zh(
        text="要给一个只有 512 KB RAM 的 MCU 选一个 1 MB 的模型。讲讲你的选型过程。",
        rubric=(
            "权重字节数、MACs 和激活峰值是三个不同的限制",
            "量化到 INT8：大约一百万个参数",
            "运行时在这颗芯片上支持哪些算子",
            "宽度系数和分辨率系数",
            "在目标硬件上实测延迟和能耗"),
        answer="1 MB 的 flash 能放下大约一百万个 INT8 权重，所以我会看宽度系数 0.25 到 0.35 的 MobileNetV1 或 V2，"
               "或者为这类芯片搜索出来的网络，而不选 SqueezeNet，它的特征图太大。"
               "512 KB 的 RAM 要放得下最大的一对特征图，所以分辨率降到 96 或 128 像素：激活随它的平方下降。"
               "然后确认运行时对每个算子都有 INT8 实现，depthwise kernel 也够快。我会训练两三种宽度和分辨率，"
               "量化之后在芯片上实测准确率、延迟和能耗，因为只看 MACs 排不出名次。"),
}
