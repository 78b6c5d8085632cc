# %% [markdown]
# # 25 · What is model distillation?
# **什么是模型蒸馏？**
#
# You have a large model that is good and slow, a small one that is fast, and labels for fifty images.
# This chapter lets the large model teach the small one. You derive the loss and its gradient, and you make a student recognise a digit that nobody ever showed it.
#
# About 75 minutes. It helps to know chapters 01 (why compress) and 16 (pruning, and the digits network).

# %% setup
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

# %% [markdown]
# ## The short answer
#
# > A small model, the student, is trained to reproduce what a large one, the teacher, says, instead of the labels or besides them.
# >
# > Hinton's loss has two parts. The soft part is alpha·T²·KL(teacher‖student). KL tells how far the student's probabilities are from the teacher's. On both sides the scores before the softmax, the logits, are first divided by a number T, the temperature.
# > The hard part is (1 − alpha) times the usual loss of a classifier, −ln of the probability that the student gives to the label, at T = 1.
# > A T above 1 makes the small probabilities visible: how much an 8 looks like a 3. T² keeps the size of the soft gradient when a large T grows further. For very large T the student simply copies the logits.
# >
# > The soft part needs no label. So any unlabelled data from the domain will do to train on.
# >
# > For language models there are three forms. Token-level: KL for each next token, often over the teacher's k most likely ones; both models must cut text into the same tokens.
# > Sequence-level: fine-tuning on texts that the teacher wrote; DeepSeek's small R1 models were made so. On-policy: the student writes, and the teacher scores each token, often by the reverse, KL(student‖teacher).
# >
# > Distillation trains a small model well. It does not make a given model faster, and it combines with pruning (fewer weights) and quantization (fewer bits a weight).
# > I always compare with the same student trained on labels: with many labels the gain may be zero.

# %% [markdown]
# ## How it works
#
# ### Fifty labels
#
# The **teacher** is a network for handwritten digits, trained on 1,257 labelled images. The **student** is 42 times smaller.
# Somebody gives us 50 labelled images. First the student learns from the 50 labels. Then it starts again, with the same 50 images, and learns what the teacher says about them.

# %%
from utils.compression.distillation import label_budget, new_student, trained_teacher

for name, network in (("teacher", trained_teacher()), ("student", new_student())):
    print(f"{name}: {sum(p.numel() for p in network.parameters()):6,} parameters")
row = label_budget(seed=0)
print(f"student, 50 labels:           {row.few_hard} of 540 test images right")
print(f"student, teacher's answers:   {row.few_distilled} of 540")

# %% [markdown]
# 41 more images right, from the same 50 pictures. What does the teacher say that a label does not?
#
# ### What the teacher says
#
# Here is the 3 among the test images of which the teacher is least sure.

# %%
from utils.widgets.ch25_distillation import soft_label

soft_label(3)

# %% [markdown]
# The label says "3". That is a **hard label**: one class. The teacher says "3, but it has something of 8, 7 and 9, and nothing of 0". That is a **soft label**: a probability for each class.
# Hinton called what the small probabilities know **dark knowledge**.
#
# The teacher's last layer gives one score a class, the **logits**. The **softmax** turns them into probabilities: exp of each, divided by the sum.
# A **temperature** T divides the logits first. Take three logits, 3, 1 and −2:

# %%
from utils.compression.distillation import softmax_t

for T in (0.5, 1, 4, 20):
    print(f"T = {T:4}: " + "  ".join(f"{p:.3f}" for p in softmax_t([3, 1, -2], T)))

# %% [markdown]
# $$p_i = \frac{\exp(z_i / T)}{\sum_j \exp(z_j / T)}$$
#
# At T = 1 the third class has 0.006, at T = 4 it has 0.151. Nothing new was added: T only decides how loudly the small probabilities speak. The ranking never changes.
#
# ### How far apart
#
# How far student q is from teacher p is told by the **KL divergence** KL(p‖q), the sum of p·ln(p/q) over the classes, in **nats** (units of the natural logarithm).
# It is the price for using q where p is true, and 0 only if they are equal. The cross-entropy, the sum of −p·ln(q), is larger by a constant, the teacher's entropy, the sum of −p·ln(p):

# %%
from utils.compression.distillation import kl_soft, log_softmax_t

