"""A release, from the trained network to the traffic: contracts, parity, folding, bundles, a registry, canaries.

This module only gathers names; each lives in the file that its import line says. Not among them, since they import
torch, onnx or onnxruntime at once: `digits_release` (the chain on a real network) and `serve` (the serving process).
"""

from utils.delivery.release.bundle import build_manifest, read_manifest, release_id, verify_manifest
from utils.delivery.release.canary import (
    Canary,
    CanaryLook,
    canary_decision,
    canary_seconds,
    promoted_share,
    replay_canary,
    samples_per_arm,
    simulate_canary,
)
from utils.delivery.release.chain import DeploymentChain, HopReport
from utils.delivery.release.comparison import (
    ParityReport,
    Tolerance,
    accept,
    first_divergence,
    parity,
    parity_report,
    sine_sqnr_db,
)
from utils.delivery.release.contract import TensorContract
from utils.delivery.release.drift import psi
from utils.delivery.release.folding import fold_into_first_conv, fold_normalization, prepend_preprocess
from utils.delivery.release.preprocessing import camera_faults, diagnose_skew, preprocess, skew_variants
from utils.delivery.release.registry import Registry

__all__ = [
    "Canary", "CanaryLook", "DeploymentChain", "HopReport", "ParityReport", "Registry", "TensorContract", "Tolerance",
    "accept", "build_manifest", "camera_faults", "canary_decision", "canary_seconds", "diagnose_skew",
    "first_divergence", "fold_into_first_conv", "fold_normalization", "parity", "parity_report", "prepend_preprocess",
    "preprocess", "promoted_share", "psi", "read_manifest", "release_id", "replay_canary", "samples_per_arm",
    "simulate_canary", "sine_sqnr_db", "skew_variants", "verify_manifest",
]
