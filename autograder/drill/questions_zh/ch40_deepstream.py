"""Chinese texts of chapter 40's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "40.raw_rate": Zh(
        text="{n} 路摄像头，分辨率 {size}，每秒 {fps} 帧。解码后的 {fmt} 帧（每像素 {bytes} 字节）合计多少 "
             "GB/s（1 GB = 1e9 字节）？",
        explain="{n} · {fps} · {pixels} 像素 · {bytes} 字节 = {answer} GB/s。",
        traps=("这只是一路摄像头。",
               "这是吉比特（Gbit），不是 GB。",
               "这是十亿像素（gigapixel）：漏了每像素的字节数。",
               "这是每路一帧的数据量：漏了帧率。")),
    "40.timeout": Zh(
        text="{fast} fps 和 {slow} fps 的两路摄像头接入同一个 nvstreammux。按 NVIDIA 的建议，"
             "batched-push-timeout 应设为多少 µs？",
        explain="取最快一路的一个帧周期：1,000,000 / {fast} = {answer} µs。",
        traps=("这是 ms，而该属性以 µs 计。",
               "这是较慢一路的帧周期：快的那路的帧就得等它。",
               "超时是一个帧周期，不是每路各加一个。")),
    "40.same_source": Zh(
        text="{fast} fps 和 {slow} fps 的摄像头共用一个 batch。慢的那路一个帧周期内，快的那路最多来多少帧？"
             "向上取整（即 NVIDIA 建议的 max-same-source-frames 取值）。",
        explain="{fast} / {slow}，向上取整：{answer}。",
        traps=("向下取整的话，快的那路会积压帧。",
               "这是每秒的帧数。")),
    "40.capacity": Zh(
        text="n 路摄像头各取一帧组成的 batch，耗时 {a} + {b}·n ms。摄像头为 {fps} fps，interval={k}。"
             "假设解码器和拷贝不构成瓶颈，最多能接多少路？",
        explain="每 {k} + 1 个 batch 跑一个，所以它有 1000 · ({k} + 1) / {fps} ms 可用。减去 {a} ms，"
                "除以 {b} ms，向下取整：{answer}。",
        traps=("interval 是两次推理之间跳过的 batch 数：每 interval + 1 个才跑一个。",
               "固定开销每个 batch 只付一次，不是每路付一次。",
               "这是不跳过时的结果。",
               "向上取整的话，最后一路放不下。")),
    "40.staggered_wait": Zh(
        text="{n} 路 {fps} fps 的摄像头，到帧时间均匀错开。muxer 要凑满 {n} 帧才输出 batch。每帧平均等多少 ms？",
        explain="第一帧要等 {n} − 1 个长 1000 / ({n} · {fps}) ms 的间隔，最后一帧不用等。"
                "平均为帧周期的 ({n} − 1) / (2 · {n})：{answer} ms。",
        traps=("这是第一帧的等待时间。",
               "这是一整个帧周期。",
               "半个周期是路数很多时的极限。",
               "这个结果的单位是秒。")),
    "40.dead_camera": Zh(
        text="四路摄像头坏了一路。nvstreammux 的哪个属性限制了其余各路的帧等待凑满 batch 的时间？",
        right="batched-push-timeout",
        wrong=(("batch-size", "它规定 batch 多大算满，对凑不满的 batch 没有帮助。"),
               ("queue 的 max-size-buffers", "它限制等待的帧数，不限制 muxer 等多久。"),
               ("interval", "它属于 nvinfer，而 nvinfer 要等 batch 推出之后才看得到。")),
        why="计时从 batch 的第一帧开始。超时一到，batch 就按现状推出去。"),
    "40.where_to_drop": Zh(
        text="GPU 过载了，在哪里丢最安全？",
        right="丢解码后的帧：在 muxer 之前放一个 leaky queue",
        wrong=(("丢组帧之前的 RTP 包", "少一个包，之后所有参考它的帧都会花，直到下一个关键帧。"),
               ("在解码器之前隔一帧丢一帧编码帧", "P 帧参考前一帧，这样几乎没有一帧是完整的。"),
               ("丢模型之后的检测结果", "到这一步，压垮 GPU 的计算已经做完了。")),
        why="解码后的帧是独立的，丢掉只损失这一帧。模型也根本看不到它，负载因此下降。"),
    "40.b_frames": Zh(
        text="摄像头编码时可以带 B 帧，也可以不带。为什么带 B 帧时，观众看到实时画面更晚？",
        right="B 帧要参考后面的帧，所以编码和发送是乱序的，需要等待",
        wrong=(("B 帧更大", "它是所有帧里最小的。"),
               ("GOP 会变长", "关键帧间隔是另一项设置。"),
               ("解码器得把 YUV 转成 RGB", "需要 RGB 时，不管什么类型的帧都要转。")),
        why="编码器要压住一帧，等它后面的帧到了再编；解码器也要到那时才显示它。不带 B 帧时，"
            "解码顺序就是显示顺序。"),
    "40.leaky_downstream": Zh(
        text="`queue leaky=downstream` 满了之后丢什么？",
        right="排队最久的那一帧",
        wrong=(("刚来的最新一帧", "那是 leaky=upstream：从来帧的那一侧漏。"),
               ("什么都不丢，阻塞前面的 element", "那是 leaky=no，也就是默认值。"),
               ("所有排队的帧", "每来一帧只丢一帧。")),
        why="upstream 是帧的来处，downstream 是帧的去处。向 downstream 漏，队列里就一直是新帧。"),
    "40.size_a_box": Zh(
        text="32 路摄像头，一块小型数据中心 GPU，事件发生后 500 ms 内要报警。你怎么规划？",
        rubric=("逐级分配时延预算：网络与 jitter buffer、解码、等 batch、排队、模型、消息",
                "解码器和模型的上限分开看，各自与每秒 32 · fps 帧比较",
                "interval 配合跟踪器，以及由此损失的精度",
                "用容量很小的 leaky queue 限定时延，并把丢帧率作为指标",
                "过载时按摄像头优先级决定先舍弃什么"),
        answer="我先列预算：网络和 jitter buffer 占 100 到 200 ms，等 batch 占一个帧周期，模型占几十 ms，"
               "其余留给排队。我实测 GPU 解码器在这个分辨率下每秒能解多少帧，并为模型拟合 a + b·n ms。"
               "如果 32 · 25 = 800 帧/s 超出模型的能力，就用 interval=1 或 2 配合跟踪器，并测出损失多少召回率。"
               "如果超出解码器的能力，就只能减少帧数或换更小的码流。队列向 downstream 漏，容量两三帧，"
               "这样排队时延有上界；每路的丢帧率单独设告警。门口的摄像头保持全帧率，停车场的先丢帧。"),
}
