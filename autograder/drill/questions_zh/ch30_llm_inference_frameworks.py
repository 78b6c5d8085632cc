"""Chinese texts of chapter 30's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "30.weight_gb": Zh(
        text="一个模型有 {b}B（{b}×10⁹）参数，每个参数用 {bits} bit 存储。权重占多少 GB（1e9 字节）？",
        explain="{b} · {bits} / 8 = {answer} GB。KV cache 另算。",
        traps=("这是 Gbit。一个字节有 8 位。",
               "这是 GiB，按 2^30 字节算的。",
               "这是每个参数 2 字节，即 FP16。看清位数。")),
    "30.decode_bound": Zh(
        text="权重 {gb} GB，放在带宽 {bw} GB/s 的 GPU 上。{batch} 条序列一起 decode，忽略 KV cache。"
             "所有序列合计的吞吐量上限是每秒多少 token？",
        explain="每步读 {gb} GB，耗时 {gb}/{bw} s，产出 {batch} 个 token：{batch} · {bw} / {gb} = {answer} "
                "token/s。",
        traps=("这是单条序列的上限。权重每步只读一次，所有序列共用。",
               "batch 越大，每步产出的 token 越多，不是越少。"),
        words={"tokens/s": "token/s"}),
    "30.offload_seconds": Zh(
        text="权重 {gb} GB，其中 {pct} % 每步都要从 CPU 内存以 {link} GB/s 流式传到 GPU。传输是最慢的一环，"
             "与其余部分重叠。batch 为 1 时，一个 token 要多少秒？",
        explain="每步有 {gb} GB 的 {pct} % 以 {link} GB/s 经过链路：{answer} s。batch 为 64 的话，同样的时间能出 "
                "64 个 token。",
        traps=("只有一部分权重要传，其余的常驻 GPU。",
               "这是不用传的那部分。",
               "这是每秒多少 token，题目问的是每个 token 多少秒。")),
    "30.static_steps": Zh(
        text="有六个请求在排队，按顺序分别要生成 {outputs} 个 token。服务器有 {batch} 个槽位，用静态批处理。"
             "全部完成要多少个 decode 步？",
        explain="每个 batch 的时长由其中最长的请求决定：{longest} = {answer} 步。",
        traps=("这是连续批处理：槽位一空出来就补上新请求。",
               "这是一次只跑一个请求。",
               "这是槽位从不空闲时的下限。静态批处理要等 batch 里最长的请求。"),
        words={"steps": "步"}),
    "30.continuous_steps": Zh(
        text="有六个请求在排队，按顺序分别要生成 {outputs} 个 token。服务器有 {batch} 个槽位，用连续批处理。"
             "全部完成要多少个 decode 步？",
        explain="槽位一空出来就接下一个请求。最后结束的槽位在第 {answer} 步之后结束。",
        traps=("这是静态批处理：每个 batch 都要等最长的请求。",
               "这是一次只跑一个请求。"),
        words={"steps": "步"}),
    "30.vllm_idea": Zh(
        text="vLLM 最初的核心思想是什么？",
        right="KV cache 分页",
        wrong=(("权重放在磁盘上，用到再加载",
                "这是 offload，ZeRO-Inference 和 FlexGen 的做法。vLLM 的权重默认留在 GPU 上，除非另外指定。"),
               ("计算图编译器", "PagedAttention 解决的是显存问题，不是编译问题。"),
               ("INT4 kernel", "量化权重是后来才有的，而且是别人做的。")),
        why="PagedAttention（2023）把一条序列的 K 和 V 放进不必相邻的块里。显存浪费少了，同一步里能放下更多序列。"),
    "30.tgi_status": Zh(
        text="截至 2026 年 11 月，Hugging Face 的 Text Generation Inference 是什么状态？",
        right="已归档，此前从 2025 年 12 月起进入维护模式",
        wrong=(("新部署的默认选择", "它自己的 README 推荐 vLLM、SGLang、llama.cpp 和 MLX。"),
               ("改名为 TextGen", "它从没叫过这个名字。“TextGen”一般指 oobabooga 的 text-generation-webui。"),
               ("NVIDIA 的产品", "它是 Hugging Face 的。NVIDIA 的是 TensorRT-LLM。")),
        why="2025-12-11 宣布进入维护模式，仓库从 2026-03-21 起只读。已经在跑的可以继续跑，新项目都换别的了。"),
    "30.overnight_job": Zh(
        text="一个夜间批处理任务：175B 参数的模型，一块 24 GB 的 GPU，CPU 内存很大，不在乎时延。用什么合适？",
        right="从 CPU 内存或磁盘流式读权重，配大 batch",
        wrong=(("默认配置的 vLLM", "默认权重全放在 GPU 上，而 4 bit 权重也要 87.5 GB。"),
               ("TensorRT-LLM", "它要求权重放在 NVIDIA GPU 上，而这里只有一块 24 GB 的。"),
               ("TGI", "已经归档了，而且它的权重也是放在 GPU 上的。")),
        why="ZeRO-Inference 和 FlexGen 每步把权重流式过一遍。FlexGen 报告过在 16 GB 的 GPU 上跑 OPT-175B，144 "
            "条序列并行，达到 1 token/s。"),
    "30.audit_17x": Zh(
        text="一页 PPT 写着：“框架 X 快 17 倍”。这句话该怎么审？",
        rubric=("和什么基线比，什么版本",
                "两边硬件相同、精度相同",
                "prompt 和输出长度、并发数、时延目标",
                "是吞吐量还是时延，是单个用户的还是整个系统的",
                "有没有别人能复现的脚本"),
        answer="先问基线是什么、哪个版本，因为拿不做批处理的朴素循环当基线，轻松就能赢十倍。硬件和精度必须一致："
               "NVIDIA 发布时的数据，就是拿用了新软件的 H100 和没用的 A100 比。长度、"
               "并发数和时延目标决定了哪种机制起作用。还要弄清楚说的是吞吐量还是时延。"
               "最后用我自己的流量跑一遍它的脚本。"),
}
