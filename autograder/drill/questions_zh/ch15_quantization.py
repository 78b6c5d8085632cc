"""Chinese texts of chapter 15's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "15.zero_point": Zh(
        text="激活值在 {lo} 到 {hi} 之间，非对称量化到 {kind}。零点（zero point）四舍五入到整数是多少？",
        explain="scale 为 ({hi} − {lo}) / 255。lo 落在 {qmin}，从它数到零是 {place} 步。"
                "{qmin} + {place}，取整后：{answer}。",
        traps=(
            "这是编码区间从另一端开始时的零点。lo 落在哪里？",
            "要四舍五入到最近的整数。",
            "步数应从 lo 数起，而不是从 hi 数起。",
        ),
        words={"uint8 (0 … 255)": "uint8（0 … 255）", "int8 (−128 … 127)": "int8（−128 … 127）"},
    ),
    "15.scale": Zh(
        text="激活值在 {lo} 到 {hi} 之间，非对称量化到 {kind}。scale 是多少？",
        explain="256 个编码之间有 255 步：({hi} − {lo}) / 255 = {answer}。",
        traps=(
            "256 个编码之间只有 255 步。",
            "这是覆盖关于零对称的范围时的 scale。",
        ),
        words={"uint8 (0 … 255)": "uint8（0 … 255）", "int8 (−128 … 127)": "int8（−128 … 127）"},
    ),
    "15.round_trip": Zh(
        text="某 int8 张量的 scale 为 {scale}，零点为 {z}。x = {x} 量化再反量化后得到什么值？",
        explain="{x} / {scale} 取整得 q − z = {q} − {z}，再乘 scale：{answer}。",
        traps=(
            "相乘之前要先减去零点。",
            "这是量化后的编码。题目问的是它所代表的值。",
            "你做的是截断。应取最近的编码。",
            "这是 x 本身。反量化只能得到 scale 的整数倍。",
        ),
    ),
    "15.longest_sum": Zh(
        text="{kinds}，零点均为 0，累加器为有符号 32 位。最多累加多少个乘积，仍能保证绝不溢出？",
        explain="乘积的绝对值最大为 {product}。用 2^31 − 1 除以它，向下取整：{answer}。",
        traps=(
            "累加器是有符号的，最大值为 2^31 − 1。",
            "这是 16 位累加器的结果。",
            "最小的负编码在绝对值上比最大的正编码大 1。",
        ),
        words={
            "uint8 activations and int8 weights": "uint8 激活、int8 权重",
            "int8 activations and int8 weights": "int8 激活、int8 权重",
            "uint8 activations and uint8 weights": "uint8 激活、uint8 权重",
            "uint8 activations and int4 weights (−8 … 7)": "uint8 激活、int4 权重（−8 … 7）",
            "int16 activations and int8 weights": "int16 激活、int8 权重",
            "int4 activations and int4 weights (−8 … 7)": "int4 激活、int4 权重（−8 … 7）",
            "uint4 activations and int8 weights": "uint4 激活、int8 权重",
            "int8 activations and int4 weights (−8 … 7)": "int8 激活、int4 权重（−8 … 7）",
        },
    ),
    "15.sqnr_gain": Zh(
        text="对一个张量做均匀量化，步长足够细且没有饱和。位宽用 {second} bit 而不是 {first} bit，SQNR 提高多少 dB？",
        explain="每多一位，步长减半；幅度减半就是噪声降低 6.02 dB：{answer} dB。",
        traps=(
            "步长是幅度量，要用 20·log10。",
            "这是均匀分布信号的 SQNR 总值，不是增量。",
            "这是位数。每一位约值 6 dB。",
        ),
    ),
    "15.exact_zero": Zh(
        text="为什么实数 0 必须恰好对应一个编码？",
        right="padding、ReLU 和空位都恰好是 0，这里若有误差，每次求和都会重复出现",
        wrong=(
            ("可以省内存", "零点要占字节，并不省内存。"),
            ("可以避免除以零", "做除数的是 scale，它永远不为 0。零点只参与加法。"),
            ("否则硬件没法做加法", "整数单元什么编码都能加。出错的是 padding 的含义。"),
        ),
        why=(
            "如果 0 反量化成 0.007，那么每个 padding 位置和每个被 ReLU 截成 0 的值，"
            "都会把 0.007 乘以对应权重加进和里。"),
    ),
    "15.old_laptop": Zh(
        text=(
            "一个 uint8 激活、int8 权重的 INT8 模型，在支持 VNNI 的服务器上结果正确，"
            "在只有 AVX2 的旧笔记本上结果错误。可能的原因是什么？"),
        right="VPMADDUBSW 把两个乘积相加时按 16 位饱和：255 · 127 · 2 = 64,770，放不下",
        wrong=(
            ("笔记本遇到 .5 时的舍入方式不同", "那只会让个别编码差 1。这里是两个乘积之和被截到了上限。"),
            ("笔记本的字节序不同", "两者都是 x86、小端，而且单个字节不存在字节序。"),
            ("它的 int32 累加器太短", "要 65,793 个这样的乘积，int32 才可能溢出。16 位先撑不住。"),
        ),
        why=(
            "这条指令做无符号字节乘有符号字节，每对乘积之和在 32,767 处饱和。"
            "用 7 位权重（reduce_range）或换操作数类型可以避开；VNNI 直接累加到 32 位。"),
    ),
    "15.weight_only": Zh(
        text="一个语言模型的权重从 FP16 变为 INT4，激活仍是 FP16。什么会缩小到约四分之一？",
        right="权重的字节数，以及加载权重的访存量",
        wrong=(
            ("乘加次数", "每个权重仍要乘一次。它先反量化，乘法在 16 位下进行。"),
            ("KV cache", "里面存的是激活，没有动过。"),
            ("每一步的耗时",
             "只有等权重字节的步骤会变快，即小 batch 的 decode。长 prompt 受限于计算，而计算量没变。"),
        ),
        why="仅权重（weight-only）量化省的是字节。计算和激活都和以前一样。",
    ),
    "15.dynamic": Zh(
        text="动态量化中的 *动态* 是什么意思？",
        right="激活的范围在模型运行时才确定",
        wrong=(
            ("模型在训练过程中量化", "那是量化感知训练（QAT）。动态量化在训练之后进行。"),
            ("每层的位宽不同", "那是混合精度。动态说的是范围在什么时候确定。"),
            ("每来一个输入，权重就重新量化一次", "权重不变，只在生成模型文件时量化一次。"),
        ),
        why="静态量化用校准数据得到的范围。动态量化对每个输入现算范围，要花时间，但不需要校准。",
    ),
    "15.one_convolution": Zh(
        text="请从输入编码讲到输出编码，完整走一遍 INT8 卷积。",
        rubric=(
            "输入 uint8 或 int8，一个 scale 加一个零点；权重 int8，每个输出通道一个 scale，零点为 0",
            "padding 用零对应的编码，而不是编码 0",
            "乘积在 int32 中累加；输入零点带来的项对每个通道是常数，并入偏置",
            "偏置为 int32，单位是 s_x · s_w",
            "按 s_x · s_w / s_y 重量化：每通道一个整数乘子和移位，舍入，再加输出零点",
            "饱和；下限取零点时，就等于做了 ReLU",
        ),
        answer=(
            "输入是 uint8，有一个 scale 和一个零点；权重是 int8，每个输出通道一个 scale。边界用输入的零点来填充。"
            "乘积累加到 int32 累加器中。零点的修正项对每个通道是常数，与偏置一起加上，偏置以 s_x s_w 为单位存储。"
            "再把和按 s_x s_w / s_y 缩放，做法是每通道一个整数乘法加一个带舍入的移位。最后加上输出零点并做饱和。"
            "如果下限就是零点，ReLU 也就顺带做了。"),
    ),
}
