"""Chinese texts of chapter 17's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "17.dense_tops": Zh(
        text=(
            "一份宣传册上写着：{bits} bit、{kind}、{headline} TOPS。该芯片位数减半，速度就翻倍。"
            "换算成 8 bit 的稠密算力是多少 TOPS？"),
        explain="{why}：{headline}/{factor} = {answer} TOPS。",
        traps=(
            "这是标称值本身。",
            "你多减半了一次：稀疏只算一次，位数每翻一倍也只算一次。",
            "这里有两件事要看：稀疏和位数。两样都要核对。",
        ),
        words={
            "sparse": "稀疏", "dense": "稠密",
            "Half of the operations of a sparse headline are skipped zeros":
                "稀疏标称值里有一半操作是被跳过的零，要减半",
            "From 4 to 8 bit the rate halves": "从 4 bit 换到 8 bit，速度减半",
            "Half of the operations of a sparse headline are skipped zeros, and from 4 to 8 bit the rate halves":
                "稀疏标称值里有一半操作是被跳过的零，要减半；从 4 bit 换到 8 bit，再减半一次",
        },
    ),
    "17.bus": Zh(
        text="某芯片的 DRAM 总线宽 {bits} bit，速率 {rate} MT/s（每秒百万次传输）。带宽是多少 GB/s？",
        explain="{bits}/8 字节乘以 {rate} MT/s：{answer} GB/s。",
        traps=(
            "这是 Gbit/s。",
            "速率数的已经是传输次数，不是时钟数。",
            "这是 MB/s。",
        ),
    ),
    "17.compute_time": Zh(
        text=(
            "某网络有 {macs}G（十亿）次 MAC，芯片的稠密算力为 {tops} TOPS，能达到峰值的 {util}%。"
            "一帧的计算要多少 ms？"),
        explain="2 · {macs}G 次操作，除以每秒 {tops}T · {util}% 次操作：{answer} ms。",
        traps=(
            "TOPS 里一次 MAC 算两次操作。",
            "芯片只能达到峰值的一部分。",
            "一次 MAC 是两次操作，而且只能达到峰值的一部分。",
        ),
    ),
    "17.energy": Zh(
        text="某盒子功耗 {watts} W，每秒处理 {fps} 帧。一帧耗能多少 mJ？",
        explain="每秒 {watts} 焦耳除以每秒 {fps} 帧，换算成毫焦：{answer} mJ。",
        traps=(
            "这是焦耳。",
            "要用除法：各帧分摊一秒的焦耳数。",
            "这是每焦耳的帧数。",
        ),
    ),
    "17.used_share": Zh(
        text=(
            "一颗稠密算力 {tops} TOPS 的芯片，以每秒 {fps} 帧跑一个 {macs}M（百万）次 MAC 的网络。"
            "用到了峰值的百分之多少？"),
        explain="2 · {macs}M 次操作乘以 {fps}，再除以 {tops}T：{answer}%。",
        traps=(
            "一次 MAC 是两次操作。",
            "这是小数形式的占比，题目要的是百分数。",
        ),
    ),
    "17.int4_headline": Zh(
        text="某厂商标称 INT4 下 72 TOPS。这颗芯片在 INT8 下是多少 TOPS？",
        right="以厂商的说法为准：这里是 18",
        wrong=(
            ("72", "8 位数的运算需要更大的乘法器，芯片上的数量也就更少。"),
            ("36，总是减半", "减半很常见，没有标注时是合理的猜测。但这家厂商标的是 18，即四分之一。"),
            ("144", "位数变多，绝不会换来更多的操作。"),
        ),
        why="位宽每变一档，算力损失多少是芯片自身的特性。AX650N 在 INT4 下为 72 TOPS，在 INT8 下为 18 TOPS。",
    ),
    "17.hisilicon_ascend": Zh(
        text="某答案把海思（HiSilicon）和昇腾（Ascend）列为两个平台。它们实际上是什么？",
        right="同一集团的一家公司和一条产品线",
        wrong=(
            ("竞争对手", "两者都属于华为：海思设计芯片，昇腾 310 就是在海思自己的网站上发布的。"),
            ("两家 GPU 厂商", "昇腾芯片是 NPU，海思的摄像头芯片里也有 NPU。"),
            ("两家美国公司", "两者都属于深圳的华为。"),
        ),
        why="海思是华为的芯片公司，昇腾是其 AI 处理器系列。面向边缘的是昇腾 310。",
    ),
    "17.power_mode": Zh(
        text="某模组标称 275 TOPS、“15 到 60 W”。在 15 W 时它有多少 TOPS？",
        right="少得多：峰值属于最高功耗档",
        wrong=(
            ("275", "要降频才能压到 15 W。NVIDIA 的 AGX Orin 表格给出的是 54。"),
            ("恰好 275/4", "功耗不会随速度按比例下降。要查各档位的表。"),
            ("取决于 batch", "batch 影响的是峰值用到多少，而不是某个档位的峰值。"),
        ),
        why="Jetson AGX Orin 64GB：NVIDIA 的档位表中，稀疏算力在不限功耗时为 276 TOPS（宣传册取整为 275），"
            "30 W 时 131，15 W 时 54。",
    ),
    "17.nvr": Zh(
        text="为一台带 16 路摄像头的录像机（NVR）选择平台。",
        rubric=(
            "解码：16 路，按每秒百万像素来算",
            "网络的预算：每秒帧数乘以 MAC 数，峰值只按实测占比计",
            "DRAM：供帧和网络用的带宽与容量",
            "工具链：哪些算子能跑在 NPU 上，模型怎么转换，INT8 精度",
            "供货、价格和支持年限",
            "封闭机箱里的功耗与散热",
        ),
        answer=(
            "我从硬性条件开始：16 路 1080p、25 fps 必须能解码，没有这种编解码器的芯片就排除掉。然后看网络："
            "每秒 400 帧乘以每帧的操作次数，除以能用到的那部分峰值；这个占比取自公开的或自己对相近网络的实测，"
            "比如 10%。视频帧和网络共用 DRAM，所以把每秒字节数加起来，保持在带宽的 60% 以下。"
            "所有 TOPS 都折算成稠密 INT8，没有给出的数据就按未知处理。剩下两三颗芯片，为每一颗转换自己的模型，"
            "看哪些算子回退到 CPU、INT8 精度如何，连续几小时测帧率和温度，再比较价格、供货和支持。"),
    ),
}
