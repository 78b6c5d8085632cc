"""Chinese texts of chapter 36's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "36.workspace": Zh(
        text="脚本里的 trtexec 写着 `--memPoolSize=workspace:{mib}M`。做同样的构建，"
             "`config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, …)` 里该填什么数？",
        explain="Python API 以字节为单位：{mib} · 2^20 = {answer}。",
        traps=("这样设只有这么多字节。trtexec 以 MiB 计，API 以字节计。",
               "这里的 M 指 MiB，即 2^20 字节。",
               "这是 KiB，1 MiB 是 2^20 字节。")),
    "36.memory": Zh(
        text="一个 engine 的权重占 {weights} MB，激活每个样本占 {per_sample} MB，"
             "profile 的 batch 上限为 {batch}。{contexts} 个 execution context 同时运行，"
             "每个都按整个 profile 分配。不计临时显存（scratch），共需多少 MB？",
        explain="权重只算一份，激活每个 context 各一份：{weights} + {contexts} · {batch} · {per_sample} = "
                "{answer} MB。",
        traps=("每个 context 都有自己的激活。",
               "权重属于 engine，由所有 context 共享。",
               "显存按 profile 的 max 预留，不是按一个样本。")),
    "36.half": Zh(
        text="某个权重为 {weight}，转成 FP16 会变成什么？用数字回答：1 = 零，2 = 非规格化数，3 = 规格化数，"
             "4 = 无穷大。",
        explain="它{why}。",
        words={"at or below 2^-25, which rounds to 0": "不大于 2^-25，舍入成 0",
               "between 2^-25 and 2^-14: subnormal, so with fewer bits": "介于 2^-25 与 2^-14 之间："
               "是非规格化数，有效位数变少",
               "between 2^-14 and 65520: a normal number": "介于 2^-14 与 65520 之间：是规格化数",
               "at or above 65520, which becomes infinite": "不小于 65520，变成无穷大"}),
    "36.profile": Zh(
        text="两个 optimization profile 都接受 batch 1 到 64。profile 0 的 opt = {a}，profile 1 的 opt = {b}。"
             "现在来了一个大小为 {n} 的 batch。按倍数算，opt 离它最近的 profile 多半更快，是哪个？用下标回答。",
        explain="{n} 与 {a} 相差 {fa} 倍，与 {b} 相差 {fb} 倍。倍数较小的是 profile {answer}。",
        traps=("这是按差值算最近，而工作量应当按倍数比较。",
               "按倍数看，这个 opt 更远。")),
    "36.fp16_flag": Zh(
        text="在 TensorRT 11 上，`config.set_flag(trt.BuilderFlag.FP16)` 会怎样？",
        right="抛出 AttributeError",
        wrong=(("被忽略", "连这个名字都没了，Python 在 `trt.BuilderFlag.FP16` 处就会出错，还没走到函数调用。"),
               ("给出弱类型相关的告警", "那是 10 的行为，11 已经删掉了这个 flag。"),
               ("构建出 FP16 engine", "现在类型由模型决定，要在 ONNX 文件里做 cast。")),
        why="11.0 删掉了所有精度 flag。FP16 和 BF16 靠对 ONNX 模型做 cast，INT8 和 FP8 靠 Q/DQ 节点。"),
    "36.other_gpu": Zh(
        text="engine 用默认设置在 RTX 4090 上构建，拿到 T4 上加载会怎样？",
        right="加载被拒绝",
        wrong=(("能跑，只是更慢", "kernel 是为另一种架构编译的，plan 默认不可移植。"),
               ("与在 4090 上一样", "kernel 是针对实测计时所用的那块 GPU 选择并编译的。"),
               ("自动重新构建", "plan 里没有 ONNX 模型，重新构建是应用自己的事。")),
        why="plan 默认只适用于构建它的 TensorRT 版本和 GPU 型号。"
            "没有哪一级硬件兼容选项能从 Ada（4090）覆盖到 Turing（T4）：一级限于同一 compute capability，"
            "另一级从 Ampere 起。"),
    "36.opt": Zh(
        text="optimization profile 里的 opt shape 有什么用？",
        right="按这个形状给 kernel 计时并选型",
        wrong=(("按它分配显存", "显存按 max 分配，与 opt 无关。"),
               ("只有这个形状能跑", "min 到 max 之间的形状都能跑。"),
               ("在这个形状上校准精度", "构建时没有数据流过网络，只有旧版本的 INT8 校准例外。")),
        why="builder 在 opt 上给 kernel 计时。范围内的其他形状用同样的 kernel，只是未必最优。"),
    "36.cpu_hides": Zh(
        text="某个 FP16 模型在 CPU 上用 ONNX Runtime 跑，结果与 FP32 一致；到 GPU 上却输出 NaN。你首先怀疑什么？",
        right="某个激活在 FP16 下溢出，而 CPU 是用 FP32 算的",
        wrong=(("GPU 驱动", "有可能，但很少见。先看激活的数值范围。"),
               ("TF32", "TF32 的指数位与 FP32 相同，不会因此溢出。"),
               ("timing cache（计时缓存）", "它只记录哪个 kernel 最快。")),
        why="CPU provider 的 FP16 kernel 很少。它会自己插入 cast，中间用 FP32 计算，"
            "所以超过 65504 的值在那里不会变成无穷大。应当用真实输入扫描数值范围，让这些层保持 FP32。"),
    "36.migration": Zh(
        text="有二十个模型跑在 TensorRT 8.6 上，请规划迁移到 11 的方案。",
        rubric=("盘点用到的 API：已删除的枚举名、基于 binding 的执行方式、V2 plugin",
                "精度改由 ONNX 文件决定（FP16 用 cast，INT8 用 Q/DQ），并设精度门禁",
                "engine 和 timing cache 按 GPU 型号逐一重新构建",
                "在相同设置下做 benchmark：数据传输、CUDA graph、形状、锁频",
                "兜底方案（ONNX Runtime，或容器里的旧 engine）和回滚手段"),
        answer="首先列出代码里用到的东西：EXPLICIT_BATCH、精度 flag、calibrator、execute_async_v2、V2 plugin。"
               "然后是精度：FP16 flag 改为对 ONNX 文件做 cast，INT8 校准改为 Q/DQ 节点，"
               "每个模型都要对照 FP32 过精度门禁。8.6 的 plan 和 timing cache 都不能用了，"
               "所以每个模型要在每种 GPU 上重新构建。两个版本用相同的形状、传输方式和频率做 benchmark，"
               "因为 trtexec 的默认值变了。模型逐个迁移，旧容器一直留到新版扛过真实流量为止。"),
}
