"""Chinese texts of chapter 42's questions."""

from __future__ import annotations

from ..languages import Zh

TEXTS = {
    "42.capacity": Zh(
        text="一层有 {experts} 个专家，k = {k}，容量因子 {cf}。一个 batch 有 {tokens} 个 token。"
             "单个专家最多能接收多少个分配（assignment，向上取整）？",
        explain="共有 {tokens} × {k} 个分配。{experts} 个专家平均分，乘以 {cf}，向上取整：{answer}。",
        traps=("名额要向上取整。",
               "每个 token 产生 k 个分配，所以要安排的分配是 k 倍。",
               "这是平均份额，还没乘容量因子。")),
    "42.active_share": Zh(
        text="一个 {layers} 层的 decoder，宽度 {d}，全注意力（每层四个 {d} × {d} 矩阵），"
             "每层有 {experts} 个中间维度为 {ff} 的 SwiGLU 专家，每个 token 激活 {k} 个。"
             "这些参数中激活的占百分之多少？router、norm 和 embedding 不计。",
        explain="每层专家之外有 4·d²，每个专家有 3·d·{ff}。d = {d} 时，"
                "(4·d² + {k} · 3·d·{ff}) 除以 (4·d² + {experts} · 3·d·{ff}) 为 {answer} %。层数约掉了。",
        traps=("这只是专家的激活比例，而注意力始终是激活的。",
               "一个 SwiGLU 专家有三个矩阵。",
               "这是闲置参数的比例。")),
    "42.touched": Zh(
        text="一层有 {experts} 个专家，k = {k}。{batch} 个 token 均匀且独立地选择专家，"
             "平均会用到多少个不同的专家？",
        explain="某个专家不被一个 token 选中的概率是 1 − {k}/{experts}，"
                "不被全部 {batch} 个选中的概率是它的 {batch} 次方。"
                "所以 {experts}·(1 − (1 − {k}/{experts})^{batch}) = {answer}。",
        traps=("这样把每个 token 的专家都算成新的了，其实 token 之间会共用专家。",
               "远没到专家全被占用时，token 之间就已经共用专家了。",
               "这是没有任何 token 用到的专家数。")),
    "42.all_to_all": Zh(
        text="{tokens} 个宽度 {d} 的 BF16 token，每个发往 k = {k} 个专家，均匀分布在 {ranks} 块 GPU 上，"
             "结果再传回。一层里所有 GPU 合计有多少 MB（1e6 字节）跨 GPU 传输？",
        explain="{tokens} × {k} 个向量，每个 {d} × 2 字节。其中 ({ranks} − 1)/{ranks} 要离开所在的 GPU，"
                "一来一回两趟：{answer} MB。",
        traps=("这只是去专家的那一趟，结果还要传回来。",
               "均匀分布时，有些向量的专家就在本 GPU 上，不用跨卡。",
               "每个 token 要发给 k 个专家，结果还要传回来。",
               "BF16 每个值 2 字节。")),
    "42.memory": Zh(
        text="一个引擎部署 8 个专家、k = 2 的模型。每层要为多少个专家准备显存？",
        right="8 个",
        wrong=(("2 个", "两个是一个 token 用的。下一个 token、下一层会选别的专家。"),
               ("平均 4 个", "平均数说的是读了多少，而 router 随时可能要用任何一个。"),
               ("2 个，外加一个作缓存", "每个 token 都经总线加载其余专家，耗时会远远超过一步计算。")),
        why="显存看总参数量，FLOPs 看激活参数量。"),
    "42.top_one": Zh(
        text="像 Switch 这样的 top-1 层，为什么不把选中专家的权重归一化到和为 1？",
        right="唯一的那个权重会恒为 1，router 就得不到梯度",
        wrong=(("为了省一次除法的时间", "与专家的计算相比，除法的代价可以忽略。"),
               ("FP16 会溢出", "权重 1 任何格式都能表示。"),
               ("容量会变", "容量取决于数量，不取决于权重。")),
        why="原始概率小于 1，而且依赖 logits，loss 正是通过它传到 router。"),
    "42.bias": Zh(
        text="DeepSeek-V3 给每个专家加一个 bias 来均衡负载。这个 bias 用在哪里？",
        right="只用于选专家",
        wrong=(("只用于输出的权重", "那样就改变不了 token 分给哪些专家。"),
               ("选专家和权重都用", "那样均衡负载会扭曲输出。权重来自不带 bias 的分数。"),
               ("用于训练 loss", "bias 在每一步之后按规则调整，没有梯度。")),
        why="它能在专家之间挪动 token，又不干扰模型的 loss。"),
    "42.decode_batch": Zh(
        text="batch 1 时，稀疏模型的 decode 比总参数量相同的稠密模型快好几倍。8 个专家、k = 2 的情况下，"
             "batch 64 时这个优势会怎样？",
        right="在访存受限的 decode 里几乎消失",
        wrong=(("不变，因为 k 没变", "k 是单个 token 的。64 个 token 合起来几乎会用到所有专家。"),
               ("随 batch 增大而扩大", "batch 越大用到的专家越多，每步读得也越多。"),
               ("稀疏模型变得慢得多", "它最多把全部权重读一遍，和稠密模型一样。")),
        why="64 个 token 用到 8·(1 − 0.75^64) 个专家，也就是全部 8 个。FLOPs 仍然更少，字节数却不少了。"),
    "42.parallel": Zh(
        text="你要在多块 GPU 上部署一个大型 MoE，选专家并行还是张量并行？",
        rubric=("在你的 batch 大小下，每个专家分到多少 token",
                "通信量：每个 token 有 k 个向量的 all-to-all，对比所有 token 的 all-reduce",
                "负载不均：最满的 GPU 拖慢全局；给热门专家做副本有帮助",
                "显存：无论哪种切法，所有专家都得放得下",
                "小 batch 的 decode 只读少数专家，有些 GPU 会很闲"),
        answer="专家并行让专家保持完整，只发送被选中的 token，batch 大、负载均匀时划算。张量并行天然均匀，"
               "但会把矩阵切得很窄，而且要对所有 token 做 all-reduce。"
               "应当在自己的流量上测专家负载和集合通信的时间再选；两者混用也很常见。"),
}
