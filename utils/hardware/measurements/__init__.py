"""Measurements on a GPU: taken live where there is one, else read from what was recorded.

A recorded table is a small CSV file in this folder, written by `python benchmarks/record_gpu.py --write`. None is
made up: where a table was never recorded, `load_recorded` returns None.
"""

from utils.hardware.measurements.device import CudaDevice, Device, open_device
from utils.hardware.measurements.live import MEASUREMENTS, measure
from utils.hardware.measurements.records import TABLES, Recorded, load_recorded, save_recorded

__all__ = ["MEASUREMENTS", "TABLES", "CudaDevice", "Device", "Recorded", "load_recorded", "measure", "open_device",
           "save_recorded"]
