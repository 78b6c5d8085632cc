"""The 54 chapters: number, slug, part, titles, minutes, prerequisites. One row a question of the document."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PARTS = {
    "A": "Numbers and cost",
    "B": "Compression",
    "C": "Efficient networks and hardware",
    "D": "LLM inference and GPU runtime",
    "E": "Graphs and engines",
    "F": "Systems and delivery",
}


@dataclass(frozen=True)
class Chapter:
    """One chapter. `short` fits a tile of the map; `after` are the chapters that it builds on."""

    number: str
    slug: str
    part: str
    short: str
    title: str
    title_zh: str
    minutes: int
    after: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The one name in master, notebook, exercises and questions: "12_flops"."""
        return f"{self.number}_{self.slug}"

    @property
    def master(self) -> Path:
        return ROOT / "solutions" / f"{self.stem}.py"

    @property
    def notebook(self) -> Path:
        return ROOT / "course" / self.stem / f"{self.stem}.ipynb"

    @property
    def ready(self) -> bool:
        """Whether the chapter is written."""
        return self.notebook.exists()


CHAPTERS: dict[str, Chapter] = {
    chapter.number: chapter
    for chapter in (
        Chapter("01", "why_compression", "B", "Why compression", "Why is model compression necessary and feasible?",
                "模型压缩的必要性与可行性？", 90, ()),
        Chapter("02", "x86_vs_arm", "C", "x86 and ARM", "How do x86 and ARM differ for deep learning?",
                "X86和ARM架构在深度学习侧的区别？", 100, ("15",)),
        Chapter("03", "fp32_fp16_int8", "A", "FP32, FP16, INT8", "How do FP32, FP16 and INT8 differ?",
                "FP32，FP16以及Int8的区别？", 120, ()),
        Chapter("04", "gpu_memory_vs_utilization", "D", "GPU memory and utilisation", "Definitions of GPU memory usage and GPU utilisation",
                "GPU显存占用和GPU利用率的定义", 100, ()),
        Chapter("05", "training_memory", "A", "Training memory", "What occupies GPU memory when training a network?",
                "神经网络的显存占用分析", 80, ("03", "11")),
        Chapter("06", "deployment_logic", "F", "Deployment logic", "What is the logic of deploying an algorithm model?",
                "算法模型部署逻辑？", 110, ("23",)),
        Chapter("07", "inference_speed_factors", "A", "Speed factors", "What determines inference speed?",
                "影响模型inference速度的因素？", 80, ("12", "44")),
        Chapter("08", "classical_vision_on_edge", "C", "Classical vision", "Why don't edge AI devices usually use classical image algorithms?",
                "为何在AI端侧设备一般不使用传统图像算法？", 105, ("13",)),
        Chapter("09", "shrinking_memory", "B", "Shrinking memory", "What are the ways to shrink a model's memory use?",
                "减小模型内存占用有哪些办法？", 100, ("11",)),
        Chapter("10", "classic_lightweight_networks", "C", "Lightweight networks", "Which classic lightweight networks are there?",
                "有哪些经典的轻量化网络？", 110, ("11", "12")),
        Chapter("11", "parameter_counting", "A", "Parameters", "How do you count a model's parameters?",
                "模型参数计算？", 100, ("03",)),
        Chapter("12", "flops", "A", "FLOPs", "How do you compute a model's FLOPs?",
                "模型FLOPs怎么算？", 90, ("11",)),
        Chapter("13", "heterogeneous_computing", "C", "Heterogeneous computing", "What is heterogeneous computing?",
                "什么是异构计算？", 110, ()),
        Chapter("14", "edge_metrics", "A", "Edge metrics", "What are the core metrics of an edge deployment?",
                "端侧部署时整个解决方案的核心指标？", 70, ("03", "05", "07", "48")),
        Chapter("15", "quantization", "B", "Quantisation", "What is model quantization?",
                "什么是模型量化？", 125, ("23",)),
        Chapter("16", "pruning", "B", "Pruning", "What is model pruning?",
                "什么是模型剪枝？", 90, ("11", "12")),
        Chapter("17", "edge_platforms", "C", "Edge platforms", "Which mainstream edge AI hardware platforms are there?",
                "主流AI端侧硬件平台有哪些？", 80, ("14", "44")),
        Chapter("18", "edge_soc_modules", "C", "SoC modules", "Which modules does an edge AI SoC usually contain?",
                "主流AI端侧硬件平台一般包含哪些模块？", 100, ("13", "17")),
        Chapter("19", "hardware_for_algorithm_engineers", "C", "Hardware for engineers", "How should an algorithm engineer see hardware?",
                "算法工程师该如何看待硬件侧知识？", 100, ()),
        Chapter("20", "mobile_frameworks", "E", "Mobile frameworks", "Open-source inference frameworks for mobile",
                "现有的一些移动端开源框架？", 80, ("23", "29")),
        Chapter("21", "static_vs_dynamic_batching", "D", "Static and dynamic batching", "Static versus dynamic multi-batch on edge devices",
                "端侧静态多Batch和动态多Batch的区别", 110, ("23", "24")),
        Chapter("22", "on_device_optimisation", "C", "On-device optimisation", "Methods to optimise a model's on-device performance",
                "优化模型端侧性能的一些方法", 120, ("10", "50")),
        Chapter("23", "onnx", "E", "ONNX", "ONNX: the format, its versions and its limits",
                "ONNX的相关知识", 80, ()),
        Chapter("24", "tensorrt", "E", "TensorRT", "TensorRT: what an inference optimiser does",
                "TensorRT的相关知识", 100, ("23",)),
        Chapter("25", "distillation", "B", "Distillation", "What is model distillation?",
                "什么是模型蒸馏？", 75, ("16",)),
        Chapter("26", "bf16_vs_fp16", "A", "bfloat16 and float16", "bfloat16 versus float16: what is the difference?",
                "bfloat16精度和float16精度的区别？", 90, ("03",)),
        Chapter("27", "inference_systems", "F", "Inference systems", "What is an AI inference system?",
                "AI 推理系统介绍", 120, ("21", "48")),
        Chapter("28", "triton_containers", "F", "Triton and containers", "How are NVIDIA container images and Triton Inference Server used?",
                "Nvidia 相关容器镜像使用", 120, ("21", "23", "27")),
        Chapter("29", "inference_frameworks", "E", "Inference frameworks", "Mainstream inference frameworks",
                "常见推理框架介绍", 100, ("23", "35", "48")),
        Chapter("30", "llm_inference_frameworks", "D", "LLM frameworks", "Introduction to LLM inference frameworks",
                "大模型推理框架介绍", 120, ("42", "44", "45", "46")),
        Chapter("31", "trtexec", "E", "trtexec", "trtexec: build, benchmark and read the report",
                "TensorRT之trtexec的简单使用介绍", 90, ("24", "36", "48")),
        Chapter("32", "tensorrt_llm", "D", "TensorRT-LLM", "A brief introduction to TensorRT-LLM",
                "TensorRT-llm简单介绍", 90, ("24", "30", "45")),
        Chapter("33", "torchscript", "E", "TorchScript", "PyTorch JIT, TorchScript and what replaced them",
                "PytorchJIT和TorchScript介绍", 95, ("23",)),
        Chapter("34", "onnx_export", "E", "ONNX export", "Exporting a model to ONNX and optimising the graph",
                "ONNX模型转换及优化", 90, ("23", "33")),
        Chapter("35", "onnxsim", "E", "onnxsim", "onnxsim: simplifying an ONNX graph",
                "onnxsim的介绍", 105, ("23", "34")),
        Chapter("36", "tensorrt_conversion", "E", "TensorRT conversion", "Converting a model to a TensorRT engine",
                "TensorRT模型转换", 120, ("24", "34", "35")),
        Chapter("37", "front_back_compression", "B", "Front- and back-end compression", "What are front-end and back-end compression techniques?",
                "什么是前端压缩技术和后端压缩技术？", 110, ("15", "16", "25")),
        Chapter("38", "deployment_forms", "F", "Deployment forms", "How many mainstream forms of model deployment are there?",
                "在AI领域中模型一共有多少种主流部署形式？", 100, ("14", "27", "44")),
        Chapter("39", "jenkins_ci", "F", "Jenkins and CI/CD", "What is Jenkins, and how do models go through CI/CD?",
                "Jenkins 的介绍", 135, ("15", "23", "48")),
        Chapter("40", "deepstream", "F", "DeepStream", "What is DeepStream, and how does streaming video analytics work?",
                "DeepStream 的介绍", 110, ("21", "27", "48")),
        Chapter("41", "optimization_and_deployment", "B", "Optimisation and deployment", "How are performance optimisation and deployment related?",
                "介绍一下模型性能优化与模型部署之间的关系", 75, ("15", "16", "25", "48", "54")),
        Chapter("42", "mixture_of_experts", "D", "Mixture of experts", "Introduce the Mixture-of-Experts technique",
                "介绍一下MoE技术", 150, ("11", "12", "44")),
        Chapter("43", "edge_ai_chip_kinds", "C", "Edge AI chips", "What kinds of edge AI chips are there?",
                "目前主流的端侧算力芯片有哪些种类？", 105, ("12", "17", "44")),
        Chapter("44", "gpu_memory_bandwidth", "A", "Memory bandwidth", "What is GPU memory bandwidth?",
                "什么是GPU内存带宽？", 90, ("03", "11")),
        Chapter("45", "paged_attention", "D", "PagedAttention", "What is PagedAttention?",
                "什么是Page-Attention？", 150, ("44", "46")),
        Chapter("46", "flash_attention", "D", "FlashAttention", "What is FlashAttention?",
                "什么是Flash-Attention？", 140, ("12", "44")),
        Chapter("47", "caching_models_in_memory", "D", "Caching models", "How to cache AI models in memory, and what is gained?",
                "如何将AI模型缓存到内存中，这么做有什么好处？", 90, ("44",)),
        Chapter("48", "latency_throughput", "A", "Latency and throughput", "What are latency and throughput in AI systems?",
                "什么是AI领域的延迟和吞吐量？", 110, ("07",)),
        Chapter("49", "volatile_gpu_util", "D", "Volatile GPU-Util", "What does Volatile GPU-Util mean on NVIDIA cards?",
                "英伟达显卡中Volatile-GPU-Util代表什么含义？", 80, ("44", "51")),
        Chapter("50", "efficient_cnn_design", "C", "Efficient CNN design", "Which methods and lessons help design an efficient CNN?",
                "有哪些设计高效CNN架构的方法与经验？", 130, ("10", "11", "12")),
        Chapter("51", "nvidia_gpu_architectures", "C", "GPU architectures", "What do NVIDIA's GPU architectures look like?",
                "英伟达的GPU架构是什么样的？", 120, ("19", "44")),
        Chapter("52", "deploying_lightweight_models", "C", "Deploying light models", "Lessons from deploying lightweight models",
                "轻量级模型部署经验分享", 110, ("10", "22", "50", "54")),
        Chapter("53", "sparse_models", "B", "Sparse models", "What is a sparse model?",
                "什么是稀疏模型？", 75, ("16", "44", "42")),
        Chapter("54", "quantization_methods", "B", "Quantisation methods", "What are the mainstream quantization methods?",
                "模型量化有哪些主流的方法？", 160, ("15", "16", "23")),
    )
}


def find_chapters(words: list[str] | tuple[str, ...] = (), *, written: bool = True) -> list[Chapter]:
    """The chapters that `words` name ("12", "3", "12_flops"); without words all (that are written).

    KeyError with a sentence for a word that names none, or one that is not written yet.
    """
    if not words:
        return [c for c in CHAPTERS.values() if c.master.exists() or not written]
    found = []
    for word in words:
        match = re.match(r"0*(\d{1,2})(?!\d)", word)
        number = f"{int(match[1]):02d}" if match else ""
        if number not in CHAPTERS:
            raise KeyError(f"there is no chapter {word!r}: give a number from 01 to 54")
        if written and not CHAPTERS[number].master.exists():
            raise KeyError(f"chapter {number} is not written yet: {CHAPTERS[number].master.name} is missing")
        found.append(CHAPTERS[number])
    return found
