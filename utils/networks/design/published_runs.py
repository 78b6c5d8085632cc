"""Speeds that two papers measured, as data.

Ma et al., ShuffleNet V2, ECCV 2018, tables 1 to 4: networks of ten blocks, input 56 x 56, on a GTX 1080 Ti and on
a Snapdragon 810. Ding et al., RepVGG, CVPR 2021, table 1: one layer of 2048 channels on 56 x 56, batch 32, GTX 1080 Ti;
its rates were checked in a summary of the paper, not in the paper itself.
"""

from __future__ import annotations

# ratio c1:c2 -> (channels on the GPU, batches/s on the GPU, channels on ARM, images/s on ARM), equal MACs
G1_RUNS: dict[str, tuple[tuple[int, int], float, tuple[int, int], float]] = {
    "1:1": ((128, 128), 1480, (32, 32), 76.2),
    "1:2": ((90, 180), 1296, (22, 44), 72.9),
    "1:6": ((52, 312), 876, (13, 78), 69.1),
    "1:12": ((36, 432), 748, (9, 108), 57.6),
}

# groups -> (channels on the GPU, batches/s on the GPU, channels on ARM, images/s on ARM), equal MACs
G2_RUNS: dict[int, tuple[int, float, int, float]] = {
    1: (128, 2451, 64, 40.0),
    2: (180, 1725, 90, 35.0),
    4: (256, 1026, 128, 32.9),
    8: (360, 634, 180, 27.8),
}

# how a block is cut -> (batches/s on the GPU with 128 channels, images/s on ARM with 64 channels), equal MACs
G3_RUNS: dict[str, tuple[float, float]] = {
    "1 piece": (2446, 40.2),
    "2 in a row": (1790, 38.6),
    "4 in a row": (752, 38.4),
    "2 side by side": (1537, 33.4),
    "4 side by side": (691, 35.0),
}

# (ReLU, shortcut) of a bottleneck -> (batches/s on the GPU, images/s on ARM), 32 channels
G4_RUNS: dict[tuple[bool, bool], tuple[float, float]] = {
    (True, True): (2427, 56.7),
    (True, False): (2647, 61.9),
    (False, True): (2672, 57.3),
    (False, False): (2842, 66.3),
}

# kernel size -> TFLOP/s: operations of the direct form over the time, whatever the library really did
REPVGG_DENSITY: dict[int, float] = {1: 9.96, 3: 38.10, 5: 10.57, 7: 9.38}
