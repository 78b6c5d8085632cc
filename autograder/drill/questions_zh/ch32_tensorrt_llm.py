"""Chinese texts of chapter 32's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "32.kv_bytes_of_a_rank": Zh(
        text="{name} 有 {layers} 层、{heads} 个 query 头、{kv_heads} 个 KV 头，头维度 {size}。用张量并行跑在 {tp} "
             "块 GPU 上，KV cache 用 {dtype}。一个 token 在一块 GPU 上的 KV cache 占多少字节？",
        explain="2（K 和 V）× {layers} 层 × max(1, {kv_heads} / {tp}) 个头 × {size} × {item} B = {answer} B。",
        traps=("这只是 K 或 V，两者都要缓存。",
               "这是一个 token 的总量。每块 GPU 只存自己那份 KV 头。",
               "头不会再切。GPU 比 KV 头多时，每块 GPU 存某一个头的副本。",
               "query 头不缓存，要看 KV 头的个数。")),
    "32.all_reduce_bytes": Zh(
        text="{name}（{layers} 层，d_model {d}）用张量并行跑在 {tp} 块 GPU 上，精度 BF16。一次前向有 {tokens} 个 "
             "token。用 ring all-reduce，每块 GPU 要发送多少 MB（1e6 字节）？",
        explain="每层两次 all-reduce，attention 之后一次，MLP 之后一次。每次发送 {tokens} × {d} 个 2 字节值的 "
                "2({tp} − 1)/{tp} 倍：{answer} MB。",
        traps=("每层有两次 all-reduce：attention 之后一次，MLP 之后一次。",
               "ring all-reduce 发送的是数据量的 2(P − 1)/P 倍：一圈求和，一圈复制。",
               "每块 GPU 自己那一块不用发：是 2(P − 1)/P，不是 2。")),
    "32.expected_tokens": Zh(
        text="草稿模型每步提出 {gamma} 个 token，每个被接受的概率是 {alpha}，相互独立。一次验证平均产出多少个 "
             "token？",
        explain="1 + α + α² + … + α^γ = (1 − α^(γ+1)) / (1 − α)，其中 α = {alpha}，γ = {gamma}：{answer}。"
                "开头的 1 是目标模型无论如何都会给出的那个 token。",
        traps=("一旦被拒，后面的草稿全部作废，目标模型会补上自己的一个 token。",
               "前面的草稿全部被接受，这个草稿才算数。",
               "这是被接受的草稿数。目标模型无论如何还会加一个 token。")),
    "32.speculative_speedup": Zh(
        text="batch 为 1 的投机解码：每步 {gamma} 个草稿 token，每个被接受的概率是 {alpha}；"
             "生成一个草稿的开销是目标模型一次前向的 {cost}。速度是不用草稿时的多少倍？",
        explain="期望 token 数 (1 − α^(γ+1)) / (1 − α) 除以每步的开销，即 {gamma} × {cost} + 1 次前向："
                "{answer}。",
        traps=("草稿也有开销：每步要跑 γ 次草稿模型，再加一次目标模型。",
               "目标模型自己的那次前向也算在每步的开销里。")),
    "32.serve_today": Zh(
        text="截至 2026 年 8 月，怎么用 TensorRT-LLM 部署一个 Hugging Face 模型？",
        right="用 trtllm-serve 或 LLM API，不用构建 engine",
        wrong=(("examples/llama/build.py，再跑 run.py", "那是 2023 年 0.5 到 0.7 版的做法。"),
               ("convert_checkpoint.py、trtllm-build，再跑 run.py",
                "那是 0.8 版引入的，2026 年年中随整个 engine backend 一起移除了。"),
               ("trtexec --onnx", "trtexec 从 ONNX 构建 TensorRT engine。TensorRT-LLM 从来不是这么用的。")),
        why="现在只有 PyTorch 一个 backend，直接加载 Hugging Face 的 checkpoint。"),
    "32.mlp_all_reduces": Zh(
        text="W_gate 和 W_up 按列切，W_down 按行切。MLP 一次前向需要几次 all-reduce？",
        right="1",
        wrong=(("0", "每个 rank 最后得到的是自己那部分隐藏单元的部分和，还要加起来。"),
               ("2", "两个矩阵之间不用通信：每个 rank 的隐藏值是完整的，而且它正好持有与之相乘的那些行。"),
               ("d_ff", "隐藏值留在原处不动。")),
        why="先按列切：隐藏值完整。再按行切：输出是部分和，求和一次。"),
    "32.no_evict_reserves": Zh(
        text="GUARANTEED_NO_EVICT 在决定是否启动一个请求时，按什么计算它要占的块？",
        right="prompt + max_new_tokens 所需的块",
        wrong=(("prompt 所需的块", "那样运行中的请求可能把池子撑满，只好暂停其中一个。"),
               ("回答实际长度所需的块", "回答没结束之前，谁也不知道它有多长。"),
               ("一个块", "那就什么也保证不了。")),
        why="事先只知道上限。所以客户端如果总是把上限设得很大，池子看起来就总是满的。"),
    "32.why_exact": Zh(
        text="采样模式下的投机解码：草稿被拒之后，下一个 token 从什么分布里采样？",
        right="max(0, p_target − p_draft) 归一化后的分布",
        wrong=(("p_target", "草稿偏好的 token 在接受阶段已经出过了，这样会重复计入。"),
               ("p_draft", "那样输出会偏向草稿模型。"),
               ("p_target 里概率最大的 token", "那是贪心解码，不是所要的分布。")),
        why="接受阶段给每个 token 贡献了 min(p, q)。离 q 还差的就是 max(0, q − p)。"),
    "32.slow_tp8": Zh(
        text="一个模型在单台服务器上走 PCIe 做张量并行，TP=8 时每个 token 反而比 TP=2 时慢。为什么？你会怎么试？",
        rubric=("每层两次 all-reduce，每个 token 都要做：GPU 再多，次数也不会减少",
                "decode 时消息很小，起作用的是每次 all-reduce 的时延，不是带宽",
                "每块 GPU 上的矩阵变窄，kernel 没法充分利用 GPU",
                "rank 数超过 KV 头数后，KV cache 会重复存，显存不再省",
                "每个副本用 2 块 GPU，开四个副本（数据并行），或在慢链路上改用流水线并行；或者用 NVLink"),
        answer="每层要做两次 all-reduce，走 PCIe 时不管消息多小，每次都要几十微秒。80 层的话，每个 token 要付 160 "
               "次。省下的是读权重的时间：每块 GPU 只读八分之一，而不是一半。链路慢时，等待的时间比省下的还多，"
               "而且切得太窄，kernel 也跑不好。我会把张量并行限制在有高速互联的那组 GPU 里，"
               "在显存放得下的前提下尽量小，其余 GPU 用来开副本或做流水线并行的各级。"),
}
