"""Spaces: an encoder, a decoder and a prior that belong together. The only user of models."""

from clipspace.space.loading import load_space, untrained_space
from clipspace.space.space import Space

__all__ = ["Space", "load_space", "untrained_space"]
