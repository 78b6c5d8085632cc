"""Chinese texts of chapter 28's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "28.json_bytes": Zh(
        text="一个 float32 输入，形状 {n} × {c} × {side} × {side}，以 JSON 发给 Triton。每个数平均 {chars} "
             "个字符，后面跟一个逗号。不算头部，字节数是二进制格式的多少倍？",
        explain="每个数：文本 {chars} + 1 字节，二进制 4 字节，所以是 {answer} 倍。形状约掉了。",
        traps=("两个数之间的逗号也占一个字节。",
               "float32 是 4 字节，不是 8 字节。",
               "这是二进制比 JSON，反了。")),
    "28.instances": Zh(
        text="容器里能看到 {G} 块 GPU，每块 {M} GiB。模型的一个实例占 {m} GiB。它的 instance_group 是 KIND_GPU，"
             "没有写 `gpus`。总共最多能放下多少个实例？",
        explain="count 是按每块 GPU 算的，一块能放 floor({M} / {m}) 个，{G} 块共 {answer} 个。",
        traps=("这是 `count`，即每块 GPU 上的个数。不写 `gpus` 时，每块可见的 GPU 上都有这么多。",
               "一个实例不能跨两块 GPU：要每块分别向下取整。",
               "这是 GPU 的块数。一块 GPU 上可以放多个实例。")),
    "28.batch_from_delay": Zh(
        text="单条请求随机到达，每秒 {rate} 个。batcher 最多可以等 {delay} µs，max_batch_size 是 {B}。"
             "只看这个等待时间，一个 batch 平均最多有多少个请求？",
        explain="第一个请求，加上等待时间内到达的：1 + {rate} · {delay} / 10^6，但不超过 {B}：{answer}。",
        traps=("开启这个 batch 的那个请求也要算。",
               "batch 不会超过 max_batch_size。",
               "等待时间的单位是微秒。",
               "这是上限。按这个到达率，等待时间内攒不满。")),
    "28.shared_memory": Zh(
        text="一个模型跑在 Python backend 里，张量经 /dev/shm 传递。每个请求输入 {inp} MiB，输出 {out} MiB，同时有 "
             "{n} 个请求在处理。张量总共需要多少 MiB？（Docker 的 /dev/shm 默认 64 MiB。）",
        explain="{n} · ({inp} + {out}) = {answer} MiB。超过 64 MiB，容器就要加 `--shm-size`。",
        traps=("输出也要走共享内存。",
               "这只是一个请求。",
               "这是默认值之外还差多少，不是总共需要多少。")),
    "28.max_batch_zero": Zh(
        text="config.pbtxt 里的 `max_batch_size: 0` 是什么意思？",
        right="Triton 不做 batching，`dims` 就是完整形状",
        wrong=(("batch 大小不限", "0 不表示没有上限，而是关闭 batching；想放宽上限就写一个大数。"),
               ("输入是动态形状", "可变维度在 `dims` 里写 -1，与是否做 batching 无关。"),
               ("配置有误", "这是合法的，也是默认值。只有负数会被拒绝。")),
        why="设为 0 时，不会在 `dims` 前面加 batch 维，请求也不会合并。`dims: [2, 3]` 的模型会拒绝形状为 [4, 3] "
            "的请求。"),
    "28.gpu_in_container": Zh(
        text="一个写了 `gpus: [1]` 的模型在宿主机上能加载，在 `docker run --gpus '\"device=1\"'` 里却不行。为什么？",
        right="容器里只看得到一块 GPU，它在容器里的编号是 0",
        wrong=(("镜像里没有 CUDA", "CUDA 是镜像自带的。而且没有的话，别的模型也会失败。"),
               ("驱动太旧", "那样不管编号是几，GPU 上什么都加载不了。"),
               ("需要 KIND_CPU", "KIND_CPU 会让模型跑在 CPU 上。它可以用 GPU，只是编号写错了。")),
        why="容器里可见的 GPU 从 0 重新编号。服务器会报：invalid or unsupported gpu id 1。去掉 `gpus`，或者写成 "
            "[0]。"),
    "28.from_the_host": Zh(
        text="Triton 容器用的软件栈里，哪一部分来自宿主机？",
        right="内核驱动",
        wrong=(("CUDA runtime", "在镜像里，版本随该发行版固定。"),
               ("cuDNN", "是镜像里的库。"),
               ("TensorRT", "是镜像里的库，engine 必须用同一版本构建。")),
        why="NVIDIA Container Toolkit 把驱动和驱动的库带进容器。用户态软件栈的其余部分都固化在镜像里。"),
    "28.processes": Zh(
        text="一台服务器有 2 块 GPU，某模型用 TensorRT backend，instance_group 是 KIND_GPU，count 为 3。一共有几个 "
             "`tritonserver` 进程为它服务？",
        right="一个",
        wrong=(("两个，每块 GPU 一个", "多块 GPU 不等于多个服务进程，一个进程统一调度。"),
               ("三个", "`count` 是每块 GPU 上的实例数，而实例不是进程。"),
               ("六个", "模型有六个实例，都在同一个进程里。")),
        why="实例在同一个服务进程内调度。只有 Python backend 会给每个实例另起一个 stub 进程，但那不是服务进程。"),
    "28.idle_gpu": Zh(
        text="客户端的 p99 是 3 s，GPU 却是空闲的。你按什么顺序查什么？",
        rubric=("服务端统计：排队、compute_input、compute_infer 各花多少时间",
                "编码：大张量是不是用 JSON 数字传的；改用二进制或共享内存",
                "预处理在客户端，还是在只有一个实例的 Python 模型里",
                "batcher 的等待时间和实例数",
                "每一段都重新测：8002 端口的 metrics"),
        answer="在发一批请求的前后各查一次 `/v2/models/NAME/stats`。排队长，说明实例太少或等待时间设得太长；"
               "compute_input 长，多半是拷贝。如果服务端各项加起来远小于 3 s，时间就丢在它之前：大张量用了 JSON，"
               "或者客户端在做预处理。我会先换成二进制张量，因为只要改一个参数。再看 Python 模型，"
               "只有一个实例时一次只能处理一个请求，就调大 `count`。每改一处都重新看 metrics，并把客户端的 p99 "
               "和服务端的对比。"),
}
