"""Chinese texts of chapter 20's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "20.same_output": Zh(
        text=(
            "图像宽 {size} 像素。TFLite 的一个卷积，kernel 为 {kernel}，stride 为 {stride}，padding 为 SAME。"
            "每行有多少个输出？"),
        explain="SAME 的输出个数为 ceil(尺寸 / stride)，与 kernel 无关：ceil({size} / {stride}) = {answer}。",
        traps=(
            "这是 VALID：完全不做 padding。",
            "SAME 是向上取整，不是向下。",
            "那是 stride 为 1 的情况。",
        ),
    ),
    "20.same_after": Zh(
        text=(
            "图像宽 {size} 像素。TFLite 的一个卷积，kernel 为 {kernel}，stride 为 {stride}，padding 为 SAME。"
            "每行在图像后侧补多少个像素？（不是前后合计。）"),
        explain=(
            "ceil({size} / {stride}) = {outputs} 个窗口中的最后一个也要放得下："
            "({outputs} − 1) · {stride} + {kernel} − {size} = {missing}，这是总 padding（小于 0 就不用补）。"
            "总数为奇数时，多出的一个像素补在图像后侧：{answer}。"),
        traps=(
            "这是前后合计。",
            "这是图像前侧的 padding。总数为奇数时，多出的一个补在后侧。",
            "这是 PyTorch 的习惯做法 kernel // 2。SAME 还与尺寸和 stride 有关。",
        ),
        words={"pixels": "像素"},
    ),
    "20.bin_bytes": Zh(
        text=(
            "网络有一个 3 × 3 卷积（{c} 到 {n} 通道）和一个全连接层（{n} 到 {classes}），都带偏置。"
            "权重为 float32 时，ncnn 的 .bin 文件有多少字节？"),
        explain=(
            "每个权重有 4 字节的标志，之后每个数 4 字节；每个偏置也是每个数 4 字节："
            "4 + 4 · {conv:,}、4 + 4 · {dense:,} 与 4 · ({n} + {classes})，共 {fp32} 字节。"),
        traps=(
            "两个权重各以 4 字节的标志开头。",
            "偏置没有标志。",
            "这是权重用 float16 的大小。",
            "漏了偏置。",
        ),
    ),
    "20.bin_bytes_fp16": Zh(
        text=(
            "网络有一个 3 × 3 卷积（{c} 到 {n} 通道）和一个全连接层（{n} 到 {classes}），都带偏置。"
            "两个权重都存为 float16 时，ncnn 的 .bin 文件有多少字节？"),
        explain=(
            "每个权重有一个标志，之后每个数 2 字节（补齐到 4 字节的倍数），偏置则仍是每个数 4 字节："
            "4 + 2 · {conv:,}、4 + 2 · {dense:,} 与 4 · ({n} + {classes})，共 {fp16} 字节。"),
        traps=(
            "这是权重用 float32 的大小。",
            "偏置仍是 float32。",
            "每个权重都以 4 字节的标志开头，float16 也一样。",
        ),
    ),
    "20.delegate_ms": Zh(
        text=(
            "delegate 把 {npu_mmac}M（百万）次 MAC 分 {visits} 次交给 {npu} GMAC/s 的 NPU，"
            "其余 {cpu_mmac}M 次 MAC 留在 {cpu} GMAC/s 的 CPU 上。每切换一次设备要 {sync} ms，"
            "网络的起点和终点都在 CPU 上。总共要多少 ms？"),
        explain=(
            "1 GMAC/s 即每毫秒一百万次 MAC：{npu_mmac}/{npu} + {cpu_mmac}/{cpu}，"
            "再加上 {visits} 次往返、每次两回切换：{answer} ms。"),
        traps=(
            "每次交给 NPU 都有两次切换：去和回。",
            "漏了设备切换。",
            "这是全部放在 CPU 上的耗时。",
        ),
    ),
    "20.reduced_build": Zh(
        text=(
            "某引擎的全部 kernel 共 {full} KB。你的模型需要 Conv（{conv} KB）、Gemm（{gemm} KB）以及其他共 {other} "
            "KB。精简构建保留了 kernel 体积的百分之多少？"),
        explain=(
            "({conv} + {gemm} + {other}) / {full} = {answer}%。只编入这些模型用到的算子，"
            "所以换下一个模型可能要重新构建。"),
        traps=(
            "这是精简构建去掉的部分。",
            "这是小数，不是百分数。",
        ),
    ),
    "20.pocketflow": Zh(
        text="PocketFlow 是什么？",
        right="模型压缩框架",
        wrong=(
            ("推理引擎", "它没有 runtime：它的代码用 TensorFlow 1.x 做剪枝、量化和训练。"),
            ("NPU 驱动", "它从不接触 TensorFlow 以下的硬件。"),
            ("模型库", "它自带一些示例网络，但目的是把模型变小。"),
        ),
        why=(
            "腾讯 AI Lab 的 PocketFlow（2018 年 11 月发布，最后一次提交在 2019 年 5 月）做剪枝、量化和蒸馏。"
            "产物还需要一个引擎来运行。"),
    ),
    "20.top1_falls": Zh(
        text="从 PyTorch 转换到 TFLite 后，top-1 精度从 76% 掉到 71%，没有做量化。你首先怀疑什么？",
        right="stride 为 2 时的 padding、布局，或者预处理不一致",
        wrong=(
            ("float32 的舍入", "加法顺序不同改变的是第七位有效数字，不是五个点的精度。"),
            ("线程太少", "线程数影响的是耗时，不影响类别。"),
            ("FlatBuffer 损坏", "文件损坏的话，要么加载不了，要么输出是噪声。"),
        ),
        why=(
            "网络还能工作，只是变差，说明它看到的像素几乎是对的：SAME 会让带 stride 的层的所有窗口错开一位，"
            "图像也可能换了缩放方式或通道顺序。要逐层比对。"),
    ),
    "20.ncnn_fan_out": Zh(
        text="ncnn 网络中有两层读同一个 blob。.param 文件里需要什么？",
        right="Split 层",
        wrong=(
            ("什么都不需要", "ncnn 的一个 blob 只有一个读者。"),
            ("在 .bin 文件里放一份拷贝", ".bin 文件存的是权重，没有激活。"),
            ("Concat 层", "Concat 是把多个 blob 合并。这里是一个 blob 要变成两个。"),
        ),
        why="Split 为每个读者生成一个 blob。转换工具会自动插入；ncnn 并不拷贝数据。",
    ),
    "20.tflite_rename": Zh(
        text="改名为 LiteRT 之后，变了什么？",
        right="名称和包名变了，文件仍是 .tflite",
        wrong=(
            ("文件格式", "FlatBuffer schema 和 .tflite 后缀都没有变。"),
            ("现在只支持 PyTorch 模型", "TensorFlow、PyTorch 和 JAX 模型都能转换。"),
            ("它是 TensorFlow Lite 之外的一个新引擎", "是同一个引擎换了名字；新功能只加到 LiteRT 中。"),
        ),
        why="Google 在 2024 年 9 月把 TensorFlow Lite 改名。Python 包 tflite-runtime 变成了 ai-edge-litert。",
    ),
    "20.one_app_two_systems": Zh(
        text="一个 Android 和 iOS 都有的 App 需要用到同一个 PyTorch 模型。你选哪种引擎？",
        rubric=(
            "每个平台有什么硬件、通过哪种 delegate 使用：Android 上的 NPU 和 GPU，Apple 上的 Core ML",
            "两端共用一条流水线，还是各做一条，各自的代价是什么",
            "模型算子的覆盖率，按计算量算，而不是按节点数算",
            "二进制体积，也包括精简构建后的",
            "维护情况与许可证，标明日期",
            "在真机上逐层做一致性测试",
        ),
        answer=(
            "先列出目标设备。如果要一条流水线，我会把 ExecuTorch、LiteRT 和 ONNX Runtime 列入候选，"
            "Apple 上用 Core ML delegate，Android 上用 NPU 或 GPU delegate；如果要各平台效果最好，一边用 Core ML，"
            "另一边用 LiteRT，代价是两套转换和两套测试。再查 delegate 接走了多少比例的 MAC、又交还了多少次。"
            "比较二进制体积和最近一次发布的日期。最后转换模型，逐层比对，并在设备上实测。"),
    ),
}
