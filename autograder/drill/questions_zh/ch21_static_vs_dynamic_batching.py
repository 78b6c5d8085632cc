"""Chinese texts of chapter 21's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "21.static_waste": Zh(
        text="某模型按固定 batch {B} 构建，这次只来了 {n} 个输入。它的计算有百分之多少是浪费的？",
        explain="处理了 {B} 行，实际只需要 {n} 行：({B} − {n}) / {B} = {answer}%。",
        traps=(
            "这是有用的占比。",
            "这是 padding 除以有用行数。题目问的是它占全部行数的比例。",
        ),
    ),
    "21.capacity": Zh(
        text=(
            "一个大小为 n 的 batch 要 {a} + {b}·n ms。如果每个 batch 都装满 {B} 个请求，"
            "服务端每毫秒能处理多少个请求？"),
        explain="每 {a} + {b}·{B} ms 完成 {B} 个请求：每 ms {answer} 个。",
        traps=(
            "这是每秒的数量。",
            "这是 batch 数。每个 batch 会完成其中的所有请求。",
            "这是一次只处理一个请求。",
            "这是 batch 极大时的极限。",
        ),
        words={"requests/ms": "请求/ms"},
    ),
    "21.mean_latency": Zh(
        text=(
            "一个服务端合并请求：攒满 {B} 个，或最早的请求已等了 {d} ms，就启动一个 batch，但要等服务端空闲；"
            "它取走启动时已到达的所有请求，最多 {B} 个。大小为 n 的 batch 要 {a} + n ms。"
            "请求到达时刻为 {times} ms。平均延迟是多少 ms？"),
        explain=(
            "逐个 batch 推算：先取攒满与等待到时中较早的，再与服务端空闲时刻比，取较晚的，就是启动时刻。"
            "各 batch（到达时刻: 启动 → 结束）：{batches}。"
            "每个请求的延迟是 batch 结束时刻减去到达时刻，平均为 {answer} ms。"),
        traps=(
            "batch 攒满后，不再等剩余的时间。",
            "等待时间从最早请求到达时算起，而不是从服务端空闲时算起。",
            "这是完全不等待的结果。",
            "没装满的 batch 耗时更短。",
        ),
    ),
    "21.two_buckets": Zh(
        text=(
            "请求中，大小为 {sizes[0]} 的有 {counts[0]} 个，{sizes[1]} 的有 {counts[1]} 个，"
            "{sizes[2]} 的有 {counts[2]} 个，{sizes[3]} 的有 {counts[3]} 个。每个请求都 padding 到能容纳它的最小桶。"
            "只用两个桶，最少处理多少行？"),
        explain="最大的大小 {top} 必须是一个桶。再把其他大小逐一试作第二个桶：取 {second} 时行数最少，为 {answer}。",
        traps=(
            "最常见的大小不一定是最好的第二个桶。",
            "这是只用一个桶的结果。",
            "这是用三个桶的结果：最大的大小已占了两个桶中的一个。",
            "这是有用的行数，即每种大小都有自己的桶。",
        ),
    ),
    "21.no_profile": Zh(
        text="某 ONNX 模型的 batch 维是动态的。如果不给 TensorRT 提供 optimization profile，会怎样？",
        right="引擎无法构建",
        wrong=(
            ("按 batch 1 处理", "动态维没有默认值，builder 要求给出范围。"),
            ("自己选定范围", "它不可能知道你的流量。min、opt 和 max 要由你来给。"),
            ("等第一个输入到来时再分配", "kernel 和显存在构建时就按一个范围规划好，这个范围必须已知。"),
        ),
        why=(
            "含动态维的网络至少要有一个 profile，给出 min、opt 和 max。kernel 按 opt 选取，"
            "并且在整个范围内都必须有效。"),
    ),
    "21.triton_default": Zh(
        text="Triton 配置里只写了 `dynamic_batching { }`，别的什么都没有。一个请求会等其他请求多久？",
        right="完全不等：已经在排队的请求组成一个 batch",
        wrong=(
            ("100 µs", "那是示例里的取值。`max_queue_delay_microseconds` 的默认值是 0。"),
            ("等到 batch 攒满", "那样的话，单独一个请求永远得不到响应。"),
            ("1 s", "没有这样的默认值。等待时间要自己配置。"),
        ),
        why=(
            "默认情况下，batch 在不等待的前提下，从队列里能取多大就取多大。负载高时，服务端忙着，"
            "batch 自然就攒大了。`max_queue_delay_microseconds` 会增加等待。"),
    ),
    "21.continuous": Zh(
        text="连续批处理与动态批处理有什么不同？",
        right="它在每个 decode 步都可以接入新请求、移出完成的请求",
        wrong=(
            ("是同一个东西的另一个名字", "动态批处理会让一个 batch 一直保持到结束。"),
            ("只能在 GPU 上用", "它是一种调度规则，与设备无关。"),
            ("把所有序列 padding 到同一长度", "它正好省掉了这种 padding：完成的就离开。"),
        ),
        why=(
            "同一 batch 中，10 个 token 的回答要等 1,000 个 token 的回答。连续批处理（in-flight batching）在每个 "
            "token 之后查看 batch：完成的请求离开，等待的请求加入。"),
    ),
    "21.camera_box": Zh(
        text=(
            "一个摄像头盒子每帧找到 1 到 6 张人脸，对每张脸跑一个人脸网络。NPU 只支持固定 shape。"
            "你编译哪些 batch 大小？"),
        rubric=(
            "先统计每帧人脸数的直方图",
            "用少量的桶，例如 1、2、6，与循环跑 batch 1 对比：比较行数和调用次数",
            "每个编译图的内存，以及权重是否共享",
            "一帧的延迟预算：最坏情况是六张脸",
            "测量 padding 的代价与切换图的代价",
        ),
        answer=(
            "我先记录每帧有多少张脸，由直方图算出用一个、两个、三个桶时的最优取法，最大的桶总是 6。"
            "再在盒子上实测每个编译好的大小：如果 batch 6 比 batch 2 慢不了多少，那么一个图加 padding 就够了；"
            "如果时间随 n 增长，循环跑 batch 1，或用 1、2、6 三个桶更好。每个图占内存，切换要花时间，"
            "所以在六张脸也满足帧预算的前提下，图尽量少留。"),
    ),
}
