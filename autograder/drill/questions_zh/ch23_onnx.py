"""Chinese texts of chapter 23's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "23.varint_bytes": Zh(
        text="整数 {n} 编码成 protobuf varint 占多少字节？",
        explain="这个数的二进制有 {length} 位，每个字节存 7 位：{length} / 7 向上取整，得 {answer}。",
        traps=("一个字节只存数值的 7 位，第 8 位用来表示后面还有字节。",
               "varint 不是定长的：数值越小，占的字节越少。"),
        words={"bytes": "字节"}),
    "23.initializer_bytes": Zh(
        text="一个 initializer 的形状是 {shape}，类型是 {dtype}。它的原始数据（raw data）占多少字节？",
        explain="{count:,} 个元素 × {item} B = {size:,} B。",
        traps=("这是元素个数。每个元素占多少字节由类型决定。",
               "这是比特数。")),
    "23.initializer_share": Zh(
        text="一个 {file_text} 字节的文件里有一个 initializer，形状 {shape}，类型 {dtype}。"
             "它的原始数据占文件大小的百分之几？",
        explain="{file:,} 字节中占 {size:,} 字节：{answer} %。",
        traps=("算成元素个数了，应该按字节算。",
               "文件大小里已经包含权重了。")),
    "23.export_opset": Zh(
        text="某运行时最高支持 opset {max_opset}，IR 版本最高支持 {max_ir}。opset 与 IR 版本的对应关系（opset: IR）"
             "如下：{table}。模型用到 {ops}。最高可以用哪个 opset 导出？",
        explain="同时满足两个上限，表里最高到 opset {answer}，所有算子也都够用。",
        traps=("它对应的 IR 版本太新，这个运行时不支持。",
               "这是 IR 版本，不是 opset。",
               "这是算子所要求的最低 opset。问的是运行时能加载的最高 opset。"),
        words={
            "Conv (opset 11 or later) and LayerNormalization (opset 17 or later)":
                "Conv（opset 11 及以上）和 LayerNormalization（opset 17 及以上）",
            "LayerNormalization (opset 17 or later) and Gelu (opset 20 or later)":
                "LayerNormalization（opset 17 及以上）和 Gelu（opset 20 及以上）",
            "Gelu (opset 20 or later) and Attention (opset 23 or later)":
                "Gelu（opset 20 及以上）和 Attention（opset 23 及以上）",
        }),
    "23.what_is_onnx": Zh(
        text="ONNX 是什么？",
        right="一种文件格式，加一套算子规范",
        wrong=(("训练框架", "它不做训练，是训练框架导出到它。"),
               ("运行时",
                "ONNX Runtime 才是运行时，TensorRT、OpenVINO 也是。ONNX 本身除了一个很慢的参考实现（reference "
                "evaluator），什么也不执行。"),
               ("编译器", "TensorRT 的 builder 这类编译器会读 ONNX，但格式本身不编译任何东西。")),
        why="ONNX 规定图怎么存、每个算子是什么语义，其余的事都由周边工具来做。"),
    "23.ir_too_new": Zh(
        text="一个文件的 IR 版本是 14，opset 是 20。运行时最高支持 IR 版本 13、opset 26。会发生什么？怎么解决？",
        right="拒绝加载；如果没用到新字段，改成较低的 IR 版本重新保存即可",
        wrong=(("能运行，但有警告", "IR 版本检查不通过就报错，而且排在其他检查之前。"),
               ("运行时会自动转换文件", "没有哪个运行时会自己做这件事。"),
               ("只降 opset", "opset 并没有超限。IR 版本是另一个独立的数，仍然是 14。")),
        why="IR 版本描述的是文件结构。没用到新特性时，写一个较低的版本号同样正确。"),
    "23.minus_one": Zh(
        text="ONNX 文件里，int64 的 −1 编码成 varint 为什么要占 10 个字节？",
        right="按 64 位补码存储，没有用 zigzag",
        wrong=(("1 个字节存符号，9 个字节存数值", "没有符号字节。"),
               ("varint 会补齐到 10 字节", "8 只占 1 个字节。"),
               ("按文本存储", "它是 wire type 0 的数值。")),
        why="64 位全是 1，每个字节装 7 位，所以要 10 个字节。用 zigzag（protobuf 的 sint64）只要 1 个字节，但 "
            "onnx.proto 用的是 int64。"),
    "23.three_gigabytes": Zh(
        text="权重有 3 GB 的模型没法序列化成单个 .onnx 文件。为什么？怎么解决？",
        right="protobuf 消息必须小于 2 GiB：把权重放到外部数据（external data）里",
        wrong=(("内存不够：换一台更大的机器", "这是格式的限制，换哪台机器都一样。"),
               ("opset 太旧：用新的 opset 导出", "这个限制和算子无关。"),
               ("权重是 float64：改用 float32", "不管什么类型，3 GB 放进一条消息都超限。")),
        why="用外部数据时，张量里只记文件名、偏移和长度，真正的字节放在第二个文件里。"),
    "23.two_runtimes": Zh(
        text="同一个 ONNX 文件在两个运行时上，有 0.3 % 的图片 top-1 类别不同。怎么判断是不是真的有问题？",
        rubric=("预处理完全一致，逐字节相同",
                "opset 的语义：Resize 的模式、AveragePool 的 count_include_pad、Softmax 的 axis",
                "精度与融合：float16、TF32、求和顺序不同",
                "比较中间张量，找到第一个差异超出舍入误差的",
                "设定容差，并看前两名类别的间隔（margin）：几乎打平时结果会翻转",
                "以带标注数据上的准确率为准，而不是逐比特一致"),
        answer="先给两边喂同一份张量，排除预处理的影响。再把中间张量设成输出，找第一个差异突然超出舍入误差的张量，"
               "由此定位到某个算子、它的属性或 opset。还要确认是不是有一边用了 float16 或 TF32 计算，或者做了融合。"
               "对结果翻转的图片，看前两名类别的间隔：间隔很小时，光是舍入就足以翻转。"
               "最后以带标注图片上的准确率为准，因为规范并不保证逐比特一致。"),
}
