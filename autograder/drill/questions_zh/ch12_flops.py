"""Chinese texts of chapter 12's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "12.conv_gmacs": Zh(
        text=(
            "一个 {k} × {k} 卷积，stride 为 {stride}，padding 为 {pad}，输入是 {c_in} 通道、{n} × {n} 的特征图，"
            "输出 {c_out} 个通道。处理一张图需要多少 GMAC（1 GMAC = 1e9 次 MAC）？"),
        explain=(
            "输出边长为 floor(({n} + 2·{pad} − {k}) / {stride}) + 1，即 {n} 的一半。"
            "MAC 数 = 边长² × {c_out} × {c_in} × {k}²，结果是 {answer} GMAC。"),
        traps=(
            "这是按输入尺寸算的。stride 为 2 时，输出位置只有四分之一。",
            "这是 FLOPs，题目问的是 MAC 数。",
            "这是 depthwise 卷积的算法。这里每个输出通道都要用到所有输入通道。",
        ),
    ),
    "12.prefill": Zh(
        text=(
            "某语言模型参与矩阵乘的权重有 {billions}B（1B = 10 亿）个，芯片峰值算力为 {tflop_s} TFLOP/s，"
            "利用率为 {percent}%。处理一条 {n} 个 token 的 prompt 需要多少秒？不计 attention。"),
        explain=(
            "每个权重、每个 token 需要 2 FLOPs：2 × {billions}e9 × {n}，再除以 {tflop_s}e12 FLOP/s 的 {percent}%，"
            "得 {answer} s。"),
        traps=(
            "每个权重要做一次乘法和一次加法，即 2 FLOPs。",
            "这是 100% 跑满峰值时的时间。",
            "每个权重 6 FLOPs 是训练的开销。处理 prompt 只需要前向。",
        ),
    ),
    "12.training_days": Zh(
        text=(
            "用 {chips} 块峰值 {tflop_s} TFLOP/s 的芯片，以 {percent}% 的 MFU，"
            "在 {trillions}T（万亿）个 token 上训练一个 {billions}B（十亿）参数的模型，需要多少天？不计 attention。"),
        explain=(
            "总计算量 6·N·D = 6 × {billions}e9 × {trillions}e12 FLOPs，"
            "除以 {chips} × {tflop_s}e12 FLOP/s × {percent}%，再除以一天的 86,400 s：{answer} 天。"),
        traps=(
            "2·N·D 只是前向。反向的计算量是前向的两倍，还要再加上。",
            "这是假设 100% 跑满峰值。要除以 MFU。",
            "这是小时数。",
            "8·N·D 把重计算也算进去了，而 MFU 不计重计算。",
        ),
        words={"days": "天"},
    ),
    "12.separable": Zh(
        text=(
            "一个 {k} × {k}、stride 为 1 的卷积，输入 {c_in} 通道，输出 {c_out} 通道。"
            "把它换成 {k} × {k} 的 depthwise 卷积加 1 × 1 的 pointwise 卷积，MAC 数缩小多少倍？"),
        explain=(
            "每个位置原来要 {c_in}·{c_out}·{k}² 次，现在要 {c_in}·{k}² + {c_in}·{c_out} 次。"
            "两者之比为 1 / (1/{c_out} + 1/{k}²) = {answer}，输入通道数被约掉了。"),
        traps=(
            "漏了 depthwise 层，它也是有开销的。",
            "漏了负责混合通道的 pointwise 层。",
            "这是新开销与旧开销之比。题目问的是缩小的倍数。",
        ),
    ),
    "12.factor_two": Zh(
        text="论文给出 ResNet-50 为 4.1 GFLOPs，而你的 profiler 显示 8.2 GFLOPs。最可能的原因是什么？",
        right="论文数的是乘加（MAC），profiler 把乘法和加法分开数",
        wrong=(
            ("profiler 跑的 batch 是 2", "有可能，但 MAC 与 FLOPs 之间的两倍关系在 batch 为 1 时同样存在。"),
            ("论文用的是 FP16，profiler 用的是 FP32", "运算次数与数据格式无关。"),
            ("profiler 统计的是训练", "一个训练 step 大约是前向的三倍，不是两倍。"),
        ),
        why="输入为 224 × 224 时，ResNet-50 需要 4.09 G 次乘加。乘法和加法分开数就是 8.2 G。",
    ),
    "12.double_side": Zh(
        text="把卷积网络输入图像的高和宽都加倍。卷积层的参数量和 MAC 数各变为几倍？",
        right="参数量 × 1，MAC 数 × 4",
        wrong=(
            ("参数量 × 2，MAC 数 × 4", "卷积核与图像尺寸无关，权重个数不变。"),
            ("参数量 × 1，MAC 数 × 2", "高和宽都加倍，位置数是原来的四倍。"),
            ("参数量 × 4，MAC 数 × 4", "只有作用在展平图像上的全连接层才会这样增长。"),
        ),
        why="同样的卷积核，作用的位置数变成四倍。",
    ),
    "12.zero_attention": Zh(
        text="模型明明算了 attention，FLOP 统计工具却报 0。为什么？",
        right="跑的是融合算子，统计工具没有对应的计算规则",
        wrong=(
            ("softmax 没有开销", "它开销小，但不是零。而且前后那两个矩阵乘才是大头。"),
            ("设备处于空闲状态", "FLOP 统计工具根据算子的 shape 计数，不测量任何设备。"),
            ("因果 mask 省掉了这部分计算", "最多省一半，而且统计工具连这一半都不会扣。"),
        ),
        why="统计工具按算子查公式，没有公式的就记为 0，所以要用解析公式核对一遍。",
    ),
    "12.no_faster": Zh(
        text="模型 B 的 FLOPs 只有模型 A 的 1/8，却没有更快。请解释原因，并说说你会怎么做。",
        rubric=(
            "FLOPs 只约束计算时间：算术强度低时，耗时由访存决定（roofline）",
            "有些算子只能达到峰值的一小部分：depthwise 卷积、归一化、逐元素层",
            "kernel launch 开销与 batch 大小：小层一多，每层都要付一份时间",
            "布局与数据类型：格式转换，通道数与硬件不匹配",
            "先逐层测量，再改网络结构",
        ),
        answer=(
            "FLOPs 只给出时间的下界，而且只有在计算是瓶颈时才有意义。depthwise 层计算少、访存多，"
            "小层每次 launch 都有固定开销。先逐层计时，把各层放到 roofline 图上，再做融合、加大 batch、改布局，"
            "或者换成更少、更稠密的层。"),
    ),
}