teacher, student = np.array([[3.0, 1.0, -2.0]]), np.array([[2.0, 0.0, -1.0]])
p, log_q = softmax_t(teacher, 2), log_softmax_t(student, 2)
print(f"cross-entropy {-(p * log_q).sum():.4f} = KL {kl_soft(student, teacher, 2):.4f} + entropy of the teacher {-(p * np.log(p)).sum():.4f}")

# %% [markdown]
# The teacher's entropy does not depend on the student, so both have the same gradient. KL is easier to read: 0 means done.
#
# ### Why T²
#
# How strongly does the student feel its teacher? Below is the size of the gradient of KL at T, with respect to the student's logits, with and without a factor T² in front.

# %%
from utils.compression.distillation import gradient_norms

temperatures = (1, 2, 4, 8, 16)
norms = gradient_norms(student[0], teacher[0], 0, temperatures)
print(" " * 26 + "".join(f"{f'T = {T}':>9}" for T in temperatures))
for name, told in (("soft", "KL"), ("soft, times T²", "T²·KL"), ("hard", "cross-entropy of the label")):
    print(f"{told:26}" + "".join(f"{v:9.4f}" for v in norms[name]))

# %% [markdown]
# Without the factor, the gradient dies away from T = 2 on. From 8 to 16 it shrinks by 3.7, and in the limit by exactly 4 when T doubles: for large T it goes as 1/T². One 1/T comes from the chain rule, as the student's logits enter as s/T. The other comes from the distributions: softened ones differ in proportion to (s − t)/T.
# With T² the size settles. Once T is large enough, here from about 8, the balance between soft and hard part hardly changes. For N samples the gradient is
#
# $$\frac{\partial L}{\partial s} = \frac{1}{N}\Big[\alpha\,T\,\big(\mathrm{softmax}(s/T) - \mathrm{softmax}(t/T)\big) + (1-\alpha)\,\big(\mathrm{softmax}(s) - y\big)\Big]$$
#
# where y is 1 at the label and 0 elsewhere. Of T², one T is left.
#
# Where does it settle? At the difference of the logits themselves, after their means are taken out, divided by the number of classes:

# %%
from utils.compression.distillation import logit_matching_limit

print("T = 1000:", (1000 * (softmax_t(student, 1000) - softmax_t(teacher, 1000))).round(4)[0])
print("limit:   ", logit_matching_limit(student, teacher).round(4)[0])

# %% [markdown]
# A very high temperature means: match the logits. That includes the noise of logits that never mattered. A student too small for that is better off with a medium T.
#
# ### The whole loss
#
# $$L = \alpha\,T^2\,\mathrm{KL}\big(p_T \,\|\, q_T\big) + (1-\alpha)\,\mathrm{CE}(y, q_1)$$
#
# $p_T$ and $q_T$ are teacher and student at T, and CE is the cross-entropy with the label, at T = 1, where the student will be used. torch has the divergence, with two traps:

# %%
from utils.compression.distillation import distillation_loss

s, t = torch.tensor(student), torch.tensor(teacher)
right = F.kl_div((s / 2).log_softmax(1), (t / 2).softmax(1), reduction="batchmean")
print(f"log-probabilities first, batchmean: {right:.4f}")
print(f"probabilities first:                {F.kl_div((s / 2).softmax(1), (t / 2).softmax(1), reduction='batchmean'):.4f}")
print(f"mean over the classes as well:      {F.kl_div((s / 2).log_softmax(1), (t / 2).softmax(1), reduction='none').mean():.4f}")
print(f"whole loss, T = 2, alpha = 0.7:     {distillation_loss(s, t, torch.tensor([0]), T=2, alpha=0.7):.4f}")

# %% [markdown]
# The second value is negative, which no divergence is. The third is too small by the number of classes; it is what `reduction="mean"` computes, which is torch's default.
#
# ### No labels needed
#
# The soft part never asks for a label. So the student may learn from images that nobody labelled; they are called the **transfer set**. Here are all 1,257 training images without their labels:

# %%
print(f"50 labels: {row.few_hard} of 540 · 50 soft labels: {row.few_distilled} · 1,257 soft labels, no label: {row.unlabelled} · 1,257 labels: {row.all_hard}")

# %% [markdown]
# The last two numbers belong together: where all labels exist, this student needs no teacher.
#
# And the transfer set need not even hold every class. Take all 3s out:

