"""Chinese texts of chapter 5's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "05.tensor_mib": Zh(
        text="一个 batch 的特征图形状是 {n} × {c} × {side} × {side}，类型为 {kind}。占多少 MiB（2^20 字节）？",
        explain="{n}·{c}·{side}·{side} 个值，每个 {size} B，除以 1,048,576 B：{answer} MiB。",
        traps=(
            "这是 MB，按十进制算的。1 MiB 是 1,048,576 字节。",
            "这只是值的个数，还要乘以每个值的字节数。",
            "这是 Mbit。")),
    "05.zero": Zh(
        text="一个 {billions}B 参数的模型，用 Adam 混合精度训练（每个参数 2 + 2 + 12 字节），共 {gpus} 张 GPU。"
             "ZeRO stage {stage} 切分{shared}。每张 GPU 上的模型状态是多少 GB？",
        explain="stage {stage} 把 16 字节中的 {divided} 字节除以 {gpus}，其余 {kept} 字节原样保留："
                "{billions} · ({kept} + {divided}/{gpus}) = {answer} GB。",
        words={
            "optimizer states and master weights": "优化器状态和主权重",
            "optimizer states, master weights and gradients": "优化器状态、主权重和梯度",
            "optimizer states, master weights, gradients and weights": "优化器状态、主权重、梯度和权重",
        },
        traps=(
            "这是不用 ZeRO 的情况：每张 GPU 都存全部。",
            "这是 stage 1。看清这里切分的是哪些部分。",
            "这是 stage 2。看清这里切分的是哪些部分。",
            "这是全部切分，也就是 stage 3。",
            "漏了 FP32 主权重：优化器这边是 12 字节，不是 8 字节。")),
    "05.transformer_activations": Zh(
        text="训练一个 GPT，16 bit 精度，dropout mask 每个元素 1 字节：s = {s} 个 token，b = {b} 条序列，h = {h}，"
             "a = {a} 个 head，{layers} 层，注意力实现：{kernel}。不做重计算。各层一共要保存多少 GB 的激活？",
        explain="每层 {rule} 字节，乘以 {layers}：{answer} GB。",
        words={
            "FlashAttention, so that scores and softmax are never stored": "FlashAttention，不保存分数和 softmax",
            "attention that stores scores and softmax": "普通实现，会保存分数和 softmax",
        },
        traps=(
            "5·a·s/h 这一项对应保存下来的注意力分数和 softmax。这里保存了吗？",
            "这只是一层的。",
            "这是每层只存一个张量：全量重计算时才是这样。")),
    "05.lora": Zh(
        text="一个 {billions}B 参数的模型以 4 bit 冻结（不计 scale）。{layers} 层里，"
             "每层有四个 {d} × {d} 的投影矩阵加了 rank 为 {rank} 的 LoRA adapter，用 Adam 训练，每个参数 16 字节。"
             "模型状态一共多少 GB？",
        explain="基座：{billions} × 0.5 GB。adapter：{layers} × 4 × 2 × {rank} × {d} 个参数，每个 16 字节。"
                "合计 {answer} GB。",
        traps=(
            "这是把基座存成了 16 bit。4 bit 时每个参数只占半个字节。",
            "这是全参数训练。冻结的基座没有梯度，也没有优化器状态。",
            "一个 adapter 是两个矩阵：rank × d 和 d × rank。",
            "这只是基座。adapter 每个参数还有 16 字节。")),
    "05.double_batch": Zh(
        text="batch size 翻倍，什么会跟着翻倍？",
        right="激活",
        wrong=(
            ("优化器状态", "它们跟着参数走，参数个数没变。"),
            ("权重的梯度", "梯度在 batch 上求和，形状与权重相同。"),
            ("全部", "权重、梯度和优化器状态都不变。只有输入数据和激活随 batch 增长。")),
        why="输入和激活与 batch 成正比，其余的是这条直线的截距。"),
    "05.smi_gap": Zh(
        text="nvidia-smi 显示的显存比 torch.cuda.memory_allocated 多 3 GB。通常是什么原因？",
        right="CUDA context，以及分配器缓存着的块",
        wrong=(
            ("显存泄漏", "泄漏会随 step 一直增长。固定的差值是 context 和缓存。"),
            ("张量存成了 FP64", "张量占多少字节由 dtype 决定，memory_allocated 已经算进去了。"),
            ("驱动按整 GB 向上取整", "它报的是 MiB。这个差值是真实占用的显存，只是没有活着的张量在用。")),
        why="memory_allocated 只算张量，memory_reserved 再加上缓存，nvidia-smi 还要再加每个进程的 context。"),
    "05.amp_keeps": Zh(
        text="用 Adam，做混合精度训练，并保留 FP32 主权重。混合精度*不能*减少什么？",
        right="模型状态的字节数",
        wrong=(
            ("激活的字节数", "激活按 16 bit 存，是 FP32 的一半。"),
            ("显存与计算核心之间的数据搬运量", "读权重和激活只要一半的字节。"),
            ("矩阵乘法的时间", "矩阵单元在 16 bit 下更快。")),
        why="每个参数 2 + 2 + 4 + 8 = 16 字节，与 FP32 的 4 + 4 + 8 一样。"),
    "05.seven_b_on_24gb": Zh(
        text="有人想在一张 24 GB 的卡上微调 7B 模型。你怎么说？",
        rubric=(
            "用 Adam 全参训练：16 字节 × 7B = 112 GB 的状态，放不下",
            "基座用 4 bit（3.5 GB 加 scale），LoRA adapter 自带一小份状态",
            "梯度检查点（gradient checkpointing）；长序列用 FlashAttention",
            "micro-batch 取 1 或 2，配合梯度累积",
            "8-bit 或分页优化器，或 offload 到主机内存，代价是时间",
            "检查序列长度：激活随它增长；正式长跑之前先测峰值"),
        answer="全参微调光是状态就要 112 GB。所以把基座用 4 bit 冻结，约 3.5 GB，只训 LoRA adapter。"
               "接下来决定成败的是激活：梯度检查点、micro-batch 取 1 加梯度累积、不保存分数的 attention kernel。"
               "正式开跑前，我会用最长的序列先跑一个 step，把显存 trace 下来看看。"),
}
