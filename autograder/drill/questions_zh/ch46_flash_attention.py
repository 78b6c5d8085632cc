"""Chinese texts of chapter 46's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "46.score_bytes": Zh(
        text="batch 为 {batch}，{heads} 个头，{n} 个 token。如果把一层的分数矩阵 S 以 FP16 存下来，"
             "要占多少 GB（10^9 字节）？",
        explain="每个头有 N × N 个分数，每个 2 字节：{batch} · {heads} · {n}² · 2 字节 = {answer} GB。",
        traps=("这是元素个数。一个 FP16 数占 2 字节。",
               "每个头都有自己的分数矩阵。",
               "这是 GiB。题目问的是 GB，即 10^9 字节。",
               "这是 S 和 P 加在一起。题目只问 S。")),
    "46.traffic_ratio": Zh(
        text="头维度 d = {d}，query 分块 Br = {br} 行，序列很长，无 mask。"
             "标准 attention 的 HBM 访存量是 FlashAttention-2（前向）的多少倍？",
        explain="标准实现约搬运 4N²；FlashAttention-2 有 N/Br 个 query 分块，每块约 2Nd。"
                "4N² / (2N²d/Br) = 2·Br/d = {answer}。",
        traps=("S 和 P 都要写出去再读回来：是 4N²，不是 2N²。",
               "每个 query 分块都要读 K 和 V，即 2Nd 个元素。",
               "算反了：query 分块行数越多，读 K 和 V 的次数越少。")),
    "46.block_columns": Zh(
        text="2022 年的论文取 Bc = ceil(M / 4d)，M 是以元素个数计的 SRAM 大小。SRAM 为 {kib} KiB、FP16、d = {d} 时，"
             "Bc 是多少？",
        explain="M = {kib} · 1024 / 2 个元素。四个约 d 列的分块（Q、K、V、O）共用它，"
                "所以 Bc = ceil(M / 4d) = {answer}。",
        traps=("M 数的是元素：一个 FP16 数占 2 字节。",
               "要向上取整：论文用的是 ceil。",
               "Q、K、V、O 共用 SRAM，所以要除以 4。")),
    "46.merge": Zh(
        text="同一个 query 的 key 分给两个 worker。第一个得到 o = {o1}，lse = {lse1}；第二个得到 o = {o2}，"
             "lse = {lse2}。合并后的 o 是多少？",
        explain="权重是 exp({lse1}) 和 exp({lse2})，再除以两者之和："
                "({o1} · exp({lse1}) + {o2} · exp({lse2})) / (exp({lse1}) + exp({lse2})) = {answer}。",
        traps=("简单平均忽略了两部分各占多少 softmax 权重，即 exp(lse)。",
               "权重用反了：lse 大的一方权重大。",
               "这个和还要除以 exp(lse1) + exp(lse2)。")),
    "46.what_falls": Zh(
        text="FlashAttention 降低了什么？",
        right="HBM 访存量和额外显存",
        wrong=(("FLOPs", "FLOPs 仍是 O(N²d)，反向时甚至要把 S 重算一遍。"),
               ("结果的精度", "它是精确算法：还是同一个 softmax，只是加法顺序不同。"),
               ("KV cache 的大小", "缓存和原来一样大。能缩小它的是 GQA、量化和分页。")),
        why="S 和 P 留在片上，没有任何 N × N 大小的东西被写出或读入。"),
    "46.decode": Zh(
        text="1 个新 query 要关注 100,000 个 key，batch 为 1。怎样让整块 GPU 都忙起来？",
        right="把 key 切分给多个 worker，最后再合并",
        wrong=(("像第一版那样按 batch 和头并行", "batch 为 1 时每个头只有一个 worker，远少于 GPU 的 SM 数。"),
               ("加大 query 分块的行数", "query 只有一个，行数再多也没东西可放。"),
               ("把 dropout 融合进 kernel", "推理没有 dropout，融合它也不会增加并行度。")),
        why="这就是 Flash-Decoding：每个 worker 处理一部分 key，再靠各自的 log-sum-exp 精确合并。"),
    "46.save_lse": Zh(
        text="前向为什么为反向保存 lse，而不保存 P？",
        right="P 有 N² 个数，lse 只有 N 个，而且能由它精确重建 P",
        wrong=(("经过 dropout 后 P 就失效了", "P 可以连同 mask 一起保存。不存它是因为太大。"),
               ("下一个 token 要用 lse", "下一个 token 有自己的 query，也有自己的 log-sum-exp。"),
               ("GPU 上算 exp 不花时间",
                "要花时间：在 Blackwell 上，exp 正是前向 kernel 的瓶颈。只是搬运 N² 个数更贵。")),
        why="P = exp(S − lse)，而 S 只需一次矩阵乘。重算比读写 N² 个数便宜。"),
    "46.no_help": Zh(
        text="什么情况下 FlashAttention 帮不上忙？",
        rubric=("序列短，或者分块太小",
                "decode：K 和 V 反正只读一遍，关键是缓存大小（GQA、KV 量化）",
                "大矩阵乘占主导的层",
                "受限于 exp 或共享内存的 kernel，例如在 Blackwell 上",
                "没有现成 kernel 的 mask 或 bias（FlexAttention 可以生成）"),
        answer="它省的是访存字节数，所以 N × N 小时收益也小，分块极小时甚至会变慢。decode 一步不管用什么 kernel，"
               "都要把 KV cache 读一遍，这时要靠缩小缓存。上下文短时，大部分时间花在投影和 MLP 上。在 Blackwell 上，"
               "很快的 Tensor Core 要等 exp 和共享内存。另外，每种 mask 都得有对应的 kernel。"),
}
