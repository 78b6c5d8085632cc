"""The tables of chips: bandwidths follow from buses, headlines convert to what makers print, every row has a source."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.hardware.chips import (
    DATACENTER,
    MEASURED,
    ORIN_64GB_MODES,
    PLATFORMS,
    WORKLOADS,
    Platform,
    dense_equiv,
    dense_tops,
    lpddr_gb_s,
)

ROWS = {**PLATFORMS, **DATACENTER}


@pytest.mark.parametrize(("bus_bits", "mega_transfers", "published"), [
    (64, 4224, 33.8),   # RK3588, LPDDR4X-4224
    (128, 6400, 102.4),  # Jetson Orin Nano Super, printed as 102
    (256, 6400, 204.8),  # Jetson AGX Orin data sheet
    (256, 8533, 273.1),  # Jetson Thor data sheet prints 273
    (32, 4267, 17.0),   # BCM2712 documentation: "up to 17GB/s"
])
def test_bandwidth_of_a_bus_is_what_makers_print(bus_bits, mega_transfers, published):
    assert lpddr_gb_s(bus_bits, mega_transfers) == pytest.approx(published, rel=0.005)  # printed with three digits


@pytest.mark.parametrize("bad", [(0, 4224), (64, 0), (-64, 4224)])
def test_a_bus_must_be_positive(bad):
    with pytest.raises(ValueError, match="positive"):
        lpddr_gb_s(*bad)


def test_rows_are_complete():
    assert {p.kind for p in PLATFORMS.values()} == {"phone", "laptop", "module", "board", "SoC", "accelerator"}
    assert len(PLATFORMS) >= 18 and not set(PLATFORMS) & set(DATACENTER)
    for name, row in ROWS.items():
        assert isinstance(row, Platform) and row.name == name and len(row.source) > 20 and row.as_of == "November 2026"
        assert row.mem_gb is None or 0 < row.mem_gb < 1000
        assert row.mem_gb_s is None or 1 < row.mem_gb_s < 10_000
        assert row.watts is None or 0 < row.watts[0] <= row.watts[1]
        assert row.headline_tops is not None or not row.sparse
        assert row.bits in (4, 8, 16) and row.step_ratio >= 1
        assert not row.on_chip or (row.mem_gb is None and row.mem_gb_s is None)
        assert (row.confidence == "unconfirmed") <= (row.headline_tops is row.mem_gb_s is row.watts is None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        PLATFORMS["RK3588"].bits = 4


def test_every_vendor_of_the_interview_list_that_sells_edge_chips_has_a_row():
    vendors = " ".join(p.vendor for p in PLATFORMS.values())
    for vendor in ("NVIDIA", "HiSilicon", "Cambricon", "SOPHGO", "Huawei", "Novatek", "Ambarella", "Kneron", "Axera",
                   "Rockchip"):
        assert vendor in vendors


@pytest.mark.parametrize(("name", "published", "rel"), [
    ("Jetson Orin Nano Super 8GB", 33, 0.02),  # NVIDIA's data sheet lists 33 dense INT8 TOPS
    ("AX650N", 18, 0),                         # Axera lists 18 TOPS at INT8
    ("Jetson T5000", 517.5, 0),                # 1035 dense FP4 (data sheet), half of it at 8 bits
    ("Jetson AGX Orin 64GB", 138, 0.005),      # 85 (GPU) + 52.5 (DLA) in the technical brief
])
def test_dense_tops_are_the_makers_own_dense_figures(name, published, rel):
    assert dense_tops(PLATFORMS[name]) == pytest.approx(published, rel=rel)


def test_sixteen_bits_of_the_ascend_and_of_tpus_are_as_stated():
    assert dense_tops(PLATFORMS["Ascend 310"], 16) == 8  # 8 TFLOP/s FP16 in the same announcement
    assert dense_tops(DATACENTER["Ascend 910"], 16) == 256
    assert dense_tops(DATACENTER["TPU7x"], 16) == 2307
    assert dense_tops(DATACENTER["TPU v4"], 16) == 275  # BF16 and INT8 alike
    with pytest.raises(ValueError, match="fewer bits"):
        dense_tops(DATACENTER["TPU v3"])  # states BF16 only
    assert dense_tops(PLATFORMS["CV22"]) is None


def test_tpu_v1_is_its_array_times_its_clock():
    # 256 x 256 MACs, two operations each, 700 MHz (Jouppi et al. 2017)
    assert DATACENTER["TPU v1"].headline_tops == pytest.approx(256 * 256 * 2 * 0.7e9 / 1e12, rel=0.005)


@given(st.floats(0.5, 4000), st.sampled_from([1, 2, 4, 8, 16]), st.booleans(), st.integers(0, 3),
       st.sampled_from([1.0, 1.5, 2.0, 4.0]))
def test_steps_compose_and_sparsity_halves_once(headline, bits, sparse, doublings, ratio):
    value = dense_equiv(headline, bits, sparse, bits << doublings, ratio)
    expected = headline
    for _ in range(doublings):
        expected /= ratio
    assert value == pytest.approx(expected / (2 if sparse else 1), rel=1e-12)  # a few roundings
    assert dense_equiv(headline, bits, sparse, bits << (doublings + 1), ratio) == pytest.approx(value / ratio, rel=1e-12)


def test_fewer_bits_are_refused():
    with pytest.raises(ValueError, match="fewer bits"):
        dense_equiv(67, 8, True, 4)


def test_power_modes_add_up_to_the_headline_and_fall():
    modes = {m.name: m for m in ORIN_64GB_MODES}
    assert modes["MAXN"].sparse_tops == pytest.approx(PLATFORMS["Jetson AGX Orin 64GB"].headline_tops, rel=0.01)
    totals = [m.sparse_tops for m in ORIN_64GB_MODES]
    assert totals == sorted(totals, reverse=True) and totals[-1] == 54


def test_workloads_are_what_the_networks_count():
    torch = pytest.importorskip("torch")
    from utils.cost.flops import count_module_macs
    from utils.networks import classic

    for name, net in (("MobileNetV2", classic.mobilenet_v2()), ("ResNet-50", classic.resnet((3, 4, 6, 3), True))):
        outputs = []
        for module in net.modules():
            if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
                module.register_forward_hook(lambda mod, x, y, kept=outputs: kept.append(y.numel()))
        table = count_module_macs(net.eval(), (1, 3, 224, 224))
        outputs.clear()
        with torch.inference_mode():
            net(torch.zeros(1, 3, 224, 224))
        weights = sum(p.numel() for p in net.parameters())
        assert WORKLOADS[name].macs == pytest.approx(table.macs, rel=1e-3)  # printed with four digits
        assert WORKLOADS[name].nbytes == pytest.approx(weights + sum(outputs), rel=2e-3)  # printed with three


def test_measured_rates_name_known_platforms_and_do_not_exceed_the_peak():
    for row in MEASURED:
        platform = PLATFORMS[row.platform]
        assert row.tops <= dense_tops(platform) and len(row.source) > 20 and row.as_of
        assert 0 < 2 * row.macs * row.per_s < row.tops * 1e12
        assert row.gb_each is None or row.gb_each * row.per_s < platform.mem_gb_s
