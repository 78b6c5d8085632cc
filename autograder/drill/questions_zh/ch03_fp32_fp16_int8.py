"""Chinese texts of chapter 3's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "03.weight_gb": Zh(
        text="一个 {billions}B 参数的模型，用 {dtype} 存储。权重占多少 GB（1e9 字节）？",
        explain="{billions}e9 个参数 × {size} B = {answer} GB。",
        traps=("这是 GiB（2^30 字节）。题目问的是 1e9 字节。", "这是 Gbit。1 字节是 8 bit。")),
    "03.weight_gib": Zh(
        text="一个 {billions}B 参数的模型，用 {dtype} 存储。权重占多少 GiB（2^30 字节）？",
        explain="{billions}e9 × {size} B 除以 1,073,741,824 B：{answer} GiB。数值比用 GB 表示时小 7%。",
        traps=("这是 GB（1e9 字节）。1 GiB 比 1 GB 大 7%。",)),
    "03.int8_sqnr": Zh(
        text="一个张量的最大绝对值是 {peak}，RMS 是 {rms}。做 per-tensor 的对称 INT8 量化（整个张量一个 scale），"
             "预计 SQNR 是多少 dB？",
        explain="步长是 {peak} / 127，误差在一个步长内均匀分布，功率为 step² / 12。"
                "所以 SQNR 是 52.87 dB − 20·log10({peak} / {rms}) = {answer} dB。",
        traps=(
            "峰值和 RMS 都是幅度量，比值要取 20·log10。",
            "峰值越大，每一步就越宽，SQNR 应该下降。",
            "漏了峰值因子：只有峰值等于 RMS、误差又均匀分布时才是 52.87 dB。还要减去峰值与 RMS 之比的 20·log10。")),
    "03.fp16_word": Zh(
        text="FP16 的编码 {word} 表示哪个数？它的各个位：{bits}。",
        explain="指数字段表示 2^({exponent} − 15)，尾数字段加上隐藏的 1 表示 1 + {mantissa}/1024，"
                "符号位是 {sign}：{answer}。",
        traps=(
            "尾数前面漏了隐藏的 1。",
            "FP16 的指数偏置是 15。",
            "127 是 FP32 和 BF16 的偏置。5 个指数位时偏置是 15。",
            "看一下符号位。")),
    "03.bits_per_weight": Zh(
        text="权重是 {b} bit。每 {g} 个权重为一组，每组存一个 FP16 的 scale，{zero}。平均每个权重占多少 bit？",
        explain="{b} bit，加上每组额外存的位数由 {g} 个权重分摊：{b} + ({stored}) / {g} = {answer} bit。",
        words={
            "no zero point": "没有零点",
            "a zero point of as many bits as a weight": "再加一个与权重位数相同的零点",
        },
        traps=(
            "scale 由整组共用，但也是要占空间的。",
            "再看一遍题目：除了 scale，每组还存不存别的。",
            "FP16 的 scale 是 16 bit。")),
    "03.accumulate": Zh(
        text="一个很长的求和，每个加数都在 FP16 的表示范围内。为什么 FP32 能算对，FP16 却可能算错？",
        right="用 FP16 把 1 一直累加，到 2048 就停住了：从那里起步长是 2",
        wrong=(
            ("指数位少，加法更慢", "快慢不影响结果。看相邻两个数之间的间隔。"),
            ("FP16 没有非规格化数", "有，正负各 1,023 个。它们在零附近才有意义，与很大的和无关。"),
            ("FP16 向零舍入", "它和 FP32 一样，舍入到最近的数，正中间时取偶数。不同的是步长。")),
        why="11 位有效位能表示到 2048 为止的每一个整数。2049 正好在两个可表示的数中间，舍入后又回到 2048。"),
    "03.worst_tensor": Zh(
        text="做 per-tensor 的 INT8 量化，哪种张量损失最大？",
        right="少数几个值远远偏离其余值的张量",
        wrong=(
            ("均匀分布的值", "它的峰值因子只有 4.8 dB，INT8 能到 48 dB。"),
            ("方差很大的高斯分布", "scale 会跟着方差走。20 万个值时 SQNR 仍在 40 dB 左右。"),
            ("常数", "常数会落在 127 或 −127 上，没有任何损失。")),
        why="scale 由最大值决定，几个离群值就会把其他所有值的步长撑大。"),
    "03.cpu_fp16": Zh(
        text="把模型转成 FP16，放到没有 FP16 运算单元的 CPU 上跑。你预计会怎样？",
        right="存储减半，但可能慢很多",
        wrong=(
            ("存储减半，时间也减半", "时间取决于做乘法的单元。这颗 CPU 没有 FP16 乘法单元。"),
            ("存储不变，因为会被扩成 FP32", "只在计算时扩展。在内存和文件里仍是每个数 2 字节。"),
            ("跑不起来", "能跑。数会先转换，或者用软件来算。")),
        why="字节数在任何机器上都会变少，速度却要靠硬件：没有硬件支持，每次运算都要先转换，或者落到慢 kernel 上。"),
    "03.edge_detector": Zh(
        text="给边缘设备上的目标检测模型选数值格式，你会怎么做？",
        rubric=(
            "硬件对哪些类型能全速做乘法",
            "权重、激活和累加器是三个独立的选择",
            "离群值：每个通道一个 scale，看峰值因子",
            "用真实图片校准，用任务指标（mAP）验证",
            "敏感的层保留更高精度"),
        answer="我先查芯片能全速做乘法的类型，常见的是 INT8 加 32 bit 累加器。权重按输出通道各用一个 scale，"
               "激活用几百张真实图片来校准。我比的是 mAP，而不是权重的误差。掉得太多的层（常常是首尾两层）保留 FP16。"
               "最后测延迟，因为格式转换也要花时间。"),
}
