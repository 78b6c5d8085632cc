"""Chinese texts of chapter 50's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "50.access_square": Zh(
        text="一个 1x1 卷积，{c} 通道到 {c} 通道，特征图 {size} x {size}，步长 1，无 bias。"
             "输入、输出和权重各搬运一次，一共搬运多少个元素？",
        explain="两张特征图 2 · {area} · {c}，加上 {c} · {c} 个权重：{answer}。",
        traps=("漏了权重。",
               "这是乘加次数。",
               "输入和输出特征图只算了一个。",
               "题目问的是元素数，不是字节数。")),
    "50.depthwise_intensity": Zh(
        text="depthwise 3x3 卷积，特征图 {size} x {size}，{c} 通道，步长 1，FP32。一次乘加算两个 FLOP，"
             "它的计算强度是多少 FLOP/B（每字节 FLOP）？",
        explain="每个输出元素 18 FLOPs；分母是 4 字节乘以 2 · {size}² · {c} 个特征图元素与 9 · {c} 个权重之和："
                "{answer}。",
        traps=("你数的是乘加。一次乘加是两个 FLOP。",
               "这是每个元素的 FLOPs。一个 FP32 元素占 4 字节。",
               "输入和输出两张特征图都要搬运。")),
    "50.padding_waste": Zh(
        text="某 NPU 以 {granule} 个通道为一个 tile 来计算。一层有 {c} 个输出通道，输出侧的计算有多大比例被浪费？",
        explain="{c} 个通道补齐到 {padded}，所以是 1 − {c}/{padded} = {answer}。",
        traps=("这是有用的部分。",
               "浪费的比例要相对实际计算的通道数，即补齐后的数。",
               "这是最后一个 tile 填了多少。")),
    "50.winograd_saving": Zh(
        text="Winograd F({m}x{m}, 3x3) 一次算一个 {m} x {m} 的输出 tile。不计变换，直接卷积的乘法次数是它的多少倍？",
        explain="直接算要 9 · {m}² = {direct} 次；变换域里是 ({m} + 2)² = {few} 次。倍数为 {answer}。",
        traps=("这是剩下的比例。",
               "这是剩下的次数。",
               "这只是一维的。tile 有两维，要平方。")),
    "50.stride_channels": Zh(
        text="一个步长为 {stride} 的卷积，在乘加次数固定的条件下 c_in · c_out = {product}。"
             "特征图的两个边长都缩小到 1/{stride}。输出通道取多少时，搬运的元素最少？",
        explain="c_out / c_in = {ratio}，即两张特征图的面积比，所以 c_in = {c_in}，c_out = {answer}。",
        traps=("这是乘积的平方根，只在两张特征图一样大时才对。",
               "这是 c_in。较小的特征图应该有更多通道。")),
    "50.density": Zh(
        text="GPU 峰值 {peak} TFLOP/s。用 F({m}x{m}, 3x3) 做 3x3 卷积，乘法器有 {share}% 的时间在忙。"
             "如果拿直接卷积的 FLOPs 除以耗时，报出来的速率是多少 TFLOP/s？",
        explain="实际做了 {peak} · {share}%，每次相当于直接卷积的 {saving} 次：{answer} TFLOP/s。",
        traps=("这是乘法器实际做的量。论文按直接卷积的 FLOPs 计。",
               "乘法器并不是一直在忙。")),
    "50.above_peak": Zh(
        text="RepVGG 的作者在一块峰值 11.3 TFLOP/s 的 GPU 上，给 3x3 卷积报出了 38 TFLOP/s。这怎么可能？",
        right="库用了 Winograd：实际乘法次数比统计的少",
        wrong=(("GPU 自动提频（boost）了", "能提到 3.4 倍？boost 只有百分之几。"),
               ("用 FP16 跑的", "表里是 FP32，而且这一代 GPU 没有高速 FP16。"),
               ("特征图一直在缓存里", "缓存省的是访存，不会多出乘法器。")),
        why="理论 FLOPs 除以时间并不是硬件速率。F(4x4, 3x3) 的乘法次数只有 1/4，所以 38.1 对应的实际值约 9.5。"),
    "50.best_stride_2": Zh(
        text="步长 2、乘加次数固定时，c_out / c_in 取多少搬运量最小？",
        right="4",
        wrong=(("1", "这适用于两张特征图一样大的情形。这里输出特征图只有四分之一的元素。"),
               ("2", "边长缩小到 1/2，面积缩小到 1/4。"),
               ("0.25", "反了：较小的特征图才用得起更多通道。")),
        why="两张特征图的元素数应该相等：h·w·c_in = (h/2)·(w/2)·c_out。"),
    "50.fused_in_training": Zh(
        text="在训练模式下融合 RepVGG 的各分支，会出什么问题？",
        right="BN 用的是当前 batch 的统计量，还没有固定的卷积核",
        wrong=(("1x1 分支的 padding", "两种模式下都一样。"),
               ("ReLU 在求和之前", "两种模式下都在求和之后。"),
               ("卷积没有 bias", "不需要：BN 会带来 bias。")),
        why="只有用保存好的统计量，BN 才是固定的缩放加偏移。先调用 eval()。"),
    "50.fragments": Zh(
        text="FLOPs 相等的前提下，用四个并排的小卷积代替一个大卷积。ShuffleNet V2 的作者观察到什么？",
        right="GPU 上速度只剩 1/3.5，ARM 上略慢",
        wrong=(("速度一样，因为 FLOPs 一样", "GPU 上是每秒 2446 个 batch 对 691 个。"),
               ("两边都更快，因为分支同时跑", "小算子填不满 GPU，而且每个都有一次启动开销。"),
               ("只有 ARM 上变慢", "单个 ARM 核没多少可损失的：每秒 40.2 张对 35.0 张。")),
        why="碎片化让并行单元闲置，还增加启动次数。RepVGG 带分支训练，部署时没有分支。"),
    "50.same_flops": Zh(
        text="两个网络 FLOPs 相同，其中一个耗时是另一个的两倍。怎么查原因？",
        rubric=("计算强度：逐层看搬运的元素量",
                "depthwise 和逐元素（elementwise）层",
                "小算子多：启动开销和闲置单元",
                "通道数填不满硬件的 tile",
                "改结构之前，先在目标设备上做 profiling"),
        answer="在目标设备上对两个网络都做 profiling，按层列出耗时，旁边列上 MAC 数和搬运字节数。"
               "远低于峰值的层可以归成几类。FP32 下 depthwise 层约为每字节 2 FLOP，ReLU、add、concat 更低得多。"
               "FLOPs 再少，它们也受访存限制：做融合，或者少用。短小算子多，说明有启动开销和闲置单元："
               "像 RepVGG 那样合并分支。36 或 90 通道的层可能会补齐到 tile：把宽度取整。形状很好却仍然慢的稠密层，"
               "是 kernel 或数据排布选错了。到这时才去改结构，一次只改一处，再测。"),
}
