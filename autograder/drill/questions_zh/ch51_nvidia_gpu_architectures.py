"""Chinese texts of chapter 51's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "51.peak": Zh(
        text="一块 GPU 有 {sms} 个 SM，每个 SM 有 {lanes} 个 FP32 单元，频率 {ghz} GHz。"
             "FP32 峰值是多少 TFLOP/s？",
        explain="{sms} · {lanes} · {ghz} · 2 / 1000 = {answer} TFLOP/s：一次乘加（FMA）算两个运算。",
        traps=("一次乘加（FMA）算两个运算。",
               "这是 GFLOP/s。",
               "这只是一个 SM。")),
    "51.blocks": Zh(
        text="计算能力 {cc}：一个 SM 可驻留 64 个 warp、32 个 block，有 65,536 个寄存器，四个分区各占四分之一。"
             "每个 warp 的寄存器数向上取整到 256 的倍数。某个 kernel 每个 block {threads} 线程，"
             "每线程 {regs} 个寄存器，自身不用共享内存。一个 SM 上能放多少个 block？",
        explain="每个 warp 的寄存器数：32 · {regs}，向上取整到 256 的倍数：{warp}。"
                "一个分区有 16,384 个，够 {quarter} 个 warp。"
                "每个 block 有 {warps} 个 warp：按寄存器是 {quarter} · 4 / {warps}，按 warp 数是 64 / {warps}，"
                "另有上限 32，取最小的并向下取整：{answer}。",
        traps=("寄存器按 warp、按单位、按分区分配；warp 数和 block 数也有上限。",
               "这只考虑了 warp 数，寄存器可能先用完。",
               "这是 warp 数。")),
    "51.ridge": Zh(
        text="一块 GPU 的稠密 FP16 峰值是 {peak} TFLOP/s，带宽 {bandwidth} TB/s。"
             "它的 ridge point（roofline 拐点）是每字节多少 FLOP？",
        explain="{peak} / {bandwidth} = {answer} FLOP/byte。低于它就是访存受限。",
        traps=("稀疏峰值对稠密模型不算数。",
               "除反了：要的是每字节多少次运算。",
               "是每字节，不是每个 FP16 数。")),
    "51.waves": Zh(
        text="{tiles} 个耗时相同的 tile 跑在 {sms} 个 SM 上，每个 SM 一次跑一个。所有 wave 的槽位中，"
             "有活干的占百分之多少？",
        explain="wave 只能是整数个：{tiles} / {sms} 向上取整得 {waves}。"
                "一共 {waves} · {sms} 个槽位，{tiles} 个 tile 占 {answer}%。",
        traps=("这只是最后一个 wave。",
               "请用百分数作答。",
               "超过 100% 了？wave 数要向上取整。")),
    "51.nvlink": Zh(
        text="NVLink 最早出现在哪款 GPU 上？",
        right="Pascal 的 P100，2016 年",
        wrong=(("Kepler 的 K80", "它走 PCIe 3.0，Kepler 的卡都是。"),
               ("Maxwell 的 GTX 980", "常有人这么写，但不对：Maxwell 没有任何一款带 NVLink。"),
               ("Volta 的 V100", "它是第二代 NVLink，300 GB/s。")),
        why="4 条链路，双向合计 160 GB/s。V100：300，A100：600，H100：900，B200：1,800 GB/s。"),
    "51.sparse": Zh(
        text="A100 的规格书写着“624 TFLOP/s FP16, with sparsity”。你的稠密模型的峰值是多少？",
        right="312 TFLOP/s",
        wrong=(("624 TFLOP/s", "每 4 个权重里要有 2 个零才能跳过，稠密模型没有这样的零。"),
               ("1,248 TFLOP/s", "稀疏已经算进去了。"),
               ("取决于 batch", "能跑到多少取决于 batch，峰值不取决于它。")),
        why="凡是标稀疏的指标都减半。Tensor Core 做稠密矩阵是 312 TFLOP/s。"),
    "51.gddr6x": Zh(
        text="GDDR6X 是什么？",
        right="板上的图形显存（一种 DRAM），不是 HBM",
        wrong=(("第三代 HBM", "HBM 堆叠在 GPU 旁边。GDDR 是板上的独立颗粒，引脚少而快。"),
               ("片上 SRAM", "它是 DRAM，在芯片之外。"),
               ("A100 的显存", "A100 用的是 HBM2 或 HBM2e。")),
        why="RTX 3090 和 4090 等显卡用的就是它。它提升的是每引脚带宽，不是延迟。"),
    "51.family": Zh(
        text="某个 kernel 用了 `tcgen05`，即 B200（10.0）的矩阵指令。它能在 RTX 5090（12.0）上跑吗？",
        right="不能，两者不属于同一个 family",
        wrong=(("能，12.0 大于 10.0", "多数特性是这样。但 family 专有指令不会延续下去。"),
               ("能，都是 Blackwell", "这个名字下面有两种 SM：10.x 和 12.x。"),
               ("能，但慢一些", "根本加载不了。")),
        why="tcgen05 只在 10.x 和 11.x 里有。同样，Hopper（9.0）的 wgmma 在之后的任何 family 里都没有。"),
    "51.register": Zh(
        text="在 A100 上，一个每 block 512 线程的 kernel，每线程寄存器从 64 个变成 65 个，占用率就从 50% 掉到 25%。"
             "最省事、最先该试的办法是什么？",
        right="缩小 block，例如 128 线程",
        wrong=(("加大 block", "1,024 线程、每线程 65 个寄存器，根本启动不了。"),
               ("每个 block 多用共享内存", "又多了一样要放得下的东西。"),
               ("换 SM 更多的 GPU", "每个 SM 上的 warp 还是那么少。")),
        why="65 会向上取整到 72。这时能放 7 个 128 线程的 block，占用率 43.75%。之后再看能不能降回 64 个寄存器，"
            "并且实测：占用率低不一定更慢。"),
    "51.low_occupancy": Zh(
        text="为什么一个占用率只有 25% 的 kernel，仍然可能跑到峰值的 90%？",
        rubric=("占用率数的是驻留的 warp，不是发射的指令",
                "warp 内相互独立的指令可以隐藏延迟（ILP）",
                "Tensor Core kernel 把 tile 放在寄存器里：warp 少而“胖”",
                "利特尔法则：需要多少操作在途",
                "限制因素是哪种资源",
                "实测：发射槽、Tensor 流水线活跃度、带宽"),
        answer="占用率说的是有多少 warp 可供挑选。真正重要的是，调度器几乎每个周期都能找到一条就绪的指令。"
               "一个 warp 里如果有很多相互独立的 FMA 或矩阵指令，靠它自己就能喂饱流水线：按利特尔法则，"
               "在途的量要达到延迟乘以速率，至于来自很多 warp 还是一个 warp，都无所谓。大矩阵乘把 tile 放在寄存器里，"
               "寄存器把 warp 数压到很少，这是有意为之：tile 越大，每个读进来的字节复用次数越多。硬要提高占用率，"
               "就得缩小 tile。动手之前，我会先用 profiler 看发射槽利用率、Tensor 流水线活跃度和 DRAM 带宽。"),
}
