"""Chinese texts of chapter 48's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "48.pipeline_fps": Zh(
        text="视频流经过三级处理，分别耗时 {a}、{b} 和 {c} ms。各级使用各自的硬件，同时处理不同的帧。每秒输出多少帧？",
        explain="最慢的一级决定节拍：1000 / max({a}, {b}, {c}) = {answer} 帧/s。一帧仍要走完三级，所以延迟是三者之和。",
        traps=("这是 1 / 延迟。各级是在同时处理不同的帧。",
               "这是按各级的平均耗时算的。帧会在最慢的一级前堆积。",
               "这是最慢一级的耗时（ms），不是帧率。"),
        words={"frames/s": "帧/s"}),
    "48.pipeline_latency": Zh(
        text="视频流经过三级处理，分别耗时 {a}、{b} 和 {c} ms。各级使用各自的硬件，同时处理不同的帧；"
             "来帧的速度不超过最慢一级的处理速度。一帧的延迟是多少 ms？",
        explain="{a} + {b} + {c} = {answer} ms。流水线提高帧率，但单帧延迟不变。",
        traps=("这是相邻两帧的间隔。一帧要走完所有级。",)),
    "48.little": Zh(
        text="服务端任一时刻都有 {n} 个请求，包括排队的和正在处理的。每个请求平均停留 {ms} ms。吞吐量是每秒多少请求？",
        explain="利特尔法则（Little's law）：在途请求数 = 速率 × 延迟。{n} / ({ms} ms) = {answer} 请求/s。",
        traps=("这是 1 / 延迟，只在一次处理一个请求时成立。这里同时有多个请求在途。",
               "在途请求数 = 速率 × 延迟，所以求速率要用除法。"),
        words={"requests/s": "请求/s"}),
    "48.md1": Zh(
        text="请求随机到达，平均每秒 {rate} 个，由一台服务器处理，每个请求的处理时间恒为 {ms} ms。"
             "平均延迟（排队加处理）是多少 ms？",
        explain="利用率 rho = {rate} · {ms} / 1000。平均等待时间为 S·rho / (2(1 − rho))，加上处理时间 {ms} ms，"
                "共 {answer} ms。",
        traps=("这只是等待时间。延迟还包括处理时间。",
               "这是 S / (1 − rho)，适用于处理时间服从指数分布的情形。处理时间恒定时，等待减半。",
               "这只是处理时间。随机到达的请求会互相等待。")),
    "48.fanout": Zh(
        text="一个请求要扇出到 {n} 个分片，并等齐全部结果。每个分片有 {pct}% 的概率变慢，相互独立。"
             "整个请求变慢的概率是百分之多少？",
        explain="没有任何分片变慢的概率是 (1 − {pct}/100)^{n}，其余就是 {answer}%。",
        traps=("概率直接相加，会把有两个慢分片的请求数两遍。",
               "只要有一个分片慢，整个请求就慢。",
               "这是没有任何分片变慢的概率。")),
    "48.llm_total": Zh(
        text="prompt 有 {p} 个 token，prefill 速度 {rate} token/s；回答有 {o} 个 token，每个输出 token {tpot} ms。"
             "不计排队，从提问到最后一个 token 要多少 ms？",
        explain="首 token 在 {p}/{rate} s 后出来，随后还有 {o} − 1 个 token，每个 {tpot} ms：共 {answer} ms。",
        traps=("这是首 token 延迟（TTFT）。",
               "漏了 prefill。",
               "prompt 不是逐个 token 读的，prefill 有自己的速度。")),
    "48.llm_tokens_per_s": Zh(
        text="prompt 有 {p} 个 token，prefill 速度 {rate} token/s；回答有 {o} 个 token，每个输出 token {tpot} ms。"
             "按整个请求算，这个用户每秒得到多少个输出 token？",
        explain="{o} 个 token 除以总时间（{p}/{rate} s 加上 ({o} − 1) · {tpot} ms），得 {answer} token/s。"
                "它低于 1000/{tpot}，因为 prefill 只产出一个 token。",
        traps=("这是 1 / TPOT，即开始出 token 之后的速度。prefill 的时间也要算进去。",
               "prompt 的 token 是输入，题目问的是输出 token。"),
        words={"tokens/s": "token/s"}),
    "48.batch_latency": Zh(
        text="一个 batch 8 个请求要 20 ms，所以服务的吞吐是 400 请求/s。其中一个请求的延迟是多少？",
        right="至少 20 ms",
        wrong=(("2.5 ms", "这是 1 / 吞吐量，即平均多久出一个结果。每个请求都要在 batch 里待满全程。"),
               ("2.5 到 20 ms 之间", "结果是在 batch 结束时一起出来的。"),
               ("160 ms", "8 个请求是一起算的，不是一个接一个算。")),
        why="8 个结果都在 20 ms 后、batch 结束时一起出来。等 batch 凑齐或开跑的时间还要另算。"),
    "48.bad_p99": Zh(
        text="平均延迟正常，p99 却是均值的十倍。你首先怀疑什么？",
        right="排队和停顿：突发流量、垃圾回收（GC）、攒 batch、资源争用",
        wrong=(("模型参数太多", "那会让每个请求都慢，中位数也一样。"),
               ("机器之间时钟不同步", "它让所有延迟偏移同样的量；而且只用客户端一个时钟时不存在这个问题。"),
               ("用了 FP16 而不是 FP32", "换精度会让所有请求的处理时间一起变。")),
        why="只让少数请求很慢的，一定是偶尔才发生的事。看看尾部请求的时间戳：慢请求是不是成批出现？"),
    "48.design_benchmark": Zh(
        text="为一个推理服务的 p99 设计一套压测方案。",
        rubric=("开环：按给定速率泊松到达",
                "延迟从计划发送时刻算起，而不是实际发送时刻",
                "去掉预热，确认已进入稳态",
                "样本足够多，并给出置信区间",
                "扫描速率直到拐点；报告 goodput，即满足 SLO 的最大速率"),
        answer="先按泊松过程排好发送时刻，不管响应如何，到点就发。每个延迟都从计划时刻算起。去掉预热，"
               "再看延迟随时间的变化。采几千个样本，给出 p99 及其置信区间。逐级提高速率，直到 p99 超出目标，"
               "报告仍能满足目标的最大速率，同时写明硬件、batch 和输入大小。"),
}