# %%
from utils.compression.distillation import missing_class

for T in (None, 1, 4):
    r = missing_class(T)
    print(f"{r.name:12}: {r.right:2} of {r.of_class} 3s right, {r.overall} of {r.images} digits")

# %% [markdown]
# At T = 4 the student names most 3s, and it never saw one. Its pictures of 8s, 5s and 9s told it how much each has of a 3. At T = 1 these probabilities are too small to weigh anything, and a hard label does not have them at all.
#
# ### Which teacher
#
# A teacher may be several networks. Averaging their probabilities and averaging their logits are not the same:

# %%
from utils.compression.distillation import ensemble_targets

first, second = np.array([[0.0, 0.0, -50.0]]), np.array([[-50.0, 0.0, 0.0]])
for mode in ("probability", "logit"):
    print(f"mean of each {mode:11}:", ensemble_targets([first, second], 1, mode).round(3)[0])

# %% [markdown]
# With logits, a teacher that rules a class out rules it out for everyone.
#
# The teacher may also be the large model before pruning, or have the student's own architecture. A better teacher is not always the better choice: across a wide **capacity gap**, a student follows a huge teacher worse than a medium one (Mirzadeh et al., 2020).
#
# A student may also imitate hidden layers. **Feature hints** (FitNets, 2015) compare them through a small projector, since their widths differ:

# %%
from utils.compression.distillation import hint_loss

torch.manual_seed(0)
projector = nn.Linear(16, 128)  # student's 16 neurons → teacher's 128; trained along, thrown away afterwards
print(f"hint loss: {hint_loss(torch.rand(32, 16), torch.rand(32, 128), projector):.3f}")

# %% [markdown]
# ### Language models
#
# A **tokenizer** cuts text into tokens: pieces of words, each with a number in its vocabulary. A language model is a classifier over that vocabulary, at every token. That makes three forms.
#
# | form | what the student sees | needs |
# |---|---|---|
# | token-level | the teacher's probabilities for each next token | the same tokenizer, the teacher's logits |
# | sequence-level | texts that the teacher wrote | only text: any tokenizer, even a teacher that is a web service (API) |
# | on-policy | its own texts, scored by the teacher token by token | the same tokenizer, the teacher running during training |
#
# In the first form one stores the teacher's output once. How large is the file for a billion tokens and a vocabulary of 128,000?

# %%
from utils.compression.distillation import teacher_cache_bytes

tokens, vocab = 10**9, 128_000
print(f"everything, 2 bytes each:              {teacher_cache_bytes(tokens, vocab) / 1e12:.0f} TB")
print(f"the 64 best, 2 bytes and a 4-byte id:  {teacher_cache_bytes(tokens, vocab, 64) / 1e9:.0f} GB")

# %% [markdown]
# So the top k are kept. What about the rest of the probability? One more class, a **bucket**, takes it, on both sides:

# %%
from utils.compression.distillation import topk_kl, topk_targets

t, s = np.array([4.0, 2.0, 1.0, 0.0]), np.array([3.0, 2.0, 0.0, 0.0])
for k in (1, 2, 3, 4):
    idx, prob = topk_targets(t, k)
    print(f"k = {k}: classes {idx.tolist()!s:13} probability {prob.sum():.3f}, KL {float(topk_kl(s, idx, prob)):.5f} nats")

# %% [markdown]
# With k = 2 it is 0.06439, of 0.07067 in full. A bucket can only hide a difference, never invent one, so the value lies between 0 and the full KL. With k = 3 the bucket holds a single class, so nothing is hidden.
#
# ### Cover or choose
#
# KL is not symmetric. A teacher says one of two words, half of the time each, and hardly ever the third. Two students are too small for that:

# %%
from utils.compression.distillation import forward_kl, reverse_kl

p = [0.49, 0.49, 0.02]
for name, q in (("one word", [0.96, 0.02, 0.02]), ("all three", [0.34, 0.33, 0.33])):
    print(f"says {name:9}: forward KL(teacher‖student) {float(forward_kl(p, q)):.2f}, reverse KL(student‖teacher) {float(reverse_kl(p, q)):.2f}")

# %% [markdown]
# **Forward KL** prefers the second student: it misses nothing, at the price of saying the third word, which is nonsense, a third of the time.
# **Reverse KL** prefers the first: all that it says, the teacher might say. That is why on-policy distillation often uses it.

