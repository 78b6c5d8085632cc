"""The table of published models: plausible rows, and the two that this package also counts from their shapes."""

import pytest

from utils.moe.accounting import CONFIGS, count_parameters
from utils.moe.published import AS_OF, PUBLISHED_MOES

BY_NAME = {m.name: m for m in PUBLISHED_MOES}


def test_rows_are_complete_and_in_order_of_years():
    assert [m.year for m in PUBLISHED_MOES] == sorted(m.year for m in PUBLISHED_MOES) and "2026" in AS_OF
    for m in PUBLISHED_MOES:
        assert 0 < m.active_billion < m.total_billion and 1 <= m.k < m.experts and m.source


@pytest.mark.parametrize(("name", "config"), [("Mixtral-8x7B", "mixtral_8x7b"), ("DeepSeek-V3", "deepseek_v3")])
def test_published_and_counted_agree(name, config):
    total, active = count_parameters(CONFIGS[config])
    assert BY_NAME[name].total_billion == pytest.approx(total / 1e9, rel=0.002)
    assert BY_NAME[name].active_billion == pytest.approx(active / 1e9, rel=0.02)
    assert (BY_NAME[name].experts, BY_NAME[name].k) == (CONFIGS[config].n_experts, CONFIGS[config].top_k)
