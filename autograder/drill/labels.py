"""What the practice itself says, in both languages: an English template is its own key."""

from __future__ import annotations

from typing import Any

from ..chapters import PARTS

PARTS_ZH = {"A": "数值与开销", "B": "模型压缩", "C": "高效网络与硬件", "D": "LLM 推理与 GPU 运行时",
            "E": "计算图与推理引擎", "F": "系统与交付"}
ZH = {
    # reading a number
    "Nothing was typed: give a number.": "还没有输入：请给出一个数。",
    "That is {n} characters long: give a number such as 6.35e10.": "输入了 {n} 个字符：请给出一个数，例如 6.35e10。",
    "{typed!r} is not a word in hexadecimal: type something like 0x3F80.":
        "{typed!r} 不是十六进制的字：请输入形如 0x3F80 的值。",
    "{typed!r} is not a number: type something like 63.5, 1/8, 2^16 or 6.35e10.":
        "{typed!r} 不是一个数：请输入形如 63.5、1/8、2^16 或 6.35e10 的值。",
    "{typed!r} divides by zero.": "{typed!r} 的除数为零。",
    "Write decimals with a point, as in 63.5, and thousands as 1,024 or 1024.":
        "小数点请用“.”，例如 63.5；千位写作 1,024 或 1024。",
    "{typed!r} is too large to be computed.": "{typed!r} 太大，无法计算。",
    "{typed!r} is a number that cannot be computed.": "{typed!r} 无法计算。",
    "{given!r} is no unit: {asked}.": "{given!r} 不是单位：{asked}。",
    "A MAC is a multiply and an add, two FLOPs: {asked}.": "一次 MAC 是一乘一加，算两个 FLOP：{asked}。",
    "{given!r} is a prefix without a unit: {asked}.": "{given!r} 只有词头，没有单位：{asked}。",
    "{given!r} is another unit: {asked}.": "{given!r} 是另一种单位：{asked}。",
    "the answer is asked in {unit}": "答案的单位是 {unit}", "the answer is a plain number": "答案是纯数",
    # how near
    "exact": "须完全相等", "within {parts}": "误差不超过 {parts}", " plus ": " 加 ",
    "{n} percentage points": "{n} 个百分点",
    # a factor that betrays a mistake
    "That is off by 8: bits were taken for bytes, or bytes for bits.": "差了 8 倍：比特和字节弄混了。",
    "That is off by 1000 against 1024: a decimal prefix (k, M, G) was mixed with a binary one (Ki, Mi, Gi).":
        "差在 1000 与 1024 之间：十进制词头（k、M、G）和二进制词头（Ki、Mi、Gi）混用了。",
    "That is off by 2: a multiply-accumulate is two operations, and one of the two counts was taken for the other.":
        "差了 2 倍：一次乘加算两次运算，MAC 数和 FLOP 数弄混了。",
    "That is off by 60: minutes and seconds, or hours and minutes, were mixed.":
        "差了 60 倍：分和秒（或时和分）弄混了。",
    "That is off by 3600: hours and seconds were mixed.": "差了 3600 倍：小时和秒弄混了。",
    "That is off by exactly 2: a factor 2 is missing, or one too many.": "正好差 2 倍：少乘或多乘了一个 2。",
    "That is off by 10^{n}: a prefix (k, M, G) was lost or taken twice.":
        "差了 10^{n} 倍：词头（k、M、G）漏了或算了两次。",
    "That is off by 1024: a binary prefix (Ki, Mi, Gi) was lost or taken twice.":
        "差了 1024 倍：二进制词头（Ki、Mi、Gi）漏了或算了两次。",
    "That is off by 100: a share was taken for per cent, or per cent for a share.":
        "差了 100 倍：比例和百分数弄混了。",
    "That is off by 10: count the zeros once more.": "差了 10 倍：再数一遍零。",
    "The sign is the other one.": "正负号反了。",
    # a question
    "Right.": "正确。",
    "Not right.": "不对。",
    "Not this one.": "不是这个。",
    "Not taken as an answer.": "没有当作答案。",
    "{named} of {all} points named.": "说到了 {all} 点中的 {named} 点。",
    "Answer": "答案",
    "Check": "检查",
    "Next question": "下一题", "Done": "评好了", "Run the check": "运行检查",
    "Other numbers": "换一组数",
    "Show the rubric": "显示评分要点",
    "Say it in your own words first.": "先用自己的话说一遍。", "Tick what you said.": "勾选你说到的要点。",
    "a number": "一个数", "difficulty {dots}": "难度 {dots}", "{right} right so far": "已答对 {right} 题",
    "{left} to go": "还剩 {left} 题", "Your answer": "你的答案",
    "Model answer": "参考答案", "numeric": "计算", "choice": "选择", "open": "简答", "code": "编程",
    "This answer was not kept: {error}.": "这次回答没有保存：{error}。",
    "Question {number}": "第 {number} 题",
    "This was the last one: {right} of {all} right.": "题目做完了：{all} 题中答对 {right} 题。",
    "It comes back in a moment with other numbers.": "过一会儿会换一组数再考你。", "Start again": "再来一轮",
    "It comes back in a moment.": "过一会儿会再考你。",
    # a mock interview
    "Mock interview": "模拟面试", "End the interview": "结束面试",
    "{minutes} left": "还剩 {minutes}", "Time is up: finish this one.": "时间到：答完这一题。",
    "follow-up": "追问", "Report": "报告", "Score": "得分", "part": "部分", "questions": "题数",
    "score": "得分", "95 % interval": "95 % 区间", "Slowest topics": "最慢的主题", "Weakest topics": "最弱的主题",
    "Read these chapters": "建议阅读的章节", "Questions and model answers": "题目与参考答案",
    "no answer": "没有作答", "took {took}, expected {expected}": "用时 {took}，预期 {expected}",
    "Nothing was answered.": "没有回答任何题目。",
    "With so few answers the intervals are wide: compare parts with care.":
        "题数很少，区间很宽：比较各部分时要谨慎。",
    "{n} answers in {minutes} of {planned} minutes, on {date}":
        "{date}，计划 {planned} 分钟，用了 {minutes} 分钟，回答 {n} 题",
    # in the terminal
    "Interview practice": "面试练习", "Practise what is due: {n}": "练习到期的题：{n} 题",
    "Practise: {n} questions fit": "开始练习：符合条件的有 {n} 题", "Mock interview: {n} minutes": "模拟面试：{n} 分钟",
    "all": "全部", "Part": "部分", "Chapter": "章节", "Difficulty": "难度", "Kind": "题型", "Language": "语言",
    "Minutes": "面试分钟数", "move": "移动", "change": "更改", "choose": "选择", "quit": "退出", "menu": "菜单",
    "scroll": "滚动", "go back": "返回", "go on": "继续", "end": "结束", "skip": "跳过", "give up": "放弃",
    "check": "检查", "done": "完成", "other numbers": "换一组数",
    "show the rubric": "显示评分要点", "tick what you said": "勾选你说到的",
    "Answer in {unit}, {tolerance}": "答案的单位是 {unit}，{tolerance}",
    "Answer: {what}, {tolerance}": "答案：{what}，{tolerance}",
    "Not answered.": "没有作答。", "Partly right.": "部分正确。", "question {n}": "第 {n} 题",
    "No question fits: take a filter away.": "没有符合条件的题：请去掉一个筛选条件。",
    "Nothing is due now.": "现在没有到期的题。",
    "Your progress cannot be read: {error}. You can practise without it.":
        "无法读取你的进度：{error}。没有进度也可以练习。",
    "End here? What you have not handed in is not counted.": "到此结束？没有提交的内容不计入。",
    "End the interview here? The report is made of what you have answered.": "到此结束面试？报告根据已回答的题生成。",
    "The round is over": "这一轮结束了", "{right} of {n} right.": "{n} 题中答对 {right} 题。",
    "What comes back, and when:": "哪些题会再出现，什么时候：", "in {time}": "{time} 后",
    "Your report is kept in {path}": "报告保存在 {path}",
    "The report was not kept: {error}.": "报告没有保存：{error}。",
    "An interview was cut off: its report is in {folder}.": "有一次面试中断了：报告在 {folder}。",
    "An interview that was cut off has no report yet: {error}.": "有一次中断的面试还没有报告：{error}。",
    "your editor": "用你的编辑器", "edit here": "在这里编辑", "run the check": "运行检查", "start over": "重新开始",
    "hand it in": "提交", "Your answer so far": "目前的答案",
    "Your answer so far, in {path}": "目前的答案，保存在 {path}",
    "Your code is not kept: {error}.": "代码没有保存：{error}。", "The check is running…": "正在检查……",
    "The check failed by itself: {error}.": "检查本身出错了：{error}。", "Not right yet.": "还不对。",
    "Mend it and run the check again, or hand it in with Enter.": "改一改再运行检查，或按 Enter 提交。",
    "Throw your code away and begin with the stub again?": "丢掉你的代码，从最初的模板重新开始？",
    "No editor was found: set EDITOR, or press t to write here.": "没有找到编辑器：请设置 EDITOR，或按 t 在这里写。",
    "No editor can be opened from here: press t to write here.": "这里打不开编辑器：按 t 在这里写。",
    "{editor} cannot be started ({error}): press t to write here.": "无法启动 {editor}（{error}）：按 t 在这里写。",
}


def part_title(part: str, language: str = "en") -> str:
    """The title of a part of the course."""
    return PARTS_ZH[part] if language == "zh" else PARTS[part]


def say(language: str, template: str, /, **values: Any) -> str:
    """The template in `language`, filled in; in English where there is no Chinese."""
    text = ZH.get(template, template) if language == "zh" else template
    return text.format(**values) if values else text
