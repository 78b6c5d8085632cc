"""The deployment sizer: memory adds up, schedules are those of the scheduler."""

import numpy as np
import pytest

from utils.cost.params import DECODERS, LLAMA3_70B, decoder_params
from utils.engines.tensorrt_llm import chat_workload, deployment_memory, deployment_summary, sizer


@pytest.mark.parametrize("tp", [2, 4, 8, 16])
def test_memory_adds_up(tp):
    m = deployment_memory(LLAMA3_70B, 80, tp, "BF16", 0.9)
    assert m["weights_gb"] + m["activations_gb"] + m["pool_gb"] + m["unused_gb"] == pytest.approx(80)
    assert m["weights_gb"] * tp == pytest.approx(2 * decoder_params(LLAMA3_70B).total / 1e9)
    assert m["tokens"] == m["blocks"] * 32
    assert m["pool_gb"] * 1e9 == pytest.approx(m["tokens"] * m["kv_bytes_per_token"])


def test_weights_that_do_not_fit():
    m = deployment_memory(LLAMA3_70B, 80, 1)
    assert not m["fits"] and m["tokens"] == 0 and m["weights_gb"] > 80
    told = deployment_summary("Llama-3-70B", 80, 1)
    assert told["schedule"] is None and told["filled_at_once"] == 0


def test_workload_does_not_depend_on_the_limit():
    one, other = chat_workload(400, 120, 512), chat_workload(400, 120, 4096)
    assert one[0] == other[0] and one[2] == other[2] and other[1] == [4096] * 400
    assert max(one[2]) <= 512 and np.mean(one[2]) == pytest.approx(120, rel=0.15)
    with pytest.raises(ValueError, match="max_new"):
        chat_workload(4, 120, 511)


def test_reserving_is_slower_the_larger_the_limit():
    steps = [sizer.replay(200, 120, limit, "GUARANTEED_NO_EVICT").steps for limit in (512, 1024, 2048)]
    packed = {sizer.replay(200, 120, limit, "MAX_UTILIZATION").steps for limit in (512, 1024, 2048)}
    assert steps == sorted(steps) and len(packed) == 1 and min(packed) < steps[0] / 2


def test_summary_counts_requests():
    told = deployment_summary("Llama-3-70B", 80, 4, mean_prompt=512, max_new=2048, policy="MAX_UTILIZATION")
    assert told["reserved_at_once"] == told["blocks"] // 80  # 2,560 tokens in blocks of 32
    assert told["filled_at_once"] == told["blocks"] // 20  # 632 tokens: 19 full blocks and a part
    assert told["scale"] == pytest.approx(2048 * 32 / told["tokens"])
    assert told["schedule"].peak_running > told["reserved_at_once"] * told["scale"]


def test_a_request_that_can_not_fit_gives_no_schedule():
    assert sizer.replay(20, 120, 512, "MAX_UTILIZATION") is None


def test_unknown_names():
    with pytest.raises(KeyError):
        deployment_summary("Llama-9", 80, 4)
    with pytest.raises(KeyError):
        deployment_memory(DECODERS["Llama-3-8B"], 80, 1, "FP5")
