"""Chinese texts of chapter 33's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "33.frozen_loop": Zh(
        text="`while x < 100: x = x * 2` 在 x = {a} 时被 trace。x = {b} 时，trace 出来的图返回多少？",
        explain="x = {a} 时，循环一直跑到不小于 100 为止，每一轮都记进了 trace：返回 {b} · 2^{turns} = {answer}，"
                "不管现在条件成不成立。",
        traps=("这是原函数的返回值。trace 的循环次数取自它的示例输入。",
               "这是示例输入的结果。trace 记的是操作，不是结果。",
               "循环被展开了：示例跑了几轮，trace 里就有几轮。")),
    "33.specialised_graphs": Zh(
        text="一个函数有 {k} 个分支，各自取决于输入的不同条件，相互独立。缓存为每条路径保存一张图，最多 {limit} "
             "张。最多会有多少张图？",
        explain="每个分支使路径数翻倍：2^{k}。缓存最多保存 {limit} 张，所以是 {answer}。",
        traps=("每个分支有两种结果，但它们会组合：路径数是相乘。",
               "路径数对了，再看缓存的上限。",
               "每个分支都直接结束函数才是这个数。这里的分支相互独立。"),
        words={"graphs": "张"}),
    "33.break_even_calls": Zh(
        text="编译使第一次调用多花 {ms} ms，之后每次调用快 {us} µs。之后要调用多少次才能回本？",
        explain="要赚回 {ms} · 1,000 µs，每次调用赚回 {us} µs：{answer} 次。如果进程活不到这么多次调用，就不该编译。",
        traps=("毫秒直接除以微秒了。",
               "1 毫秒是 1,000 微秒。"),
        words={"calls": "次"}),
    "33.keeps_if": Zh(
        text="Python 的 `if` 依赖张量的值时，下面两个哪个会把它保留为 prim::If？",
        right="torch.jit.script",
        wrong=(("torch.jit.trace", "它把函数跑一遍并记录操作。走哪个 `if` 分支，Python 已经决定了。"),
               ("两个都会", "trace 里只有示例输入走过的分支。"),
               ("都不会", "TorchScript 有分支和循环：prim::If 和 prim::Loop。")),
        why="script 编译的是源代码，两边都看得到。trace 只看到实际发生过的。"),
    "33.capture_in_2026": Zh(
        text="2026 年，PyTorch 文档推荐用哪种方式捕获计算图？",
        right="torch.export",
        wrong=(("torch.jit.trace", "已弃用：会给出警告，并建议用 torch.compile 和 torch.export。"),
               ("torch.jit.script", "同样已弃用，替代方案相同。"),
               ("用 pickle 保存模块", "pickle 里只有权重和类名，没有图，还需要源代码。")),
        why="整个 torch.jit 都已弃用。torch.export 给出带保证的图，捕获不了的就拒绝。"),
    "33.exported_module_slow": Zh(
        text="exported_program.module() 比 eager 模式下的模型还慢。为什么？",
        right="它在 Python 里解释执行图，本来就不是当运行时用的",
        wrong=(("它用 FP64 计算", "类型和模型一样。"),
               ("它没用多线程", "算子和 eager 模式相同，线程也相同。"),
               ("这是 debug 版", "只有一个版本。捕获不等于编译。")),
        why="exported program 是编译器或运行时的输入：AOTInductor、ExecuTorch、ONNX 导出器。它本身只是一张图。"),
    "33.trained_batch_norm": Zh(
        text="一个带 BatchNorm 的模型在训练模式下被 trace，图里会是什么？",
        right="用当前 batch 统计量的 batch norm，结果取决于 batch 的内容",
        wrong=(("已折叠进卷积的 batch norm", "折叠需要固定的统计量，而且不主动要求就不会折叠。"),
               ("报错", "什么报错都没有，麻烦就在这里。"),
               ("和评估模式一样", "用哪种统计量由模式决定，而 trace 把模式固定下来了。")),
        why="捕获之前先调用 model.eval()。训练模式下，预测结果取决于同一个 batch 里还有什么，"
            "而且每次调用都会改变保存的统计量。"),
    "33.migration_plan": Zh(
        text="一个产品在服务器和手机上都跑 TorchScript 模型。你打算怎么迁移？",
        rubric=("清点：哪些模型是 trace 的，哪些是 script 的，哪里的控制流依赖数据",
                "用 torch.export 捕获；这类分支改用 torch.cond 或 torch.where，并设好动态形状",
                "服务器：AOTInductor，或 ONNX 加 TensorRT；手机：ExecuTorch",
                "数值门禁用每个分支的真实输入，而不是单个示例",
                "时延要包括第一次调用；新版本达标之前保留 .pt 文件"),
        answer="先列出所有模型，在 script 的模型里找控制流，因为 torch.export 不接受依赖数据的分支。把它们改成 "
               "torch.cond 或 torch.where，batch 或长度会变的地方设动态形状。服务器上，导出的程序交给 AOTInductor，"
               "或经 ONNX 转到 TensorRT；手机上用 ExecuTorch，因为 PyTorch Mobile 已不再支持。每个模型都设门禁："
               "覆盖所有分支的录制输入上的输出、包含第一次调用的时延、包大小。一个模型在所有设备上都通过之前，旧的 "
               ".pt 一直保留，随时可以切回去。"),
}
