"""Chinese texts of chapter 29's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "29.border_ms": Zh(
        text="一个 {mb} MB（1e6 字节）的张量在 CPU 和加速器之间传一次，链路带宽 {link} GB/s。要多少毫秒？",
        explain="1 GB/s 每毫秒传 1 MB：{mb} / {link} = {answer} ms。",
        traps=("这是秒数。",
               "题目说的是传一次。传回来是另一次拷贝。",
               "链路带宽的单位是字节，不是比特。")),
    "29.best_total": Zh(
        text="三个子图依次执行。子图 1：CPU 上 {cpu1} ms，或加速器上 {accel1} ms，来回拷贝共 {mb1} MB。子图 2 "
             "只能在 CPU 上跑：{cpu2} ms。子图 3：CPU 上 {cpu3} ms，或加速器上 {accel3} ms，拷贝 {mb3} MB。"
             "链路带宽 {link} GB/s，加速器每启动一次要 {start} ms。按最优决策，三个子图总共要多少毫秒？",
        explain="放到加速器上的代价是计算、启动加拷贝。"
                "子图 1：{accel1} + {start} + {mb1}/{link} = {away1} ms，CPU 上 {cpu1} ms。"
                "子图 3：{accel3} + {start} + {mb3}/{link} = {away3} ms，CPU 上 {cpu3} ms。"
                "两者各取较快的方案，再加上子图 2 的 {cpu2} ms，共 {answer} ms。",
        traps=("子图 3 不值得搬过去：把搬过去的总代价和 CPU 上的时间比一比。",
               "这是全部放在 CPU 上。",
               "漏了拷贝。")),
    "29.amdahl_borders": Zh(
        text="一个网络在 CPU 上要 {total} ms，其中 {pct} % 的时间花在加速器支持的算子上，加速器跑这些算子的速度是 "
             "CPU 的 {times} 倍。CPU 与加速器的边界要跨 {borders} 次，每次 {ms} ms。整个网络的加速比是多少？",
        explain="留在 CPU 上的、放到加速器上的，加上跨边界的："
                "{total} · (1 − {pct} %) + {total} · {pct} % / {times} + {borders} · {ms} ms。"
                "用 {total} ms 除以它，得 {answer}。",
        traps=("跨边界也有开销。",
               "这只是加速器支持的那部分的加速比。",
               "这是剩余时间的占比，加速比是它的倒数。")),
    "29.plain_wheel": Zh(
        text="一台机器有 NVIDIA GPU，CUDA 也正常。执行 `pip install onnxruntime` 之后，用默认设置创建的 session "
             "跑在哪里？",
        right="CPU",
        wrong=(("CUDA", "CUDA 的 provider 在 onnxruntime-gpu 包里。"),
               ("装了 TensorRT 就用 TensorRT", "TensorRT 的 provider 必须编译进包里，还要写进 provider 列表。"),
               ("都不跑：创建 session 会报错", "每个包都带 CPU provider，所以装错了也没人发现。")),
        why="execution provider 是编译进包里的。`onnxruntime.get_available_providers()` 会列出当前包有哪些，"
            "启动时就该检查。"),
    "29.noise": Zh(
        text="引擎 A 的中位数是 1.00 ms，引擎 B 是 0.97 ms。中位数之比 A/B 的 95 % 区间是 0.95 到 1.09。谁更快？",
        right="不分胜负：区间包含 1",
        wrong=(("B，快 3 %", "3 % 小于噪声：区间从 A 快 5 % 一直到 B 快 9 %。"),
               ("A", "A 的中位数更大，而且区间包含 1。"),
               ("最小值更小的那个", "最小值由碰巧最快的一次决定。")),
        why="这些数据对两种结论都说得通。多跑几次区间会变窄，次数增加到 4 倍，宽度减半。"),
    "29.slow_on_toy": Zh(
        text="在一个只有七个很小的层的网络上，OpenVINO 用了 170 µs，ONNX Runtime 用了 50 µs。你的结论是什么？",
        right="这里起决定作用的是单次调用的固定开销，要用真实模型来测",
        wrong=(("OpenVINO 的 kernel 更慢",
                "换成宽 8 倍的网络，两者可能就很接近了。170 µs 里花在 kernel 上的很少。"),
               ("权重转换出错了", "那样输出会不同，比一下就知道。"),
               ("AVX 没打开", "那样大网络受的影响会比小网络更大。")),
        why="不管网络多大，每次调用都要准备请求、唤醒线程、拷贝张量。换成真实模型，这些开销就可以忽略了。"),
    "29.not_an_engine": Zh(
        text="下面哪个不是推理引擎？",
        right="PocketFlow",
        wrong=(("ncnn", "腾讯的手机端推理引擎，有自己的模型格式。"),
               ("LiteRT", "Google 的推理引擎，2024 年以前叫 TensorFlow Lite。"),
               ("MNN", "阿里巴巴的推理引擎，自带转换工具。")),
        why="PocketFlow 在 TensorFlow 上做剪枝、量化和蒸馏。它产出模型，但不运行模型。"),
    "29.convex": Zh(
        text="除了中间的一个算子，加速器支持网络里的所有算子；那个算子在两条并行路径中的一条上。"
             "为什么其余算子不能合成一个子图？",
        right="这个子图既要在那个算子之前执行，又要在它之后执行",
        wrong=(("子图只能是一条链", "子图可以任意分叉和汇合。"),
               ("加速器内存太小", "有这个可能，但题目里没有提到。"),
               ("一个子图里只能有同一种算子", "凡是支持的算子都可以放进去。")),
        why="子图是作为整体执行的，所以不能有路径从里面出去又回来：它必须是凸的。否则那个算子要等子图的结果，"
            "子图又要等它的输出。"),
    "29.three_targets": Zh(
        text="同一个检测模型要部署到带 NVIDIA A10 的服务器、带 Intel NPU 的自助终端和手机上。选哪些引擎？"
             "怎么让三端保持一致？",
        rubric=("以一个 ONNX 文件为唯一源头，按目标分别编译",
                "A10 上用 TensorRT，或 ONNX Runtime 加 TensorRT provider",
                "Intel NPU 上用 OpenVINO",
                "手机上用 LiteRT、ncnn 或 ExecuTorch，并说明理由",
                "每个目标各定精度，后面都设准确率门禁",
                "统计不支持的算子和回退的子图",
                "在 CI 里用真机做 benchmark；关注许可证和维护状况"),
        answer="以导出的 ONNX 文件为唯一源头，其余产物都在 CI 里由它构建。A10 上构建 FP16 的 TensorRT plan；"
               "自助终端用 OpenVINO 编译到 NPU，多半用 INT8；手机上用 LiteRT，因为它有 GPU 和 NPU delegate，"
               "对体积敏感的用 ncnn。每次构建后都与 FP32 的 ONNX Runtime 比较输出，检测准确率还要过门禁。"
               "我会统计回退到 CPU 的算子，因为每跨一次边界都有拷贝；如果回退的算子在网络中间，就改模型。"
               "时延在真机上测，与线上版本交替运行。每年查一次许可证和最近的提交。"),
}
