"""Chinese texts of chapter 2's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "02.peak": Zh(
        text="一颗 CPU 有 {cores} 个核，主频 {ghz} GHz。每个核有 {units} 个 {bits} bit 的向量 FMA 单元。"
             "它的 FP32 峰值是多少 GFLOP/s？",
        explain="{bits} / 32 = {lanes} 个 lane。{cores} × {ghz} GHz × {lanes} 个 lane × {units} 个单元 × 2 次运算 = "
                "{answer} GFLOP/s。",
        traps=(
            "一次 FMA 算两次运算。",
            "FP32 的一个 lane 是 32 bit，不是 8 bit。",
            "这是每个核只有一个向量单元的情况。",
            "这是单核的峰值。")),
    "02.headroom": Zh(
        text="VPMADDUBSW 把两个“激活 × 权重”的乘积相加，激活都是 {a}，权重都是 {w}（两对相同）。"
             "精确的和比 32,767 小多少？（如果超过了，用负数表示超出多少。）",
        explain="2 × {a} × {w} = {sum}，所以差值是 32,767 − {sum} = {answer}。若为负，说明指令会饱和，返回 32,767。",
        traps=(
            "这只是一个乘积。这条指令把两个相加。",
            "符号反了：题目问的是 32,767 减去和。",
            "这 16 bit 是有符号的，最大只到 32,767。")),
    "02.smmla": Zh(
        text="用 SMMLA 计算 ({m}, {k}) 乘 ({k}, {n}) 的 INT8 矩阵乘法，需要多少条指令？"
             "（一条指令完成一个 2 × 8 乘 8 × 2 的小块。）",
        explain="⌈{m}/2⌉ × ⌈{n}/2⌉ × ⌈{k}/8⌉ = {tm} × {tn} × {tk} = {answer}。",
        traps=(
            "边角也要各占一条指令：应向上取整。",
            "这是乘加次数；一条指令做 32 次。",
            "没填满的 tile 不能合并：每个维度要分别向上取整。")),
    "02.energy": Zh(
        text="一台服务器功耗 {watts} W，每秒完成 {rate} 次推理。每次推理消耗多少毫焦？",
        explain="每秒 {watts} J，除以每秒 {rate} 次推理，每次 {answer} mJ。",
        traps=("这是焦耳。1 J 等于 1000 mJ。", "这是每焦耳能做的推理次数，正好反了。")),
    "02.low_power": Zh(
        text="大多数 Arm 芯片的功耗比大多数 x86 芯片低。主要原因是什么？",
        right="它们通常就是按更低的功耗目标设计的",
        wrong=(
            ("指令简单，译码器也就简单", "实测两种指令集的核，差别来自设计时的性能目标，而不是指令集。"),
            ("它们的指令是 32 bit 的", "指令长度说明不了工作量和功耗：一条 32 bit 的 SMMLA 就做 32 次乘加。"),
            ("它们没有 cache", "有的。Graviton3 有 64 MB 的 L2。")),
        why="Blem 等人（2013）实测了两类核：指令集带来的差别微不足道。手机芯片按几瓦来设计，"
            "而 6 W 的 x86 芯片同样存在。"),
    "02.avx2_accuracy": Zh(
        text="一个 INT8 模型在 AVX2 服务器上掉精度，在支持 VNNI 的服务器上却不掉。最可能的原因是什么？",
        right="前者把乘积两两相加时，在 16 bit 上饱和了",
        wrong=(
            ("权重的舍入方式不同", "同一个文件里是同样的整数，不同的只有求和。"),
            ("非规格化数被刷成了零", "整数没有非规格化数。"),
            ("字节序不同", "两者都是小端；而且字节序真错了，结果会全乱。")),
        why="VPMADDUBSW 把两个乘积加到 16 bit 里，VPDPBUSD 把四个加到 32 bit 里。"
            "权重改用 7 bit（reduce_range）就能解决。"),
    "02.isa_and_speed": Zh(
        text="要判断一颗 CPU 的 INT8 速度，哪个信息最有用？",
        right="它的点积或矩阵扩展指令",
        wrong=(
            ("是 x86 还是 Arm",
             "两边都有快有慢：每周期运算数 Cortex-A76 是 64，Neoverse V1 是 256，Zen 4 是 128，带 AMX 的是 2,048。"),
            ("指令的长度", "A64 的指令全是 4 字节，从加法到 SMMLA 都一样。"),
            ("硬件线程数", "同一个核上的线程共用向量单元。")),
        why="最宽的 INT8 指令每周期的运算数，乘核数，再乘主频。"),
    "02.graviton": Zh(
        text="要把一个推理服务从 x86 迁到 Graviton，你会检查什么？",
        rubric=(
            "kernel 和库：有没有 arm64 版本，带 oneDNN + Arm Compute Library、KleidiAI 或运行时自己的 kernel",
            "指令扩展：点积、I8MM、BF16、SVE；运行时实际用到了哪些",
            "数值测试：同样的输入，对比两台机器的输出，先看 INT8",
            "在你的负载下看 p99 延迟和单次结果的成本，而不是每小时的单价",
            "容器镜像、原生 wheel 和自定义算子的 arm64 版本"),
        answer="先看 arm64 上东西全不全：镜像、wheel、自定义算子。"
               "再看运行时有没有针对这颗芯片扩展指令（I8MM、BF16、SVE）的 kernel。"
               "然后用同样的输入对比两台机器的输出：旧机器可能一直在饱和，或者被校准掩盖了。接着测计划负载下的 p99，"
               "以及每百万次结果多少美元。自己写了多线程的代码也要查一遍：Arm 的内存序更弱。"),
}
