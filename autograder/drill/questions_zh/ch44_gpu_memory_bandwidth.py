"""Chinese texts of chapter 44's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "44.gddr6": Zh(
        text="一块 GDDR6 显存，命令时钟 {clock} MHz，位宽 {bus} bit。峰值带宽是多少 GB/s？",
        explain="GDDR6 在每个命令时钟周期内，每根引脚传 8 bit：{clock} MHz × 8 = {rate} Mbit/s。"
                "乘以 {bus} 根引脚，除以每字节 8 bit，再除以 1000：{answer} GB/s。",
        traps=("2 是 DDR 的倍数，GDDR6 每个命令时钟周期传 8 bit。",
               "4 是 GDDR5 的倍数，GDDR6 每个命令时钟周期传 8 bit。",
               "16 对应的是 amdgpu 显示的时钟，它是命令时钟的一半。",
               "这是 Gbit/s，要除以 8。")),
    "44.hbm": Zh(
        text="一块 GPU 有 {stacks} 个 1024 bit 的 HBM stack，每根引脚 {rate} Gbit/s。带宽是多少 TB/s？",
        explain="{stacks} × 1024 = {pins} 根引脚。乘以 {rate} Gbit/s，除以每字节 8 bit，再除以 1000："
                "{answer} TB/s。",
        traps=("给的已是引脚速率，2 倍已经包含在内。",
               "这是 Tbit/s，要除以 8。",
               "这只是一个 stack。")),
    "44.decode": Zh(
        text="一个稠密模型有 {params} B（1 B = 10^9）个权重，每个 {bits} bit，"
             "跑在带宽 {bandwidth} GB/s 的 GPU 上（假设放得下）。batch 1、KV cache 为空时，"
             "最多能达到多少 token/s？",
        explain="每步读 {params} × {bits} / 8 = {gb} GB 权重。{bandwidth} GB/s 除以 {gb} GB 得 {answer} token/s。",
        traps=("一个字节有 8 bit：权重的字节数要除以 8。",
               "这是按每个权重一个字节算的，要用题目给的位数。",
               "这是按每个权重 16 bit 算的，要用题目给的位数。"),
        words={"tokens/s": "token/s"}),
    "44.share_of_peak": Zh(
        text="一个 kernel 在 {ms} ms 内读 {read} MB、写 {written} MB。GPU 的峰值带宽为 {peak} GB/s。"
             "它达到峰值的百分之多少？",
        explain="({read} + {written}) MB / {ms} ms = {gb_s} GB/s。除以 {peak} GB/s 得 {answer} %。",
        traps=("漏了写。两个方向共用总线。",
               "漏了读。两个方向共用总线。",
               "这里的数都是十进制的，不需要 2^20 的换算。")),
    "44.nvidia_smi": Zh(
        text="nvidia-smi 显示 T4 的显存时钟为 5001 MHz，它的 GDDR6 位宽 256 bit。带宽是多少？",
        right="320 GB/s",
        wrong=(("160 GB/s", "nvidia-smi 显示的是数据速率的一半，所以漏了 2 倍：5001 × 2 × 256 / 8。"),
               ("1,280 GB/s", "8 倍对应的是 1250 MHz 的命令时钟，nvidia-smi 显示的是它的四倍。"),
               ("40 GB/s", "多除了一次 8。")),
        why="无论哪种显存，nvidia-smi 显示的都是数据速率的一半：5001 MHz × 2 × 256 bit / 8 = 320 GB/s。"),
    "44.hbm_advantage": Zh(
        text="HBM3E 的带宽比 GDDR7 高，优势从哪里来？",
        right="来自位宽：几千根引脚，而不是几百根",
        wrong=(("单根引脚速率更高", "其实更低：H200 是 6.25 Gbit/s，RTX 5090 是 28 Gbit/s。"),
               ("时延更低", "与时延无关：只要在途字节够多，总线照样跑满。"),
               ("有缓存", "缓存减少访问次数，并不会让后面的显存变快。")),
        why="H200：6144 根引脚 × 6.25 Gbit/s = 4.8 TB/s。RTX 5090：512 根引脚 × 28 Gbit/s = 1.8 TB/s。"
            "把 stack 放在中介层（interposer）上，才能有这么多引脚。"),
    "44.batching": Zh(
        text="LLM decode 时 batch 翻倍，token/s 也几乎翻倍。这种趋势到什么时候为止？",
        right="直到读 KV cache 或做计算的时间赶上读权重的时间",
        wrong=(("直到 PCIe 总线跑满", "权重和 KV cache 都在显存里，token 只有几个字节。"),
               ("直到权重放不进缓存", "本来就放不进：权重以 GB 计，L2 只有几十 MB。"),
               ("一直如此", "每个序列都有自己的 KV cache 和计算量，共用的只有权重。")),
        why="整个 batch 只读一遍权重。KV cache 和计算量随 batch 增长，最终由其中之一决定速度。"),
    "44.quarter": Zh(
        text="你的 kernel 只达到峰值带宽的 25 %，要查哪些方面？",
        rubric=("访存模式：每个请求的 sector 数、对齐、步长",
                "在途字节：occupancy、向量化加载、足够多的独立加载",
                "测量方法：数据量超过缓存、预热、event 计时、统计了哪些字节",
                "峰值本身：时钟和位宽是否正确、ECC、是否降频",
                "没统计到的流量：write-allocate、临时张量、未融合的算子"),
        answer="先看访存模式：步长为 4 个 float，单这一项就只剩 25 %。再看在途字节够不够："
               "occupancy、16 字节加载。再看测量方法：数组大小超过 L2、有没有预热、统计了哪些字节。再看峰值："
               "时钟和位宽是否正确，GDDR 上的 ECC，有没有降频。最后看公式没算进去的流量，"
               "例如未融合算子产生的临时张量。"),
}
