"""Chinese texts of chapter 52's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "52.island_overhead": Zh(
        text="NPU 跑不了其中 {n} 个小算子，网络因此要回退 {n} 次。每次有 {kb} kB 传到主机、{kb} kB 传回来，"
             "速率 {bw} GB/s。每次拷贝的启动开销是 {dispatch} µs。这些拷贝一共要多少 µs？",
        explain="{n} · (2 · {kb} kB / {bw} GB/s + 2 · {dispatch} µs) = {answer} µs。1 kB 以 1 GB/s 传输要 1 µs。",
        traps=("张量还要传回来：每段两次拷贝。",
               "这只是一段。",
               "每次拷贝还有启动开销。",
               "两次拷贝，就有两次启动。")),
    "52.identity_loss": Zh(
        text="融入恒等分支后，一个卷积核的最大权重从 {before} 变成 {after}，权重平方和变成原来的 {power} 倍。"
             "整个张量共用一个 scale 做 INT8 量化时，SQNR 下降多少 dB？",
        explain="量化步长与 max|w| 成正比：噪声增加 20·log10({after} / {before}) dB。信号增加 10·log10({power}) dB。"
                "两者之差是 {answer} dB。",
        traps=("融合后的卷积核能量也变大了，要减去这一项。",
               "噪声功率与量化步长的平方成正比：20·log10。",
               "信号变强是好事，应该减去。")),
    "52.utilised": Zh(
        text="一个网络有 {mmacs} M 次乘加（MAC）。目标硬件峰值 {gmac} GMAC/s，实际能达到其中的 {use}%。计算要多少 ms？",
        explain="{mmacs} M / ({gmac} GMAC/s · {use}%) = {answer} ms。",
        traps=("这是按峰值算的，没有网络能跑到峰值。",
               "利用率低，时间会更长：应该除以它。",
               "这里两边都是 MAC，不需要乘 2。")),
    "52.repvgg_int8": Zh(
        text="RepVGG-A0 做标准的 INT8 训练后量化，精度从 72.4% 掉到 52.2%。为什么？",
        right="融合后的卷积核和激活都有离群值",
        wrong=(("3x3 卷积没法量化", "这恰恰是 INT8 硬件最喜欢的层。"),
               ("没有 BN 可以量化了", "折叠 BN 是常规做法，对 INT8 有好处。"),
               ("ReLU 截掉了负值", "ReLU 让激活更好量化，而不是更难。")),
        why="恒等分支让对角线上出现少数很大的权重，三个 BN 之和又把激活的范围拉宽。"
            "QARepVGG 改了 BN 的用法，INT8 下有 70.4%。"),
    "52.shuffle_cure": Zh(
        text="ShuffleNetV2 在一块没有 Transpose 的 NPU 上很慢。在保留已训练权重的前提下，最省事的解法是什么？",
        right="把每个 shuffle 改写成 one-hot 权重的 1x1 卷积",
        wrong=(("加大 batch", "每个 batch 照样回退 16 次。"),
               ("用 FP32 代替 INT8", "这个算子在任何精度下都没有。"),
               ("去掉 shuffle", "那就是另一个函数了，网络得重新训练。")),
        why="shuffle 就是一个置换，1x1 卷积可以实现置换，输出不变。代价是 MAC：从 144.9 M 增加到 313.7 M。"),
    "52.depthwise_x3": Zh(
        text="地平线 X3 的 BPU 对 depthwise 卷积的支持如何？",
        right="专门为它做了优化，官方指南还推荐 MobileNetV2",
        wrong=(("不支持", "官方指南推荐的网络就是由它们搭成的。"),
               ("和所有 NPU 一样，跑得慢", "很多 NPU 是这样。要看厂商的指南，而不是看芯片的类别。"),
               ("交给 CPU 跑", "它们在 BPU 上跑。")),
        why="depthwise 慢不慢取决于计算阵列。地平线的指南明确说，其架构就是为 group 卷积和 depthwise 卷积设计的。"),
    "52.fold_or_not": Zh(
        text="ShuffleNetV2 的 16 个 shuffle，为什么不能全都零成本地折叠进下一层？",
        right="16 个单元里有 15 个，shuffle 后的通道会被 split，或者被不止一层读取",
        wrong=(("下一个卷积有 bias", "bias 是之后才加的，不受影响。"),
               ("折叠只是近似", "折叠是精确的：只是列换了位置。"),
               ("one-hot 权重没法量化", "0 和 1 在 INT8 里都是精确的。")),
        why="一半通道原样往下传，在下一个单元、再下一个单元里继续被读。只有最后一个 shuffle，"
            "唯一的读者是一个稠密 1x1 卷积。"),
    "52.order_of_checks": Zh(
        text="要为一块新 NPU 比较五个 backbone。你先查什么？",
        right="是否每个算子都能在设备上跑",
        wrong=(("参数量", "它和耗时关系不大。"),
               ("ImageNet 精度", "再好的网络，在上面跑不起来也没用。"),
               ("MAC 数", "16 次小回退的代价，可能超过 1.6 亿次 MAC。")),
        why="查算子覆盖只要一分钟，也不需要训练好的权重。之后依次是预估或实测延迟、尽早做一次 INT8 测试，"
            "最后才是训练。"),
    "52.detector_choice": Zh(
        text="为一块 5 TOPS 的 NPU 选一个检测 backbone，并说明理由。",
        rubric=("支持的算子列表，对导出的图做切分",
                "INT8 精度的预案，并尽早测试",
                "通道数能填满阵列的粒度",
                "在设备上实测延迟，不靠 TOPS 推算",
                "回退的预案，以及许可证"),
        answer="我用随机权重导出三个候选，按厂商的算子列表切图：会回退的部分要么改写，要么淘汰。剩下的在板子上测延迟，"
               "因为 5 TOPS 说明不了 depthwise 层和访存的情况。宽度取阵列粒度的整数倍；Swish 要查表的话，就改用 ReLU。"
               "然后量化一个预训练 checkpoint：如果普通校准掉点超过 1 个点，先看 per-channel scale，再看量化感知训练；"
               "我宁可选 MobileNetV2 或 QARepVGG，也不选会掉 20 个点的 RepVGG。"
               "最后写清楚哪些留在 CPU 上（比如框的解码），占多少时间预算，以及代码的许可证。"),
}