# %% [markdown]
# ## See it
#
# ![A sloppy 3. Softened by T = 4 the teacher gives it 33 %, the 8 22 %, 7 and 9 nearly as much. Below: the soft gradient falls with T unless it is multiplied by T². Right: students of 50 images get better up to T = 8 and stay far above labels only.](figure.svg)
#
# At T = 4 the teacher gives this 3 a probability of 33 % and the 8 one of 22 %. Into the untrained student the gradient of KL is 0.091 without T² and 1.5 with it; the one of the label is 0.98. (In the table above all three were smaller at T = 4: that student was nearer to its teacher and to the label.) A student of 50 images gets 487 of 540 right, with labels alone 446.
#
# **Dark knowledge.** Every point is a student that really learnt (the first time for an alpha takes a few seconds).
# Find the lowest T on the slider at which the orange gradient (KL without T²) is below a tenth of the blue one (the label's). For the 3 it is 4. And look how broad the best range of T is.

# %% figure
from utils.widgets.ch25_distillation import dark_knowledge_explorer

dark_knowledge_explorer()

# %% [markdown]
# **Cover or choose.** A teacher with two modes, and the best single bell for it. This is a simulation in one dimension, not a language model.

# %% figure
from utils.widgets.ch25_distillation import modes_explorer

modes_explorer()

# %% [markdown]
# ## Exercises
#
# In the first four, logits and probabilities are NumPy arrays in float64, and so is what you compute. The last one trains a torch model.
# The set-up cell imports `numpy as np`, `torch`, `Tensor` and `nn` from torch, and `torch.nn.functional as F`. An answer may use these and what stands in its own cell.

# %% [markdown] about="soft_targets"
# Compute the soft labels: softmax(logits / T).
#
# - `logits` has one or more axes. The classes are along the last one, and each distribution along it adds up to 1. Return an array of the same shape.
# - The result is finite for any finite logits. The check tries ±1e4.
# - `T` is a number. If it is 0 or below, raise a ValueError.
# - Leave `logits` unchanged.
#
# For example `soft_targets(np.array([3.0, 1.0, -2.0]), 4)` → `[0.52825, 0.32040, 0.15135]`, and with T = 1 → `[0.87560, 0.11850, 0.00590]` (rounded here, not in the answer).
# The rows [3, 1, -2] and [0, 0, 5] at T = 2 → `[[0.68967, 0.25372, 0.05661], [0.07051, 0.07051, 0.85898]]`.

# %% exercise="soft_targets"
def soft_targets(logits: np.ndarray, T: float) -> np.ndarray:
    """softmax(logits / T) over the last axis, finite for any finite logits. Raises ValueError if T <= 0."""
    ### BEGIN SOLUTION
    if T <= 0:
        raise ValueError(f"T must be > 0, got {T}")
    z = (logits - logits.max(axis=-1, keepdims=True)) / T
    e = np.exp(z)
    return e / e.sum(axis=-1, keepdims=True)
    ### END SOLUTION

# %% check="soft_targets"
check("25.soft_targets", soft_targets)

# %% [markdown] about="kd_loss"
# Compute the distillation loss alpha·T²·KL(teacher‖student) + (1 − alpha)·CE.
#
# - `student_logits` and `teacher_logits` have shape (N, C), and `labels` (N,) holds class ids from 0 to C − 1.
# - KL compares softmax(teacher_logits / T) with softmax(student_logits / T): the sum over the classes of p·ln(p/q), with p the teacher's. A class whose p is 0, or too small for a float64, contributes 0. CE is the cross-entropy of the labels with the student at T = 1.
# - Both are means over the N samples. Return a float, in nats.
# - Logits may be as large as ±1e4. The loss stays finite.
# - If alpha is outside [0, 1], or T is 0 or below, raise a ValueError.
# - Leave the arguments unchanged.
#
# For example student [[2, 0, -1]], teacher [[3, 1, -2]], labels [0], T = 2 and alpha = 0.7 → 0.152364.
# Two rows, student [[2, 0, -1], [0, 1, 1]], teacher [[3, 1, -2], [-1, 0, 2]], labels [0, 2], T = 4: with alpha = 1 → 0.389413, with alpha = 0 → 0.515920.

