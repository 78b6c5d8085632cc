"""Chinese texts of chapter 19's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "19.peak": Zh(
        text="某 GPU 有 {lanes} 个 FP32 lane，频率 {ghz} GHz。FP32 峰值是多少 GFLOP/s？",
        explain="一次融合乘加（FMA）算两次操作：2 · {lanes} · {ghz} = {answer} GFLOP/s。",
        traps=(
            "一次融合乘加要算两次操作。",
            "这是 TFLOP/s。",
        ),
    ),
    "19.stride": Zh(
        text=(
            "一个 warp 的 32 个线程以 {stride} 个 float 的步长读 4 字节 float，起始地址已对齐。"
            "显存以 32 字节的 sector 为单位传输。搬运的字节中有百分之多少是有用的？"),
        explain="warp 触及的 sector 数取 4 · {stride} 与 32 的较小者，其中 128 字节有用：{answer}%。",
        traps=(
            "一个 sector 放 8 个 float：步长从 8 起，占比不再变化。",
            "请用百分数表示。",
        ),
    ),
    "19.warps": Zh(
        text=(
            "一次 load 要 {latency} 个周期。要求每 {every} 个周期发射一次 load，且每个 warp 同时只有一次 load 在途。"
            "需要多少个 warp 才能掩盖延迟？"),
        explain="Little 定律：{latency} / {every}，向上取整得 {answer} 个 warp。",
        traps=(
            "要向上取整：少一个 warp 就会出现空档。",
            "要用除法：得到的是任一时刻在途的 load 数。",
        ),
    ),
    "19.power": Zh(
        text="某芯片的频率降到 {f}%，电压降到 {v}%。动态功耗还剩百分之多少？",
        explain="动态功耗正比于 f · V²：{f}% · ({v}%)² = {answer}%。",
        traps=(
            "电压要按平方算。",
            "电压也降了，而且按平方算。",
            "这是省下的部分。",
        ),
    ),
    "19.cores": Zh(
        text="某 GPU 有 2,048 个“CUDA core”，某 CPU 有 8 个核。这对两者的速度说明了什么？",
        right="不知道 lane 数、频率和带宽，就什么都说明不了",
        wrong=(
            ("GPU 的速度是 CPU 的 256 倍",
             "一个 CUDA core 是一个 lane。一个 CPU 核有 16 个以上的 lane，频率还更高。"),
            ("GPU 的速度是 CPU 的 128 倍", "这是用 lane 数除以硬件线程数。"),
            ("GPU 的速度是 CPU 的 16 倍", "这是 lane 数除以 lane 数，没有算频率。"),
        ),
        why="两边都数 FP32 lane，再乘以频率，还要比较带宽。GTX 980 与 i7-5960X 相比，计算是 6 倍，内存是 3.3 倍。",
    ),
    "19.clock": Zh(
        text="一个 kernel 受限于计算。把 GPU 频率减半，它的速度会怎样？",
        right="降到约一半",
        wrong=(
            ("不变，GPU 的核够多", "每个 lane 每秒的操作数都减半了。"),
            ("降到四分之一", "时间与周期数成正比。如果电压也降，降幅超过正比的是功耗。"),
            ("取决于核的数量", "无论多少个核都是如此。"),
        ),
        why="计算受限任务的吞吐量等于 lane 数乘以频率。核多改变的是一定频率要付出多少功耗：f · V²。",
    ),
    "19.divergence": Zh(
        text="每个 warp 中都有一半线程走某个分支。哪种做法最有用？",
        right="重新排列任务，让同一 warp 的线程走同一方向",
        wrong=(
            ("增加线程", "每个 warp 仍要发射两边的指令。"),
            ("缩小 block", "无论 block 多大，warp 都是 32 个线程。"),
            ("提高频率", "所有部分都一样变快，浪费依旧。"),
        ),
        why="只要有一个线程走某一边，那一边的开销就要付。任务排好序后，最多只剩一个混合的 warp。",
    ),
    "19.maxwell": Zh(
        text="下面哪款 GPU 的 L1 cache 与 shared memory 共用同一块存储？",
        right="V100",
        wrong=(
            ("GTX 980", "Maxwell 每个 SM 有独立的 96 KB shared memory，L1 与纹理 cache 合并。"),
            ("P100", "Pascal 和 Maxwell 一样，两者是分开的。"),
            ("以上全部", "各代不一样。"),
        ),
        why="Kepler，以及 Volta 以来的所有代次，两者共用；Maxwell 和 Pascal 不共用。回答前先问是哪一代。",
    ),
    "19.one_week": Zh(
        text="给你一周时间评估一款新的边缘盒子，你会怎么做？",
        rubric=(
            "第一天转换自己的模型",
            "在自己的数据上看量化后的精度",
            "batch 为 1、预热之后的 p99 延迟和吞吐量",
            "跑一小时后的电源端功耗和温度",
            "列出回退的算子",
            "工具链：版本、报错、文档、支持",
            "事先写好要求；最后给出有理由的结论",
        ),
        answer=(
            "盒子到货之前，先写下精度、p99、内存、功耗和算子覆盖率的门限。第一天：转换自己的网络；"
            "工具链在这里就失败，已经最说明问题。第二、三天：量化，在自己的数据上比较精度，"
            "列出每个回退到 CPU 的算子及其代价。第四天：batch 为 1 时的延迟（给出百分位）、所有路一起跑的吞吐量、内"
            "存。第五天：在温度较高的机箱里满载跑一小时，记录电源端功耗和频率。"
            "另外记下驱动版本、许可证、厂商对这款芯片支持多久、有问题由谁来答复。产出是一张门限与实测的对照表；"
            "没测的就算不达标。"),
    ),
}
