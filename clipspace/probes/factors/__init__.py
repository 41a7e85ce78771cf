"""Retention: how well each factor of a set of images is predicted from z, and whether the decoder draws it again."""

from clipspace.probes.factors.agreement import rank_agreement
from clipspace.probes.factors.augmentations import AUGMENTATIONS, augmentation_factors
from clipspace.probes.factors.export import export_factors
from clipspace.probes.factors.factor import Factor, scene_factors
from clipspace.probes.factors.probe import retention
from clipspace.probes.factors.readout import read_out

__all__ = [
    "AUGMENTATIONS",
    "Factor",
    "augmentation_factors",
    "export_factors",
    "rank_agreement",
    "read_out",
    "retention",
    "scene_factors",
]