# %% exercise="kd_loss"
def kd_loss(student_logits: np.ndarray, teacher_logits: np.ndarray, labels: np.ndarray, T: float,
            alpha: float) -> float:
    """alpha·T²·KL(teacher || student at T) + (1 - alpha)·cross-entropy of the labels at T = 1, batch mean in nats.

    Raises ValueError if alpha is outside [0, 1] or T <= 0.
    """
    ### BEGIN SOLUTION
    if alpha < 0 or alpha > 1:
        raise ValueError(f"alpha must be in [0, 1], got {alpha}")
    if T <= 0:
        raise ValueError(f"T must be > 0, got {T}")

    def log_softmax(z: np.ndarray) -> np.ndarray:
        z = z - z.max(axis=1, keepdims=True)
        return z - np.log(np.exp(z).sum(axis=1, keepdims=True))

    log_p, log_q = log_softmax(teacher_logits / T), log_softmax(student_logits / T)
    soft = (np.exp(log_p) * (log_p - log_q)).sum(axis=1).mean()
    hard = -log_softmax(student_logits)[np.arange(len(labels)), labels].mean()
    return float(alpha * T**2 * soft + (1 - alpha) * hard)
    ### END SOLUTION

# %% check="kd_loss"
check("25.kd_loss", kd_loss)

# %% [markdown] about="kd_grad"
# Compute the gradient of the loss of `kd_loss` with respect to `student_logits`.
#
# - The arguments are those of `kd_loss`: logits (N, C), labels (N,), T and alpha, and the same ValueErrors for alpha outside [0, 1] and T of 0 or below.
# - Return an array of shape (N, C). The factor T² and the mean over the batch belong to the loss.
# - Logits may be as large as ±1e4. The gradient stays finite.
# - Leave the arguments unchanged. torch's autograd is allowed, if you convert its result to NumPy.
#
# For example student [[2, 0, -1]], teacher [[3, 1, -2]], labels [0], T = 2 and alpha = 0.7 → `[[-0.13246, 0.00277, 0.12969]]`. Each row adds up to 0.
# With the two rows of `kd_loss` and T = 4: alpha = 1 → `[[-0.09446, -0.05729, 0.15175], [0.10609, 0.13622, -0.24231]]`, and alpha = 0 → `[[-0.07810, 0.05710, 0.02101], [0.07768, 0.21116, -0.28884]]`.

# %% exercise="kd_grad"
def kd_grad(student_logits: np.ndarray, teacher_logits: np.ndarray, labels: np.ndarray, T: float,
            alpha: float) -> np.ndarray:
    """The gradient (N, C) of the distillation loss with respect to the student's logits.

    Raises ValueError if alpha is outside [0, 1] or T <= 0.
    """
    ### BEGIN SOLUTION
    if alpha < 0 or alpha > 1:
        raise ValueError(f"alpha must be in [0, 1], got {alpha}")
    if T <= 0:
        raise ValueError(f"T must be > 0, got {T}")

    def softmax(z: np.ndarray) -> np.ndarray:
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    soft = T * (softmax(student_logits / T) - softmax(teacher_logits / T))
    hard = softmax(student_logits)
    hard[np.arange(len(labels)), labels] -= 1
    return (alpha * soft + (1 - alpha) * hard) / len(labels)
    ### END SOLUTION

# %% check="kd_grad"
check("25.kd_grad", kd_grad)

# %% [markdown] about="topk_kd"
# A teacher sends k classes of a large vocabulary, with their probabilities. Compute KL(teacher‖student) from that, in nats.
#
# - `student_logits` has shape (V,), one position at temperature 1. `idx` (k,) holds different class ids in any order, and `prob` (k,) the teacher's probabilities for them. They are used as they are. Their sum is at most 1, and 1 up to rounding if k = V.
# - All classes that are not in `idx` form one bucket, on both sides. The teacher's bucket is 1 − sum(prob); 1e-12 or less counts as 0. The student's bucket is the sum of its probabilities there.
# - Classes and buckets without teacher mass contribute 0. k may be V: then the bucket is empty.
# - Student logits may be far apart, such as 1000 and −1000. Then the student's bucket is tiny, and may be smaller than any float64, but its logarithm is finite and has to be right.
# - Return a float. Leave the arguments unchanged.
#
# For example student_logits [3, 2, 0, 0], idx [0, 1] and prob [0.83095, 0.11246] → 0.064388. (The teacher's logits were [4, 2, 1, 0]; over all four classes KL is 0.070670.)
# With idx [2] and prob [1] → 3.383529. student_logits [0, 0, 0, 0], idx [1, 0] and prob [0.5, 0] → 0.346574, which is ½·ln(0.5/0.25) for class 1, nothing for class 0, and ½·ln(0.5/0.5) for the bucket.

