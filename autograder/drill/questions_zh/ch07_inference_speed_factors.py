"""Chinese texts of chapter 7's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "07.ridge": Zh(
        text="一个设备的峰值是 {peak} TFLOP/s，内存带宽是 {bw} GB/s。"
             "算子从每字节多少 FLOP 开始是计算受限（compute-bound）的？",
        explain="ridge point（拐点）就是峰值除以带宽：{peak}e12 / {bw}e9 = {answer} FLOP/B。",
        traps=("T 除以 G，还差 1,000 倍。", "这是每 FLOP 的字节数，应取倒数。")),
    "07.op_time": Zh(
        text="一个算子要做 {mflop} MFLOP，搬运 {mb} MB。设备算力 {peak} TFLOP/s，带宽 {bw} GB/s；"
             "一次 launch 要 {launch} µs。计算与访存可以重叠时，它要花多少 µs？",
        explain="计算：{mflop} / {peak} µs。访存：1000 · {mb} / {bw} µs。取两者中较长的，再加 {launch} µs，"
                "得 {answer} µs。",
        traps=(
            "计算与访存是重叠的，只算较长的那个。",
            "漏了 launch。",
            "在这个模型里，launch 不与执行重叠，要加上去。",
            "较短的那个被较长的掩盖了。")),
    "07.amdahl": Zh(
        text="一个请求的时间里，模型占 {pct}%。你把模型加速到 {s} 倍，其余部分不变。整个请求加速到多少倍？",
        explain="Amdahl 定律：1 / (1 − {pct}/100 + {pct}/100/{s}) = {answer}。",
        traps=(
            "只有一部分变快了，其余的时间没变。",
            "能相加的是时间，不是速度。把两部分剩下的时间加起来。",
            "这是剩下的时间所占的比例。",
            "这是模型无限快时的极限。")),
    "07.critical_batch": Zh(
        text="一个线性层有 {n} x {n} 个 FP16 权重，设备的 ridge point 是每字节 {ridge} FLOP。每个张量只过一次内存。"
             "batch 最小取多少，它才是计算受限的？",
        explain="算术强度 = 2·B·n² / (2·(n² + 2·B·n)) = B / (1 + 2·B/n)。令它等于 {ridge}："
                "B = {ridge} / (1 − 2·{ridge}/{n})，向上取整：{answer}。",
        traps=(
            "这只算了权重。输入和输出也要搬运。",
            "FP16 是 2 字节。",
            "一个 2 字节的权重，每个样本做 2 FLOP：即每字节 1 FLOP。")),
    "07.decode_bound": Zh(
        text="单用户，LLM 一个接一个地生成 token（batch 1）。速度受什么限制？",
        right="读取权重的带宽",
        wrong=(
            ("峰值 FLOP/s",
             "batch 1 时，每个 2 字节的权重只做 2 FLOP：每字节 1 FLOP，远低于任何 GPU 的 ridge point。"),
            ("PCIe", "权重一直在显存里。过 PCIe 的只有一个 token。"),
            ("词表大小", "输出头只是多了一个矩阵：在 Llama-3-8B 里占要读的权重的 7%。")),
        why="每个 token 都要把全部权重读一遍，而每个权重只做 2 FLOP。快慢由访存决定。"),
    "07.busy_but_slow": Zh(
        text="一块 GPU 利用率显示 100%，却只达到峰值 FLOP/s 的 5%。可能是什么原因？",
        right="它的 kernel 是访存受限的，或者太小",
        wrong=(
            ("测量有误", "GPU-Util 只说明有 kernel 在跑，不说明算了多少。两个数可以都是对的。"),
            ("过热了", "降频只会让时钟低一些，不会低 95%。"),
            ("FLOPs 全在 CPU 上跑", "那样 GPU 是空闲的，利用率也会显示出来。")),
        why="GPU-Util 统计的是有 kernel 在运行的时间。等内存的 kernel 也算在运行。"),
    "07.memory_bound_fix": Zh(
        text="某一层是访存受限的。哪种改动能让它变快？",
        right="与相邻的层融合，或改用字节更少的数值格式",
        wrong=(
            ("换一个峰值更高、内存相同的设备", "计算单元本来就在等数据。"),
            ("带宽不变，多加处理单元", "它们共用同一份内存带宽。"),
            ("张量不变，只减少 FLOPs", "字节数没变，时间就花在字节上。")),
        why="只有减少字节，或提高每秒的字节数才有用：算子融合、降低精度、改进 layout，"
            "或者让同一份权重服务更大的 batch。"),
    "07.twice_the_tops": Zh(
        text="移植到另一颗 TOPS 翻倍的芯片之后，延迟反而从 8 ms 变成 20 ms。你怎么办？",
        rubric=(
            "在两颗芯片上逐层 profile",
            "找出不支持而回退到 CPU 的算子，以及前后的拷贝",
            "比带宽和 ridge point，而不只比 TOPS",
            "检查精度和 layout：有没有插入 cast 和 transpose",
            "检查时钟、温度、功耗模式和 batch"),
        answer="我在两颗芯片上用同样的精度和 batch 逐层计时。先找新芯片不支持的算子：它们会跑在 CPU 上，"
               "前后各有一次拷贝。再比带宽：访存受限的网络感觉不到 TOPS，峰值越高，ridge point 反而越往右移。"
               "然后看编译器插入的 cast 和 layout 转换，以及这个 TOPS 是不是只在 INT8 或稀疏时才成立。"
               "最后看负载下的时钟和温度，以及主要时间是不是花在 launch 或预处理上。"),
}
