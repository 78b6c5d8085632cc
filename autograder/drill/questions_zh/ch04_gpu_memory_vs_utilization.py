"""Chinese texts of chapter 4's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "04.utilization": Zh(
        text="在 {window} ms 的采样窗口里，三个 kernel 的运行区间分别是 {a} 到 {b} ms、{c} 到 {d} ms、{e} 到 {f} ms。"
             "这个窗口读到的 GPU 利用率是百分之多少？",
        explain="{a} 到 {d} ms 在忙（前两个有重叠），{e} 到 {window} ms 也在忙：占 {window} ms 的 {answer}%。",
        traps=("两个 kernel 同时在跑的时间只算一次。", "最后一个 kernel 在窗口之外才结束，只算窗口内的部分。")),
    "04.sm_activity": Zh(
        text="一块 GPU 有 {n} 个 SM。在 {window} ms 的窗口里，有一个 kernel 在其中 {k} 个 SM 上跑了 {busy} ms。"
             "SM 活跃度（窗口内平均有多大比例的 SM 在工作）是百分之多少？",
        explain="{k} / {n} 的 SM，工作了 {busy} / {window} 的时间：{answer}%。",
        traps=("这是 GPU 利用率：它不管有多少个 SM 在工作。", "这是 kernel 运行期间的比例，还要对整个窗口取平均。")),
    "04.reserved": Zh(
        text="PyTorch 还没有 reserve 任何显存。现在依次分配 {t0}、{t1} 和 {t2} MiB 的张量。reserved 显存是多少 MiB？",
        explain="不超过 1 MiB：申请 2 MiB 的 segment。小于 10 MiB：申请 20 MiB 的 segment。10 MiB 及以上："
                "按大小向上取整到 2 MiB 的倍数。同一个池里，segment 的空闲部分放得下就不再申请新的。"
                "三个张量依次新增：{grown} = {answer} MiB。",
        traps=(
            "这是 allocated 的大小。分配器申请的是整个 segment。",
            "后面的张量可能放得进同一个池里前面某个 segment 的剩余空间。",
            "1 到 10 MiB 的张量用 20 MiB 的 segment，几个张量可以共用一个。")),
    "04.mem_util": Zh(
        text="NVML 的 `utilization.memory` 是什么？",
        right="采样周期内，显存有读写的时间所占的比例",
        wrong=(
            ("已用字节数 / 总字节数",
             "那是 memory.used / memory.total。模型加载后空闲着，这个比值很高，`utilization.memory` 却是 0%。"),
            ("cache 命中率", "NVML 没有这个指标。cache 命中要用 profiler 统计。"),
            ("PCIe 带宽的占用比例", "PCIe 流量是单独的指标。")),
        why="两种利用率都是上一个采样周期里的时间占比。"),
    "04.still_high": Zh(
        text="执行 `del x; torch.cuda.empty_cache()` 之后，nvidia-smi 显示的显存几乎没降。最可能的原因是什么？",
        right="还有东西活着：别的引用，或同一个 segment 里的另一个张量；CUDA context 更是一直都在",
        wrong=(
            ("驱动的 bug", "只要 PyTorch 要求，驱动会立刻回收整个 segment。"),
            ("ECC 保留了一份副本", "有些显存会被 ECC 固定占掉一部分，但与张量无关。"),
            ("开了 persistence mode", "它只是让驱动常驻，并不占着进程的显存。")),
        why="empty_cache 只归还完全空闲的 segment。有一个活着的 block，整个 segment 就留着；"
            "而 context 与进程同生共死。"),
    "04.idle_full": Zh(
        text="nvidia-smi 连续几小时显示显存占用 90%、利用率 0%。这是怎么回事？",
        right="模型加载好了，在等请求",
        wrong=(
            ("显存泄漏", "泄漏会一直涨。稳定不变的是正常分配，而且推理服务会有意把显存占满。"),
            ("驱动卡死", "那样 nvidia-smi 会报错，或者利用率一直停在 100%。"),
            ("过热降频", "降频会降低时钟，kernel 跑得更久，利用率反而升高。")),
        why="显存占用是一个水位，利用率是时间占比，两者互不说明。"),
    "04.oom": Zh(
        text="训练中断，报错“tried to allocate 2 GiB”，同时有 3 GiB 是 reserved but unallocated。发生了什么？"
             "你会试哪些办法？",
        rubric=(
            "碎片：这 3 GiB 是许多空闲块，没有一块够 2 GiB",
            "segment 里只要有一个活着的 block 就还不回去，所以 empty_cache 没用",
            "expandable segments（PYTORCH_ALLOC_CONF=expandable_segments:True）或 max_split_size_mb",
            "减少尺寸的种类，先分配大张量；看峰值，而不是平均值",
            "如果峰值本身太高，就减小 batch 或用激活重计算（activation checkpointing）",
            "录一份 memory snapshot，看各个 segment"),
        answer="空闲显存散落在活着的张量之间。一次申请需要一整块，而驱动只收回整个 segment。"
               "我会录一份 memory snapshot，看是哪些张量把 segment 钉住了，再打开 expandable segments，"
               "并避免形状变来变去（长度分桶，先用最大的形状热身）。如果峰值本身就太高，"
               "那就减小 batch 或做激活重计算。"),
}
