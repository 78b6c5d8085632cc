"""Chinese texts of chapter 31's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "31.throughput": Zh(
        text="trtexec 报告跑了 {n} 个 query，Total Host Walltime 是 {t} s，batch 为 {batch}。它打印的吞吐量是多少 "
             "query/s？",
        explain="query 数除以 wall time：{n} / {t} s = {answer} query/s。一个 query 就是 engine 跑一次，与 batch "
                "大小无关。",
        traps=("这是每秒图片数。trtexec 数的是 query，一个 batch 算一个。",
               "这是每个 query 的毫秒数，除反了。"),
        words={"queries/s": "query/s"}),
    "31.little": Zh(
        text="始终有 {s} 个 query 在途，每个 stream 上一个，一个 query 从开始到结束平均 {l} ms。吞吐量是多少 "
             "query/s？",
        explain="Little 定律：在途数 = 吞吐量 × 时间。{s} / {l} ms = {answer} query/s。",
        traps=("这是一次只跑一个 query。现在有多个在途。",
               "时间单位是 ms，这算出来是每毫秒的 query 数。"),
        words={"queries/s": "query/s"}),
    "31.percentile": Zh(
        text="trtexec 把 {n} 个时延排序后报告 percentile({p}%)。它取的下标（从 0 开始）是多少？它从最大的一端去掉 "
             "int((1 − p/100) · n) 个；这里用 float32 算出来的乘积是 {left}。",
        explain="{left} 取整为 {dropped}。下标是 {n} − 1 − {dropped} = {answer}。",
        traps=("这是最近秩算法。float32 的乘积可能略小于整数，那样就会少去掉一个 query。",
               "这是按 float64 算的下标。trtexec 用的是 float32。",
               "这是从 1 开始数的，或者去掉得太少：最大的下标是 n − 1。")),
    "31.choose": Zh(
        text="时延不超过 {cap} ms 的配置都可以用：(1) batch 1、1 个 stream：{l1:.2f} ms；"
             "(2) batch 1、4 个 stream：{l2:.2f} ms；"
             "(3) batch 4、1 个 stream：{l3:.2f} ms；(4) batch 4、2 个 stream：{l4:.2f} ms。"
             "batch 为 b、s 个 stream、时延 l ms 的配置，每毫秒处理 b·s/l 张图片。"
             "在时延上限内，哪个配置吞吐量最高？请回答编号。",
        explain="每秒图片数：(1) {r1:,.0f}，(2) {r2:,.0f}，(3) {r3:,.0f}，(4) {r4:,.0f}。"
                "在 {cap} ms 的上限内，吞吐量最高的是 {answer} 号。",
        traps=("它的吞吐量是所有配置里最高的，但时延超过了上限。",
               "它的时延最低。但题目要的是吞吐量，时延离上限还有余量。")),
    "31.false": Zh(
        text="在 trtexec 10.16 里，`--fp16=false` 会怎样？",
        right="打开 FP16",
        wrong=(("关闭 FP16", "这种开关只要出现就为真，`=` 后面的内容根本不读。"),
               ("报错拒绝", "trtexec 认识这个参数，所以会接受，但不看它的值。"),
               ("忽略并给出警告", "确实有一条警告，但说的是弱类型（weak typing）。开关照样生效。")),
        why="开关没有值：不管后面写什么，都是打开。想关掉 FP16，就不要写这个参数。"),
    "31.upgrade": Zh(
        text="从 TensorRT 10.16 升级到 11.1 之后，同一条命令报告的时延变低了。你首先怀疑什么？",
        right="默认值变了：不再计入拷贝，并且默认开启 CUDA Graph",
        wrong=(("kernel 更快了", "有可能，但要先让两边的测量口径一致，再比较 GPU Compute Time。"),
               ("TF32 被关了", "那样 FP32 层会变慢，不会变快；而且它的默认值没有变。"),
               ("timing cache 起了作用", "它加速的是构建。构建出来的 engine，计时方法不变。")),
        why="从 11.0 起，默认不含数据传输，CUDA Graph 和 spin wait 默认开启。加上 `--includeDataTransfers "
            "--noCudaGraph --noSpinWait` 就恢复成旧的测法。"),
    "31.profile": Zh(
        text="一条命令只给了 --minShapes 和 --maxShapes。trtexec 用哪个形状作为 opt？",
        right="max 的形状",
        wrong=(("min 的形状", "opt 优先复制 max，max 也没有时才用 min。"),
               ("两者的中间值", "不会插值，缺的参数是复制来的。"),
               ("没有 opt，会报错", "trtexec 会把缺的那个复制过来，并打印一条警告。")),
        why="opt 复制 max，也就是按最大的 batch 选 kernel；如果平时跑的 batch 较小，要自己写 --optShapes。"),
    "31.p99": Zh(
        text="同事给你看一份 trtexec 报告：“p99 = 4.1 ms，100 次迭代，4 个 stream”。你会问什么？换作你，"
             "会怎么报告？",
        rubric=("100 个 query 的 p99 就是最大值：只由一个 query 决定",
                "多 stream 时报告的时延不准",
                "预热 200 ms，时长至少 3 s",
                "数字里含不含数据传输（11 版改了默认值）？",
                "时延上限下的吞吐量，附变异系数，并锁定频率"),
        answer="按 trtexec 的 float32 规则，100 个 query 的 p99 就是其中最慢的一个。四个 stream 时 query 会重叠，"
               "时延那一行不含等待时间。我会问预热多久（默认 200 ms）、跑了多久（3 s）、什么版本、含不含拷贝。"
               "然后锁定频率，跑一千个以上的 query，看变异系数，报告时延不超过上限时的最高吞吐量。"),
}
