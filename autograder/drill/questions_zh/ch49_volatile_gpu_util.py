"""Chinese texts of chapter 49's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "49.window_reading": Zh(
        text="一块 GPU 在每秒的前 {on} ms 跑 kernel，其余时间空闲。监控按 {window} ms 的窗口取平均，"
             "第一个窗口与 kernel 同时开始。每秒的第一个窗口读数是百分之多少？",
        explain="前 {window} ms 里，kernel 运行了 min({on}, {window}) ms：{answer}%。剩下的部分落在下一个窗口。",
        traps=("这是整秒的平均值。窗口只有半秒。",
               "这是第二个窗口的读数。")),
    "49.decode_mfu": Zh(
        text="一个 {params}B 参数的模型在一块 {gpu}（稠密峰值 {peak} TFLOP/s）上总共每秒生成 {rate} 个 token。"
             "按每参数每 token 2 FLOPs 计，MFU 是百分之多少？",
        explain="2 · {params}·10⁹ · {rate} 除以 {peak}·10¹²：{answer}%。而此时 kernel 一个接一个没有空隙，"
                "GPU-Util 的读数应该接近 100%。",
        traps=("一次乘加算两个 FLOP。",
               "这是小数，题目要的是百分数。",
               "每参数 6 FLOPs 是训练的算法。decode 只有前向。")),
    "49.theoretical_occupancy": Zh(
        text="计算能力 8.0 的 SM 有 64 个 warp 槽位、32 个 block 槽位和 65,536 个寄存器；"
             "寄存器以 256 个为单位分给 warp，且平均分在 SM 的四个分区里。某个 kernel 每个 block {threads} 线程，"
             "每线程 {regs} 个寄存器，不用共享内存。占用率（occupancy）最高是百分之多少？",
        explain="一个 warp 需要 {regs} · 32 个寄存器，向上取整到 256 的倍数：{warp}。"
                "16,384 除以它再向下取整，每个分区的寄存器够 {quarter} 个 warp；整个 SM 最多 64 个 warp、32 个 block。"
                "能放下的 block（每个 {warps} 个 warp）数：{blocks}。"
                "64 个 warp 中的 {blocks} · {warps} 个，即 {answer}%。",
        traps=("寄存器按 warp 分配，以 256 个为单位，而且各分区分别计算。",
               "这只是一个 block。能放下多少 block 就驻留多少。",
               "这是小数，题目要的是百分数。")),
    "49.overlapping_kernels": Zh(
        text="GPU 有 {sms} 个 SM。在 1,000 ms 的窗口内，一个 kernel 从 0 到 {end} ms 占 {a} 个 SM，"
             "另一个从 {start} 到 {stop} ms 占 {b} 个 SM。SM 活跃度（SM activity）是百分之多少？",
        explain="({a} · {end} + {b} · ({stop} − {start})) SM·ms 除以 {sms} · 1,000：{answer}%。"
                "两者合计占用的 SM 从不超过 {sms} 个，所以没有截断。",
        traps=("这是 GPU-Util：两个 kernel 运行时间的并集占窗口的比例。",
               "末尾的空闲时间也属于这个窗口。",
               "用利用率乘以平均 SM 数，两个 kernel 的权重就不对了。")),
    "49.volatile": Zh(
        text="nvidia-smi 的表格里，“Volatile”指的是什么？",
        right="不可纠正 ECC 错误的计数器",
        wrong=(("GPU-Util，因为它会波动", "“GPU-Util”是第二行的表头，“Volatile Uncorr. ECC”是第一行的。"),
               ("显存，因为断电会丢数据", "DRAM 确实是易失的，但这个词修饰的是错误计数器。"),
               ("风扇转速", "“Fan”自己有表头，在第一列。")),
        why="volatile 计数器在每次加载驱动时清零；aggregate 计数器则在板卡的整个寿命内累计。"),
    "49.hundred_percent": Zh(
        text="GPU-Util 显示 100%。能确定的是什么？",
        right="上一个窗口内，每时每刻都有 kernel 在运行",
        wrong=(("所有 SM 都在忙", "一个 SM 上有一个 warp 就够了。"),
               ("显存满了", "显存是表格里的另一个数，与它无关。"),
               ("瓶颈在计算", "LLM decode 可以显示 100%，而算力还不到峰值 FLOPs 的 1%。")),
        why="它说明 GPU 在那个窗口里没有空闲，但说明不了有多少部分在干活。"),
    "49.autoscaling": Zh(
        text="LLM 服务的副本扩缩容应该看哪个信号？",
        right="队列长度或 KV cache 占用率，加上延迟目标，再以 SM 活跃度辅助",
        wrong=(("GPU-Util", "一个请求时可能是 100%，一百个请求时也是 100%。"),
               ("温度", "它跟着功耗走，还滞后几分钟。"),
               ("显存用量", "服务启动时就把缓存预留好了，这个数根本不动。")),
        why="按用户在等什么来扩缩容。GPU-Util 远在服务饱和之前就先饱和了。"),
    "49.busy_but_slow": Zh(
        text="GPU-Util 98%，功耗只有上限的 35%，吞吐也差。你怎么处理？",
        rubric=("GPU-Util 只表示有没有：有 kernel 在跑，再小也算",
                "功耗低提示活跃的 SM 少，或者 SM 在等待",
                "看 SM 活跃度、Tensor 活跃度和 DRAM 活跃度（DCGM 或 NVML 的 GPM）",
                "活跃的 SM 少：kernel 太小，增大 batch、做融合、用 CUDA graph 或多 stream",
                "DRAM 活跃而 Tensor 流水线空闲：访存受限，做量化，或者让更多序列分摊同一份权重"),
        answer="98% 说明有 kernel 在跑，35% 的功耗说明芯片大部分没在干活。我会看 SM、Tensor 和 DRAM 的活跃度。"
               "SM 活跃度低，说明 kernel 太小：加大 batch、做融合、用 CUDA graph、多开 stream。"
               "DRAM 活跃度高而 Tensor 流水线空闲，说明 kernel 在等显存：做量化，或者让更多序列组成 batch。"
               "最后把每秒 token 数和 roofline 对比。"),
}