# %% exercise="topk_kd"
def topk_kd(student_logits: np.ndarray, idx: np.ndarray, prob: np.ndarray) -> float:
    """KL(teacher || student) of one position in nats: k classes by name, all others in one bucket."""
    ### BEGIN SOLUTION
    log_q = student_logits - np.logaddexp.reduce(student_logits)
    others = np.delete(log_q, idx)
    p, log_q = list(prob), list(log_q[idx])
    rest = 1 - sum(prob)
    if rest > 1e-12:
        p.append(rest)
        log_q.append(np.logaddexp.reduce(others))
    return float(sum(a * (np.log(a) - b) for a, b in zip(p, log_q) if a > 0))
    ### END SOLUTION

# %% check="topk_kd"
check("25.topk_kd", topk_kd)

# %% [markdown] about="distill_missing_class"
# Train a student on a transfer set that lacks one class.
#
# - `X` (N, 64) are images and `teacher_logits` (N, 10) the teacher's logits for them, both float32 tensors. `keep` (N,) is a boolean tensor: True for the rows that you may use. Exactly the images of one class are False.
# - `student` maps images (B, 64) to logits (B, 10). Train it in place, on the kept rows, with soft targets at T = 4 only, and return it. There are no labels.
# - Take exactly `steps` steps of one `torch.optim` optimiser. Which one, its learning rate and the batches are yours. Adam with lr 0.01 is enough, with all kept rows as one batch or in batches of 64 or more.
# - `teacher_logits` may require gradients, as if it came straight out of a teacher. Its values must not change, and no gradient may flow into it.
# - Rows outside `keep` must not influence the student.
# - After the same `torch.manual_seed` the same student comes out: take all random numbers from torch's global generator, or use none.
#
# The check gives you 600 digits without the 3s (or the 6s), and 270 steps, which take a second or less. The teacher there is a linear one that saw all classes; it is computed without training, so you need not wait. The student has 32 hidden neurons instead of 16, as 270 steps are not always enough for 16.
# Afterwards it must get at least 40 % of the test images of the missing class right and 85 % of all test images. The mean KL(teacher‖student) at T = 4 on the kept rows must be at most 0.025 nats, without the factor T².
# Hard labels get less than 5 % of the 3s.

