"""Inference engines side by side: adapters, a fair race, splitting a graph over devices, and a dated catalogue."""

from utils.engines.frameworks.base import Engine, input_shapes, output_names, output_shapes
from utils.engines.frameworks.catalogue import CATALOGUE, HARDWARE, EngineInfo
from utils.engines.frameworks.convex import (
    Group,
    Partition,
    partition,
    partition_graph,
    run_until_stuck,
    validate_groups,
)
from utils.engines.frameworks.coverage import (
    PROBES,
    OperatorProbe,
    has_layer,
    missing_operators,
    probe_model,
    probe_operators,
)
from utils.engines.frameworks.desktop import NumpyEngine, OpenVinoEngine, OrtEngine
from utils.engines.frameworks.eager import TorchEngine
from utils.engines.frameworks.mobile import LiteRtEngine, MnnEngine, NcnnEngine, convert_to_mnn
from utils.engines.frameworks.network import race_cnn
from utils.engines.frameworks.nvidia import TensorRtEngine
from utils.engines.frameworks.offloading import DeviceCosts, OffloadPlan, best_offload, offload_gain
from utils.engines.frameworks.registry import ENGINES, available_engines, installed_engines, make_engine
from utils.engines.frameworks.running import EngineRow, RaceResult, benchmark, benchmark_all, race, warm_up
from utils.engines.frameworks.selection import Requirements, select, shortlist
from utils.engines.frameworks.verdicts import (
    LatencyVerdict,
    accuracy_report,
    agreement,
    compare_latency,
    faster_engine,
)

__all__ = [
    "CATALOGUE", "ENGINES", "HARDWARE", "PROBES", "DeviceCosts", "Engine", "EngineInfo", "EngineRow", "Group",
    "LatencyVerdict", "LiteRtEngine", "MnnEngine", "NcnnEngine", "NumpyEngine", "OffloadPlan", "OpenVinoEngine",
    "OperatorProbe", "OrtEngine", "Partition", "RaceResult", "Requirements", "TensorRtEngine", "TorchEngine",
    "accuracy_report", "agreement", "available_engines", "benchmark", "benchmark_all", "best_offload",
    "compare_latency", "convert_to_mnn", "faster_engine", "has_layer", "input_shapes", "installed_engines",
    "make_engine", "missing_operators", "offload_gain", "output_names", "output_shapes", "partition",
    "partition_graph", "probe_model", "probe_operators", "race", "race_cnn", "run_until_stuck", "select", "shortlist",
    "validate_groups", "warm_up",
]
