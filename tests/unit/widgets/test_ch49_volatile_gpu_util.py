"""Chapter 49's figures: sentences against independent numbers, labelled axes, the shell."""

import pytest

from utils.hardware.gpu_monitor import ThreadLoad, sample_text
from utils.widgets import ch49_volatile_gpu_util as ch


def labelled(figure):
    return all(ax.get_xlabel() or ax.get_ylabel() for ax in figure.axes)


def test_box_keeps_the_columns():
    shown = ch.box()
    lines = repr(shown).splitlines()
    for before, after in zip(sample_text("470_gtx1080").rstrip().splitlines(), lines):
        assert len(before) == len(after)
    assert "ECC①" in lines[3] and "①N/A" in lines[7] and "GPU-Util②" in lines[4] and "②28%" in lines[8]
    assert shown.html.count("<span") == 4


def test_windows_tell_their_means():
    figure, told = ch.draw_windows([(i, i + 0.3) for i in range(3)], 3.0, (0.5, 1.0))
    assert "Busy 30.0 % of 3 s" in told
    assert "1/2 s: mean 30.0 %, from 0 to 60, standard deviation 30.0" in told
    assert "1 s: mean 30.0 %, from 30 to 30, standard deviation 0.0" in told
    assert labelled(figure) and ch.windows([(0, 1)], 2.0).text.startswith("Busy 50.0 %")


def test_spin_kernel():
    figure, told = ch.draw_ladder("spin kernel", 1.0, 0.0)
    assert "reads 100 % in each window" in told and f"SM activity {100 / 132:.2g} %" in told and "MFU 0 %" in told
    assert labelled(figure) and len(figure.axes) == 3


def test_phase_changes_the_reading_and_not_the_ladder():
    apart, together = (ch.draw_ladder("waiting for data", 0.5, phase)[1] for phase in (0.0, 0.15))
    assert "reads from 0 to 60 %" in apart and "reads 30 % in each window" in together
    assert apart.split("Over 3 s")[1] == together.split("Over 3 s")[1]


@pytest.mark.parametrize("window", ch.WINDOWS.values())
@pytest.mark.parametrize("kernel_ms,gap_ms", [(5, 0), (400, 400), (5, 400)])
def test_ones_own_kernel(window, kernel_ms, gap_ms):
    told = ch.draw_ladder(ch.OWN, window, 0.95, kernel_ms, gap_ms, 132, 100)[1]
    assert told.startswith("Your own kernel (modelled)") and "tensor activity 0 %" in told


def test_shares_of_ones_own_kernel():
    """20 ms of every 25: 80 %, on 66 of 132 SMs 40 %, with 8 of 64 warps 5 %, half of the traffic 40 %."""
    told = ch.draw_ladder(ch.OWN, 1.0, 0.0, 20, 5, 66, 50)[1]
    assert "GPU-Util 80 %, SM activity 40 %, occupancy 5.0 %, tensor activity 0 %, DRAM activity 40 %" in told


def test_tables():
    lines = repr(ch.ladder_table()).splitlines()
    assert len(lines) == 6 and sum("100 %" in line.split("  ", 1)[1] for line in lines[1:]) == 4
    assert repr(ch.limits_table()).splitlines()[2].split() == ["8.0", "64", "32", "65,536", "164"]
    text = repr(ch.threads_table([ThreadLoad(1, 2, 99.6, 49.8, 41.3)]))
    assert text.splitlines()[1].split() == ["1", "of", "2", "100", "50", "41"]


def test_shell_and_static_picture():
    question, row, told, view = ch.ladder().children
    assert "Guess first" in question.value and view.layout.display == "none"
    row.children[0].click()
    assert "✗" in told.value and view.layout.display == ""
    knobs = {k.description: k for k in view.children[1].children}
    knobs["workload"].value = "small kernels"
    assert "SM activity 9.1 %" in view.children[3].value  # 12 of 132 SMs
    assert len(ch.static_picture().axes) == 3
