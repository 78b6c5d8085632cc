"""Designing an efficient CNN: memory access, channel alignment, Winograd, aggregation, and the roofline of a layer.

This module only gathers names; each lives in the file that its import line says. Ma et al. (ShuffleNet V2) abbreviate
memory access cost as MAC; here it is called access, because `macs` are multiply–accumulates.

>>> best_channels(56, 56, 28, 28, 3, 65_536)
(128, 512)
"""

from utils.networks.design.access import (
    access_1x1,
    access_elements,
    best_channel_split,
    best_channels,
    best_ratio,
    best_split,
    bottleneck_traffic,
    g1_curve,
    output_macs,
    shuffle_access_bound,
    shuffle_access_elements,
)
from utils.networks.design.aggregation import BlockCost, densenet_access, osa_access
from utils.networks.design.alignment import GRANULES, Granule, channel_utilisation, padded_macs
from utils.networks.design.placement import LayerPoint, place_convolutions
from utils.networks.design.published_runs import G1_RUNS, G2_RUNS, G3_RUNS, G4_RUNS, REPVGG_DENSITY
from utils.networks.design.tiles import winograd_conv, winograd_tile

__all__ = [
    "G1_RUNS", "G2_RUNS", "G3_RUNS", "G4_RUNS", "GRANULES", "REPVGG_DENSITY", "BlockCost", "Granule", "LayerPoint",
    "access_1x1", "access_elements", "best_channel_split", "best_channels", "best_ratio", "best_split",
    "bottleneck_traffic", "channel_utilisation", "densenet_access", "g1_curve", "osa_access", "output_macs",
    "padded_macs", "place_convolutions", "shuffle_access_bound", "shuffle_access_elements", "winograd_conv",
    "winograd_tile",
]
