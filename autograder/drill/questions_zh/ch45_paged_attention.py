"""Chinese texts of chapter 45's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "45.kv_bytes": Zh(
        text="{name} 有 {layers} 层、{heads} 个 query 头、{kv_heads} 个 KV 头，每个头的维度是 {head_dim}。"
             "用 {dtype} 存储时，一个 token 的 KV cache 占多少字节？",
        explain="2（K 和 V）× {layers} 层 × {kv_heads} 个 KV 头 × {head_dim} × {each} = {answer} 字节。"
                "query 不进缓存。",
        traps=("这只是 K 或 V 其中之一，两者都要缓存。",
               "query 不缓存，应该用 KV 头的数量。",
               "这只是一层，每一层都有自己的缓存。"),
        words={"1 byte": "1 字节", "2 bytes": "2 字节"}),
    "45.capacity": Zh(
        text="一块 GPU 有 {gpu} GB 显存，允许使用其中的 90%。权重占 {weights} GB，"
             "剩下的全部作为分页 KV cache（每个 token {kv:,} 字节，每块 {block} 个 token）。"
             "每条序列有 {tokens} 个 token，大约能同时放下多少条序列？",
        explain="缓存池为 0.9 × {gpu} GB − {weights} GB。一条序列占 ceil({tokens} / {block}) 块，"
                "每块 {block} × {kv:,} 字节。池里放得下 {answer} 条。",
        traps=("权重也常驻显存，要先减掉。",
               "显存只能用 90%。",
               "分页不按最大长度预留：序列有多少 token，就占相应数量的块。",
               "这是 token 数，不是序列数。")),
    "45.shared_blocks": Zh(
        text="一个 {p} token 的 prompt 并行采样 {n} 路，每一路都已经写入 {o} 个 token。每块存 {b} 个 token，"
             "凡是能靠写时复制（copy-on-write）共享的都共享。一共占用多少个物理块？",
        explain="prompt 的 {p} // {b} = {full} 个满块只有一份。每一路共有 {each} 块，"
                "满块之后的所有块，包括被复制的尾块，都有 {n} 份：{full} + {n} · ({each} − {full}) = {answer} 块。",
        traps=("这是完全不共享的算法：prompt 的满块只存一份。",
               "prompt 的最后一块没填满，各路采样都要往里写，所以各有一份拷贝；它们的 token 从这一块接着写，"
               "而不是另起新块。",
               "prompt 的最后一块没填满，各路采样都要往里写，所以各有一份拷贝。")),
    "45.removes": Zh(
        text="KV cache 分页之后，消除了什么？",
        right="外部碎片，以及按最大长度的预留",
        wrong=(("attention 的计算量", "每个 token 仍然要关注它之前的所有 token，FLOPs 不变。"),
               ("内部碎片", "它还在，就在每条序列的最后一块里，只是变小了：平均半块。"),
               ("对 KV cache 的需求", "缓存还是那些缓存，变的只是各个槽位放在哪里。")),
        why="所有块大小一致，任何空闲块都能用；而且用到时才分配。"),
    "45.fork_copies": Zh(
        text="一条 43 个 token 的序列存放在大小为 4 的块里。从它 fork 出两个子序列，随后释放父序列，"
             "接着两个子序列各追加一个 token。一共要复制多少块？",
        right="1",
        wrong=(("0", "43 个 token 填满 10 块，再占第 11 块的 3 个槽位。两个子序列都要往这一块里写。"),
               ("2", "先写的一方复制。此后这一块只剩另一方持有，可以原地写。"),
               ("11", "满块不会再被写，始终共享。只需要复制没填满的那一块。")),
        why="没填满的尾块有 n 个持有者时，会发生 n − 1 次复制：这里是 1 次。"),
    "45.why_faster": Zh(
        text="KV cache 分页后，吞吐量为什么会上升？",
        right="每读一遍权重，有更多序列分摊",
        wrong=(("attention kernel 变快了", "反而变慢：论文实测慢 20–26%，因为要查块表间接读取。"),
               ("每个 token 的 FLOPs 变少了", "单个 token 的计算量不变。"),
               ("缓存里每个数的位数变少了", "那是量化。分页不改变数值。")),
        why="decode 每一步都要读全部权重。浪费少了，batch 就能更大，这次读取就由更多 token 分摊。"),
    "45.exhausted": Zh(
        text="所有块都已分完，某个运行中的请求还需要一块。vLLM 这类调度器会怎么做？",
        right="抢占最新的请求，之后再重算它的缓存（或者换入）",
        wrong=(("报显存不足（OOM）并退出", "准入时不知道输出有多长，块用完是意料之中的事，靠抢占来处理。"),
               ("驱逐最老的请求", "先来先服务：最老的请求最接近完成，也已经等得最久。"),
               ("把块改小", "块大小在划分显存池时就定下来了。")),
        why="一个请求的块要么全要、要么全不要，所以整个请求一起让出。"
            "重算只需对 prompt 和已生成的 token 做一次 prefill。"),
    "45.block_size": Zh(
        text="分页 KV cache 的块大小，你会怎么选？",
        rubric=("浪费：每条序列约 (B − 1)/2 个槽位，所以要拿 B 和请求长度比",
                "kernel 和块表：块小则表项多、并行读取少；取 16 或更大",
                "前缀共享以满块为单位：块越小，共享越多",
                "看真实的长度分布，不要只看均值",
                "块也是哈希、换入换出以及跨机传输的单位"),
        answer="每条序列大约浪费半块，所以块要远小于典型请求的长度。块太小，kernel 会变慢，块表也会变长。"
               "前缀缓存共享的是满块，块越小共享越多。论文发现长对话下 16 到 128 都不错，短对话下 16 和 32 较好，"
               "最后取了 16。我会按自己业务的长度分布实测，同时记住块也是哈希、换入换出和传输的单位。"),
}
