"""Queues: arrivals, exact simulations of lines and deadlines, and the formulas that they obey.

The load generator, which does the same to a real function, is in `utils.serving.load`; its names can be had
from here.
"""

from utils.serving.load import LoadGenerator, LoadResult, closed_loop, latency_from_schedule, open_loop
from utils.serving.queueing.arrivals import poisson_arrivals, service_times, two_point
from utils.serving.queueing.balancing import simulate_split
from utils.serving.queueing.deadlines import (
    GoodputResult,
    OverloadRun,
    goodput,
    simulate_goodput,
    simulate_overload,
)
from utils.serving.queueing.formulas import (
    QueueMetrics,
    any_slow,
    erlang_b,
    erlang_c,
    md1_time_s,
    mg1_wait_s,
    mm1_time_s,
    mmc_metrics,
    mmc_time_tail,
    retry_amplification,
    two_choices_tail,
)
from utils.serving.queueing.lines import fifo, fifo_latencies, fifo_waits, mean_in_flight, simulate_fifo
from utils.serving.queueing.objective import max_rate_under_slo, min_replicas, replicas_for
from utils.serving.queueing.omission import corrected_latency

__all__ = [
    "GoodputResult", "LoadGenerator", "LoadResult", "OverloadRun", "QueueMetrics", "any_slow", "closed_loop",
    "corrected_latency", "erlang_b", "erlang_c", "fifo", "fifo_latencies", "fifo_waits", "goodput",
    "latency_from_schedule", "max_rate_under_slo", "md1_time_s", "mean_in_flight", "mg1_wait_s", "min_replicas",
    "mm1_time_s", "mmc_metrics", "mmc_time_tail", "open_loop", "poisson_arrivals", "replicas_for",
    "retry_amplification", "service_times", "simulate_fifo", "simulate_goodput", "simulate_overload",
    "simulate_split", "two_choices_tail", "two_point",
]