# %% exercise="distill_missing_class"
def distill_missing_class(teacher_logits: Tensor, X: Tensor, keep: Tensor, student: nn.Module,
                          steps: int) -> nn.Module:
    """Train `student` in place on the soft targets (T = 4) of the rows that `keep` flags, and return it."""
    ### BEGIN SOLUTION
    T = 4
    inputs, targets = X[keep], F.softmax(teacher_logits.detach()[keep] / T, dim=1)
    optimizer = torch.optim.Adam(student.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.kl_div(F.log_softmax(student(inputs) / T, dim=1), targets, reduction="batchmean")  # T² would be a constant
        loss.backward()
        optimizer.step()
    return student
    ### END SOLUTION

# %% check="distill_missing_class"
check("25.distill_missing_class", distill_missing_class)

# %% [markdown]
# ## Measure it
#
# All of this trains real networks now, on one thread. Seeds are fixed; a seed decides the initial weights, the 50 images and the order of the batches. T is 4, and there is no hard part.
# Before you run it: 1,257 soft labels without a single label, or 1,257 labels. Which wins?

# %% experiment
from utils.widgets.ch25_distillation import budget_chart, budget_table, measure_budget

budget = measure_budget()
budget_table(budget)

# %% experiment
budget_chart(budget)

# %% [markdown]
# Expect 0.827 from 50 labels and 0.909 from 50 soft labels. Without any label 0.962, with all of them 0.973. These are means of three seeds.
# The interval is for one student of that accuracy on 540 test images: it holds the true accuracy with 95 % confidence. The intervals of the first three rows do not touch, the last two overlap.
#
# Ten seeds were recorded (`measure_budget(range(10))` repeats it in about 10 s of CPU):
#
# | right of 540 | 50 labels | 50 soft labels | 1,257 soft labels | 1,257 labels |
# |---|---|---|---|---|
# | mean of ten seeds | 448.8 | 490.7 | 517.9 | 523.2 |
# | lowest to highest | 422 to 467 | 475 to 504 | 514 to 520 | 518 to 528 |
#
# Soft labels won against hard ones on the same 50 images with every seed, by 33 to 58 images. With all labels, direct training won against label-free distillation with every seed.
#
# ### The digit that nobody showed
#
# All 3s are taken out of the transfer set. The second count adds 3 to the student's bias for the class 3, since without any 3s that bias settles too low.

# %% experiment
from utils.widgets.ch25_distillation import measure_missing, missing_chart, missing_table

missing = measure_missing()
missing_table(missing)

# %% experiment
missing_chart(missing)

# %% [markdown]
# Expect 46 of 55 at T = 4, and 53 with the bias raised. Hard labels stay at 0 either way: there is nothing to raise.
# Hinton's student on MNIST got 877 of 1,010 3s right without having seen one, and 996 (98.6 %) after its bias was raised by 3.5.
#
# ### Does the student know how sure it is?
#
# The **calibration error** is the distance between confidence and accuracy: images are put into ten bins by confidence, and the gaps averaged over all images.

# %% experiment
from utils.widgets.ch25_distillation import calibration_table

calibration_table()

# %% [markdown]
# Expect 2.1 points for the teacher, 1.9 for its student (1,257 soft labels, T = 4), and 3.1 for the student of 1,257 labels. All three answer at T = 1. One seed, so read it as an example: a student of soft labels inherits doubt as well as answers.

# %% [markdown]
# ## What the source says
#
# The source is the interview document that this course mirrors; this is what its answer to the question claims.
#
# | # | claim | verdict | what is true |
# |---|---|---|---|
# | 1 | Hinton and others proposed distillation first, in 2015 | wrong | Buciluă, Caruana and Niculescu-Mizil compressed ensembles into one network in 2006, Ba and Caruana matched logits in 2014. Hinton, Vinyals and Dean gave it the name and the temperature, and cite Caruana in their abstract |
# | 2 | the loss is a weighted sum of a hard and a soft part | holds, incomplete | the factor T² is missing: without it the soft gradient shrinks as 1/T² for large T. And the soft part alone works, without labels |
# | 3 | the loss is usually the cross-entropy between student and soft labels | holds | it is KL plus the teacher's entropy, so the gradient is the same. Only KL shows by 0 that nothing is left to learn |
# | 4 | a higher temperature lets the student learn finer differences | depends | logits 3, 1, −2 give 0.006 for the third class at T = 1 and 0.151 at T = 4. Of 540 test images, students of 50 images got 455, 470, 491, 498 and 497 right at T = 1, 2, 4, 8 and 20 (means of ten seeds). Hinton's smallest students did best between 2.5 and 4 |
# | 5 | the teacher is a large network of the highest accuracy | depends | it may be an ensemble, the model before pruning (NVIDIA's Minitron models), or a twin of the student. Across a large gap in size a student learns worse (Mirzadeh et al., 2020) |
# | 6 | distilled students generalise better than directly trained ones | depends | with 50 labels yes, 33 to 58 of 540 images on ten seeds. With all 1,257 labels direct training was as good or better |
# | 7 | the student is simpler, smaller and faster | holds | here 1,210 parameters against 50,826. DistilBERT is 40 % smaller and 60 % faster than BERT and keeps 97 % of its score. It is the architecture that makes it fast, not the training |
# | 8 | (missing) language models, hidden layers, unlabelled data | dated | feature hints (2015), sequence-level distillation (2016), on-policy distillation (2024); DeepSeek's six R1 distils (2025) are Qwen and Llama models, fine-tuned on about 800,000 samples |
#
# Rows 2, 3 and 7 were computed above, and the two probabilities of row 4. The counts of rows 4 and 6 were recorded over ten seeds; `temperature_sweep((1, 2, 4, 8, 20), seed=0)` repeats those of row 4 for one seed. Results of others are quoted.
# Here is row 2 once more, in one number: how large the soft gradient is beside the label's at T = 8, if the factor T² is forgotten.

# %%
at_8 = gradient_norms([2, 0, -1], [3, 1, -2], 0, (8,))  # logits of student and teacher; the label is 0
print(f"soft gradient without T², as a share of the label's: {at_8['soft'][0] / at_8['hard'][0]:.3f}")

# %% [markdown]
# ## Explain it
#
# A colleague distils an image classifier with 100 classes at T = 8. The loss is
# `0.9 * F.kl_div(F.softmax(s / 8, 1), F.softmax(t / 8, 1), reduction="mean") + 0.1 * F.cross_entropy(s, y)`.
# The student is no better than without a teacher. "Distillation does not work for us," says the colleague. Answer in five or six sentences.
#
# A good answer names:
# 1. what `kl_div` expects as its first argument;
# 2. what `reduction="mean"` does to the balance of the two parts, and by how much;
# 3. what is missing at T = 8, and by how much;
# 4. when a correct loss would still bring little;
# 5. which data could be used in addition, without labelling anything.

# %% [markdown] task="explain" points=5
# ### BEGIN SOLUTION
# `F.kl_div` takes log-probabilities first, so it needs `log_softmax(s / 8, 1)`. With probabilities it computes something that is no divergence, and its gradient does not pull the student towards the teacher.
# `reduction="mean"` divides by the number of classes as well, so the soft part is 100 times too weak; it has to be "batchmean".
# The factor T² is missing: at T = 8 the soft gradient is 64 times smaller than it should be. Together the label term decides everything, so the student is one trained on labels.
# With the loss repaired I would compare again. If all images are labelled and the student learns them well, the gain may stay small. It is largest where labels are few.
# And the soft part needs no labels: we can add all unlabelled images of the same kind as a transfer set, and pick T on validation data.
# ### END SOLUTION

# %% [markdown]
# ## Practise

# %% practise
from autograder.drill.widget import practise

practise("25")

# %% [markdown]
# ## Glossary
#
# | term | 中文 | meaning |
# |---|---|---|
# | knowledge distillation | 知识蒸馏 | training a student on a teacher's behaviour |
# | teacher, student | 教师模型，学生模型 | the model that is imitated, and the one that imitates |
# | soft label | 软标签 | a probability for every class |
# | hard label | 硬标签 | one class, the true one |
# | temperature | 温度 | divisor of the logits |
# | dark knowledge | 暗知识 | what the small probabilities say |
# | KL divergence | KL 散度 | extra nats for using the wrong distribution |
# | logit | 未归一化输出 | a class's score before the softmax |
# | transfer set | 迁移集 | the data on which the student imitates |
# | feature hint | 特征蒸馏 | matching hidden layers |
# | sequence-level distillation | 序列级蒸馏 | fine-tuning on the teacher's texts |
# | on-policy distillation | 在线策略蒸馏 | the teacher scores the student's own texts |
# | capacity gap | 容量差距 | the student is too small for its teacher |

# %% [markdown]
# ## Sources
#
# - C. Buciluă, R. Caruana and A. Niculescu-Mizil, *Model Compression*, KDD 2006.
# - J. Ba and R. Caruana, *Do Deep Nets Really Need to be Deep?*, NIPS 2014.
# - G. Hinton, O. Vinyals and J. Dean, *Distilling the Knowledge in a Neural Network*, 2015, arXiv:1503.02531: temperature, T², the omitted 3s.
# - A. Romero et al., *FitNets: Hints for Thin Deep Nets*, ICLR 2015, arXiv:1412.6550.
# - Y. Kim and A. Rush, *Sequence-Level Knowledge Distillation*, EMNLP 2016.
# - V. Sanh et al., *DistilBERT*, 2019, arXiv:1910.01108: 40 % smaller, 60 % faster, 97 %.
# - S. Mirzadeh et al., *Improved Knowledge Distillation via Teacher Assistant*, AAAI 2020, arXiv:1902.03393: the capacity gap.
# - R. Agarwal et al., *On-Policy Distillation of Language Models*, ICLR 2024 (generalized knowledge distillation).
# - Y. Gu et al., *MiniLLM*, ICLR 2024: reverse KL.
# - S. Sreenivas et al., *LLM Pruning and Distillation in Practice: The Minitron Approach*, 2024, arXiv:2408.11796.
# - DeepSeek-AI, *DeepSeek-R1*, 2025, arXiv:2501.12948, and the repository's README: six distilled models on Qwen and Llama.
