"""Exercises of chapter 49: what GPU-Util means."""

from .diagnose import diagnose
from .read_smi_cell import read_smi_cell
from .sm_activity import sm_activity
from .sm_occupancy import sm_occupancy
from .windowed_util import windowed_util

EXERCISES = [read_smi_cell, windowed_util, sm_activity, sm_occupancy, diagnose]
