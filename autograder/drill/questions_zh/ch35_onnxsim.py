"""Chinese texts of chapter 35's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "35.fold_weight": Zh(
        text="某个卷积权重为 {w}，其后的 batch norm 有 gamma = {gamma}，方差 {var}，eps = {eps}。"
             "折叠后的权重是多少？",
        explain="w' = w · gamma / sqrt(var + eps) = {w} · {gamma} / sqrt({var} + {eps}) = {answer}。",
        traps=("eps 在根号里面。",
               "漏了开方。")),
    "35.fold_bias": Zh(
        text="某个卷积的偏置为 {b}，其后的 batch norm 有 gamma = {gamma}，beta = {beta}，running mean {mean}，"
             "方差 {var}，eps = {eps}。"
             "折叠后的偏置是多少？",
        explain="b' = (b − mean) · gamma / sqrt(var + eps) + beta = ({b} − {mean}) · {gamma} / sqrt({var} + "
                "{eps}) + {beta} = {answer}。",
        traps=("原来的偏置也要缩放。",
               "漏了原来的偏置。",
               "beta 是缩放之后才加的。")),
    "35.blow_up": Zh(
        text="ConstantOfShape 生成一个 {dims} 的 {dtype} 张量，被折叠成 initializer。"
             "文件里的张量数据增加多少字节？（形状占的 {read} 字节会消失，这里不计。）",
        explain="{n:,} 个元素，每个 {item} B：{total} B。",
        traps=("这是元素个数。",
               "这是按 float32 算的。")),
    "35.two_transposes": Zh(
        text="先做 perm 为 {p} 的 Transpose，再做 perm 为 {q} 的 Transpose，两者合并成一个。"
             "合并后 perm 的第三项是多少？",
        explain="结果的第 2 轴是中间张量的第 q[2] = {q2} 轴，也就是输入的第 p[{q2}] = {answer} 轴。",
        traps=("这是 q[p[2]]：顺序反了。",)),
    "35.check": Zh(
        text="`model, check = onnxsim.simplify(m)`，其余参数全用默认值，`check` 为 True。到底比较了什么？",
        right="什么也没比较",
        wrong=(("三组随机输入", "那需要 `check_n` 为 3，而它默认是 0。"),
               ("所有输出，逐比特比较", "根本没有运行。况且折叠会改变最后几位，逐比特比较会经常不通过。"),
               ("输入和输出的形状", "没有运行，就没有输出可比。")),
        why="`check_n` 默认为 0：不做推理，空的比较结果就是 True。要么传 check_n=3，要么自己比较。"),
    "35.skip_connection": Zh(
        text="一个 Conv 的输出同时送往 BatchNormalization 和一条跳跃连接。可靠的简化器会怎么做？",
        right="两个节点都原样保留",
        wrong=(("折叠 BN，不留副本", "那样跳跃连接拿到的就是归一化后的值。"),
               ("把 BN 折叠进下一个 Conv", "中间通常隔着 Relu 或 padding，而且 BN 的输出也可能还有别的消费者。"),
               ("如果模型是 FP16 就折叠", "与数据类型无关，问题在于有第二个消费者。")),
        why="折叠会改变 Conv 的输出，只有 BN 是它唯一的消费者时才允许。"),
    "35.optimisations_off": Zh(
        text="对比时为什么要对两个模型都关掉 ONNX Runtime 自己的优化？",
        right="运行时可能对原模型做同样的融合，从而掩盖同样的错误",
        wrong=(("这样更快", "其实更慢，不过这里无所谓。"),
               ("否则会用 FP16 计算", "它在 CPU 上不会改变精度。"),
               ("随机输入会不同", "随机输入来自你自己的生成器，不是运行时给的。")),
        why="只有按文件原样执行，两个模型才真的走两种算法。开着优化，两边跑的可能是同一张图。"),
    "35.dynamic_batch": Zh(
        text="batch 为符号 N 的模型经过 onnxsim 后，Reshape 前的 Shape、Gather、Unsqueeze、Concat 仍在；"
             "batch 固定为 1 时它们就没了。为什么？",
        right="N 未知，这串节点就不是常量",
        wrong=(("onnxsim 不认识这些算子", "形状一固定，它就会把它们折叠掉。"),
               ("opset 17 不允许常量目标形状", "没有这回事，写成 [0, -1] 也一样可以。"),
               ("检查时要用到它们", "检查是从外部运行模型的。")),
        why="常量折叠要有常量才行。`--overwrite-input-shape` 把 N 定死，代价是只剩一种 batch 大小；"
            "改写成 [0, -1] 则能保留 N。"),
    "35.other_boxes": Zh(
        text="检测模型过了 onnxsim 之后，输出的框变了。你怎么办？",
        rubric=("关掉优化，用真实输入逐个输出对比",
                "二分定位：先跳过常量折叠，再逐个跳过优化 pass",
                "怀疑对象：BN 的 epsilon 或第二个消费者、被 overwrite_input_shape 定死的动态形状、"
                "被折叠的随机节点或循环体",
                "区分运算重排（相对误差约 1e-6）与真正的错误",
                "保留原模型，用最小模型提交报告"),
        answer="我先在没有运行时优化的情况下复现：两个文件都用关掉优化的 ONNX Runtime 跑同一张真实图片，"
               "对比每个输出，而不是只看 NMS 之后的框。差异在 1e-6 左右是运算重排，后处理里的阈值可能把它放大。"
               "差异大就二分：先让 onnxsim 跳过常量折叠，再逐个跳过优化 pass，从 fuse_bn_into_conv 开始。"
               "我还会看 overwrite_input_shape 是否定死了会变的尺寸，以及是否折叠了随机节点或循环体。查清之前，"
               "上线用原模型。最后把模型裁到仍能复现差异的最小部分，提交报告。"),
}
