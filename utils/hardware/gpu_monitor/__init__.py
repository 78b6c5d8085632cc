"""What a GPU tells about itself: readings of nvidia-smi and NVML, and what follows from traces of kernels.

The door of the package: light imports only.
"""

from utils.hardware.gpu_monitor.chrome_trace import trace_from_chrome
from utils.hardware.gpu_monitor.diagnosis import Diagnosis, diagnose
from utils.hardware.gpu_monitor.host import ProcessSample, rss_bytes, sample_process, tensor_bytes_live
from utils.hardware.gpu_monitor.host_trace import ThreadLoad, measure_threads, record_host_trace
from utils.hardware.gpu_monitor.intervals import merge_intervals, utilization
from utils.hardware.gpu_monitor.kernels import (
    Kernel,
    dram_activity,
    kernel_utilization,
    mfu_pct,
    sm_activity,
    sm_occupancy,
    tensor_activity,
)
from utils.hardware.gpu_monitor.live import TimedSample, poll_nvml, query_nvidia_smi
from utils.hardware.gpu_monitor.memory_split import explain_gap, memory_report
from utils.hardware.gpu_monitor.sampling import point_sample, sample_series
from utils.hardware.gpu_monitor.smi_csv import GpuSample, parse_gpu_csv, parse_query_csv
from utils.hardware.gpu_monitor.smi_samples import sample_index, sample_names, sample_text
from utils.hardware.gpu_monitor.smi_table import consistency_warnings, parse_nvidia_smi_table
from utils.hardware.gpu_monitor.workloads import WORKLOADS, Workload, metric_ladder

__all__ = [
    "WORKLOADS", "Diagnosis", "GpuSample", "Kernel", "ProcessSample", "ThreadLoad", "TimedSample", "Workload",
    "consistency_warnings", "diagnose", "dram_activity", "explain_gap", "kernel_utilization", "measure_threads",
    "memory_report", "merge_intervals", "metric_ladder", "mfu_pct", "parse_gpu_csv", "parse_nvidia_smi_table",
    "parse_query_csv", "point_sample", "poll_nvml", "query_nvidia_smi", "record_host_trace", "rss_bytes",
    "sample_index", "sample_names", "sample_process", "sample_series", "sample_text", "sm_activity", "sm_occupancy",
    "tensor_activity", "tensor_bytes_live", "trace_from_chrome", "utilization",
]
