"""Chinese texts of chapter 11's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "11.conv_count": Zh(
        text="一个 {k} × {k} 卷积把 {c_in} 个通道变成 {c_out} 个，分 {groups} 组，{with}偏置。它有多少参数？",
        explain="{c_out} 个卷积核，每个深 {c_in} / {groups}、大小 {k} × {k}；如果带偏置，{c_out} 个输出各一个："
                "{answer}。",
        words={"with": "带", "without": "不带"},
        traps=(
            "漏了分组：一个卷积核只看自己组里的输入通道。",
            "再看一下偏置：如果带，每个输出通道一个。",
            "你除了两次组数。输出通道并没有变少。")),
    "11.encoder_millions": Zh(
        text="一个类似 BERT 的 encoder，{layers} 层，宽度 {d}；前馈部分宽度 {d_ff}，有两个矩阵；词表 {vocab}，"
             "512 个可学习的位置编码。参数量是多少 M（百万）？误差 0.5% 以内即可；没有 pooler。",
        explain="每层 attention 是 4·d²，前馈是 8·d²；两张表共 ({vocab} + 512)·d。加上偏置和 norm：{answer} M。",
        words={"million": "M"},
        traps=(
            "漏了词表 × 宽度的 embedding 表。",
            "没有输出头的 encoder 只有一张词表大小的表。",
            "这里的前馈部分是两个 d × 4d 的矩阵，不是三个。",
            "前馈部分有升维和降维两个矩阵：8·d²。")),
    "11.gqa_attention": Zh(
        text="一个宽度 {d} 的 decoder，有 {heads} 个 {head_dim} 维的 query head 和 {kv} 个 KV head。"
             "一层的 attention 投影矩阵共有多少参数？没有偏置。",
        explain="Q 和 O 各 {d}²，K 和 V 各 {d} × {kv}·{head_dim}：{answer}。",
        traps=(
            "这是普通的多头注意力。这里 K 和 V 的列数更少。",
            "漏了输出投影 O。",
            "K 和 V 是两个矩阵。",
            "这是只有一个 KV head 的情况。")),
    "11.active_share": Zh(
        text="一个 MoE 模型有 {layers} 层，宽度 {d}，普通的多头注意力（4·d²）；"
             "每层有 {experts} 个宽度为 {d_ff} 的门控专家，每个 token 用其中 {k} 个；另有两张 {vocab} × d 的表。"
             "激活参数占百分之多少？不计 norm 和 router，两张表都算激活。",
        explain="一个专家是 3·d·{d_ff}。激活的是两张表、attention 和每层 {experts} 个专家中的 {k} 个；"
                "存储的是全部专家。占比 {answer}%。",
        traps=("attention 和两张表全部算激活：闲置的只有专家。", "这是闲置的比例。")),
    "11.larger_image": Zh(
        text="输入图片从 224 × 224 换成 448 × 448。卷积的参数量会怎样？",
        right="不变",
        wrong=(
            ("变成两倍", "卷积核在图像上滑动，同一组权重用在更多位置上而已。"),
            ("变成四倍", "变成四倍的是 MACs 和激活，卷积核不变。"),
            ("取决于步长", "步长改变的是位置的个数，不是权重。")),
        why="卷积的权重数是 c_out × (c_in / groups) × k × k，里面没有图像尺寸。"),
    "11.only_in_state_dict": Zh(
        text="下面哪个在模型的 `state_dict` 里，却不在 `parameters()` 里？",
        right="batch norm 的滑动均值",
        wrong=(
            ("卷积的偏置", "它参与训练，所以是参数。"),
            ("batch norm 的缩放系数 gamma", "缩放和平移都参与训练，是参数。"),
            ("embedding 矩阵", "它和别的矩阵一样参与训练。")),
        why="滑动统计量是 buffer：会保存和加载，但不由梯度更新。"),
    "11.separable_ratio": Zh(
        text="一个输入、输出都是 256 通道的 3 × 3 卷积，换成 depthwise 3 × 3 加 pointwise 层。权重是原来的几分之一？",
        right="约 1/8.7",
        wrong=(
            ("正好 1/9", "只有 pointwise 层才是这样。depthwise 层还要加 9 × 256 个权重。"),
            ("1/256", "只有 depthwise 层才是这样。pointwise 层要混合通道，大得多。"),
            ("1/3", "原来的层有 9·256² 个权重，这一对是 9·256 + 256²。")),
        why="589,824 个权重变成 2,304 + 65,536 = 67,840 个：约为原来的 1/8.7。"),
    "11.same_count": Zh(
        text="两个模型参数量相同，延迟和内存却可能差十倍。为什么？",
        rubric=(
            "权重的复用：卷积的权重每个位置都用一次，线性层只用一次，所以 FLOPs 不同",
            "激活：大小取决于分辨率、batch 和深度，与参数量无关",
            "访存量和算术强度：有些层在等内存",
            "算子支持和并行度：有些层与硬件不匹配",
            "token 用不到的专家，或每个权重的位数不同"),
        answer="参数量只说明存了多少权重，每个权重用多少次是另一回事：AlexNet 有 61M 参数、0.7 GMACs，"
               "ResNet-50 有 26M 参数、4.1 GMACs。激活取决于分辨率和 batch。depthwise 层搬的字节多、做的运算少，"
               "MoE 则大部分权重没用到。同样的参数量，每个权重可以占 4 字节，也可以只占半个字节。"),
}
