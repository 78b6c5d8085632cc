"""Chinese texts of chapter 47's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "47.swap_time": Zh(
        text="一个 {b}B 参数的 {dtype} 模型放在主机内存里，到 GPU 的链路带宽是 {link} GB/s（1e9 字节）。"
             "把它搬进显存要多少秒？",
        explain="{b}e9 个参数 × {item} B，再除以 {link}e9 B/s：{answer} s。不用往回拷：推理不改权重。",
        traps=("这把旧模型也往回拷了一遍。它在主机上的副本一直都在。",
               "这是按每个参数 1 字节算的。",
               "链路带宽的单位是字节每秒，不是比特每秒。")),
    "47.break_even": Zh(
        text="让一个模型常驻内存，每小时的内存成本是 {hold} 美分；重新加载一次，连同因此等待的工作，"
             "成本是 {reload} 美分。空闲多少小时后，常驻的成本就等于重新加载一次？",
        explain="重新加载 / 常驻 = {reload} / {hold} = {answer} 小时。把超时设成这么长，花费绝不会超过最优方案的两倍。",
        traps=("这个商除反了。",
               "应该用除法：一次重新加载的钱够常驻多少小时？"),
        words={"hours": "小时"}),
    "47.lru_hits": Zh(
        text="缓存能放 {k} 个大小相同的模型，按 LRU 淘汰，初始为空。请求序列：{trace}。命中多少次？",
        explain="维护一个长度为 {k} 的列表，最近用过的放在末尾，从头部淘汰。共命中 {answer} 次。",
        traps=("这是先进先出（FIFO）：命中时应当刷新顺序。",
               "缓存还能多放一个模型。",
               "这是未命中的次数。")),
    "47.mean_latency": Zh(
        text="一次推理耗时 {ms} ms。未命中时要先加载模型，{load} s。{hit}% 的请求命中。不计排队，平均延迟是多少 ms？",
        explain="每个请求都要 {ms} ms，其中 (100 − {hit})% 还要多等 {load} s：{answer} ms。平均值由未命中决定。",
        traps=("这是一次未命中的延迟。",
               "未命中的请求加载完之后，同样要跑推理。")),
    "47.module_device": Zh(
        text="`model` 是 GPU 上的一个 `nn.Module`。`model.device` 会得到什么？",
        right="AttributeError",
        wrong=(("`device(type='cuda', index=0)`", "有 device 的是张量。一个模块的参数可能分布在好几个设备上。"),
               ("`device(type='cpu')`", "没有默认值：这个属性根本不存在。"),
               ("`device(type='meta')`", "这是给不占内存的张量用的设备，而且也是张量的属性。")),
        why="`nn.Module` 没有这个属性。用 `next(model.parameters()).device`，或者把设备记在缓存条目里。"
            "（有些库给自己的类加了这个属性。）"),
    "47.no_copy_back": Zh(
        text="把一个模型从 GPU 上换出时，为什么不用把权重拷回主机？",
        right="推理不改权重，主机上的那份副本还在",
        wrong=(("显存断电之前一直留着它们", "这块显存马上就会被下一个模型占用。"),
               ("`empty_cache()` 会把它们写回去", "它只是把没用到的块还给驱动，什么都不拷。"),
               ("autograd 已经保存了它们", "autograd 保存的是反向所需的内容，在同一个设备上，推理时则根本不存。")),
        why="在主机内存里保留一份主副本。这样换出零开销，加载只需单向拷贝一次。"),
    "47.whole_module_load": Zh(
        text="某个文件是用 `torch.save(model, path)` 写的。在 torch 2.6 及以后，`torch.load(path)` 会怎样？",
        right="抛出 UnpicklingError，除非传入 `weights_only=False`",
        wrong=(("返回模型", "2.6 之前是这样。现在 `weights_only` 默认为 True。"),
               ("返回 state dict", "文件里是你的类的一个 pickle 对象，torch 不会把它拆开。"),
               ("给出警告并返回模型", "2.4 和 2.5 会警告，现在直接拒绝。")),
        why="用 `weights_only=False` 反序列化时，文件里指定的任何代码都可能被执行。应该保存 `state_dict()`，"
            "在代码里构建模块。"),
    "47.mmap_first_call": Zh(
        text="用 mmap 加 meta device，一个 14 GB 的模型 50 ms 就“加载”好了。第一个请求却要 4 s，第二个 40 ms。为什么？",
        right="第一次前向访问到权重时，才一页一页地从磁盘读进来",
        wrong=(("权重在首次使用时解压", "state dict 存储时不压缩。"),
               ("torch 在编译模型", "eager 模式的模块不会被编译。"),
               ("page cache 满了", "那第二个请求也会慢。")),
        why="映射文件并不读取任何内容，加载时间只是挪到了第一次推理。先跑一次推理，再宣布模型就绪。"),
    "47.two_hundred_loras": Zh(
        text="你要在一块 GPU 上为同一个基座模型服务 200 个 LoRA 适配器（叠加在权重上的小型低秩增量）。"
             "它们在内存和显存里怎么放？",
        rubric=("基座模型只放一份，大家共享",
                "适配器很小：全部放主机内存，GPU 上设一个按字节限额的缓存",
                "不同适配器的请求在共享基座上一起组 batch",
                "正在使用的适配器要 pin 住；无论多少请求同时要，只加载一次",
                "请求还在排队时就预取",
                "淘汰策略同时考虑新近程度和大小（或代价）"),
        answer="基座模型常驻，只有一份。适配器每个几十 MB，全部放在锁页（pinned）主机内存里，未命中只花几毫秒。"
               "GPU 上用一个按字节限额的 LRU 或 GreedyDual-Size 缓存，放正在使用的适配器。请求会 pin 住自己的适配器；"
               "并发的未命中共用一次加载。调度器把用到多个适配器的请求在共享基座上组 batch，"
               "并在请求排队时就加载它要用的适配器。"),
}
