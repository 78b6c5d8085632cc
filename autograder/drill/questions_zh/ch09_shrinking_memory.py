"""Chinese texts of chapter 9's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "09.weights_gb": Zh(
        text="一个 {billions}B 参数的模型，按 {bits} bit 存储，每 {group} 个为一组。"
             "每组有一个 16 bit 的 scale{kind}。权重占多少 GB（10^9 字节）？",
        explain="每个权重 ({bits} + (16 + {zero}) / {group}) bit，乘以 {billions}e9，除以 8：{answer} GB。",
        words={
            " and a zero point of 4 bits": " 和一个 4 bit 的零点",
            " and a zero point of 8 bits": " 和一个 8 bit 的零点",
        },
        traps=(
            "漏了每组除权重之外还要存的内容。",
            "这是 Gbit。",
            "这是 FP16 的大小。",
            "这是给每个权重都配了一个 scale。")),
    "09.chain_peak": Zh(
        text="一串没有跳连的层，从输入开始，依次传递大小为 {told} MB 的张量。每个张量都尽早释放。"
             "峰值时有多少 MB 是活着的？",
        explain="一层同时需要自己的输入和输出：相邻两个之和的最大值是 {answer} MB。",
        traps=(
            "这是把所有张量都留着。用它的层跑完之后，张量就可以释放了。",
            "这只是最大的那个张量。它相邻的那个同时也活着。",
            "这两个张量不一定相邻。")),
    "09.kv_bytes": Zh(
        text="一个 decoder 有 {layers} 层，{heads} 个 query head 和 {kv} 个 KV head，head 维度为 {dim}。"
             "KV cache 用 {kind}。{batch} 条序列、每条 {context} 个 token 时，KV cache 占多少字节？",
        explain="2（K 和 V）· {layers} · {kv} · {dim} · {context} · {batch} · {item} B = {total} B。",
        traps=(
            "你数的是 query head。存下来的只有 KV head。",
            "这只有 K。V 也一样大。",
            "这只是一条序列。每条都有自己的 cache。",
            "这是值的个数，还要乘以每个值的字节数。",
            "看 cache 的类型：FP8 是 1 字节。")),
    "09.group_size": Zh(
        text="{bits} bit 的权重分组，每组共用一个 16 bit 的 scale{kind}。全部算在内，"
             "平均每个权重最多占 {target} bit。满足要求的最小组是多少个权重？",
        explain="每组多出 {extra} bit，而每个权重只允许多 {room} bit：{extra} / {room} = {answer} 个权重。",
        words={
            " and a zero point of 4 bits": " 和一个 4 bit 的零点",
            " and a zero point of 8 bits": " 和一个 8 bit 的零点",
        },
        traps=(
            "漏了零点。",
            "只有超出权重自身位数的那部分，才能用来分摊组的开销。",
            "应该用除法：允许多出的越少，组就得越大。")),
    "09.frees_nothing": Zh(
        text="下面哪种做法不会减少常驻内存？",
        right="在稠密数组里把一半的权重置零",
        wrong=(
            ("权重存成 INT8", "相比 FP16，权重减半。"),
            ("用 GQA，KV head 减到四分之一", "KV cache 只剩四分之一。"),
            ("batch size 减半", "激活和 KV cache 减半。")),
        why="零和别的数占一样多的字节。要么真的删掉行和列，要么在稀疏度超过盈亏平衡点时用稀疏格式。"),
    "09.long_context": Zh(
        text="权重已经是 INT4 了。上下文到 128k token 时 GPU 爆显存。下一步怎么办？",
        right="KV cache 做量化或分页，或者换一个 KV head 更少的模型",
        wrong=(
            ("权重改 INT3", "权重已经不是大头。4 bit 里省 1 bit，只能省几 GB，还要掉精度。"),
            ("对权重做幅值剪枝", "稠密数组里的零省不出空间，况且问题也不在权重。"),
            ("权重共享（weight tying）", "只省一个 embedding 矩阵，而 cache 每个 token 都在涨。")),
        why="长上下文时 KV cache 是最大的一块。哪块大就对哪块下手。"),
    "09.mcu": Zh(
        text="在 MCU 上，权重和激活分别放在哪里？",
        right="权重在 flash，激活在 SRAM",
        wrong=(
            ("都在 SRAM", "SRAM 小，只有几百 KiB。权重不变，可以直接从 flash 读。"),
            ("权重在 SRAM，激活在 flash", "激活变化频繁，flash 的写入次数和速度都跟不上。"),
            ("都在 flash", "每一层都要写激活，而 flash 主要用来读。")),
        why="所以有两份预算。INT8 的 MobileNetV2 要占 3.5 MB 的 flash，SRAM 峰值 1,372 KiB。"),
    "09.two_gb_model": Zh(
        text="模型要占 2 GB，设备只有 1 GB。怎么办？",
        rubric=(
            "先测各部分占多少：权重、激活、KV cache、workspace 和运行时",
            "按最大的那块选方法：权重大就量化，或换更小的结构",
            "激活大就看 batch、分辨率、算子顺序、原地计算和缓冲区规划",
            "说清每一步掉多少精度，以及怎么验证",
            "权重做内存映射或流式加载：能放下，但速度会降到存储的水平",
            "在设备上验证常驻内存的峰值，而不是看文件大小"),
        answer="先把这 2 GB 拆开看。如果是 FP16 权重，8 bit 还剩 1 GB，加上其他东西就放不下；分组 4 bit 约 0.52 GB，"
               "会掉些精度，我会实测。如果是激活，就减小 batch 或分辨率，规划缓冲区，调整算子顺序，"
               "后两样都不损失精度。内存映射是最后的手段，因为每次推理都要从存储读。最后在设备上实测峰值。"),
}
