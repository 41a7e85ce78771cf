"""Encoding image sets into stores, on one machine or on a Ray cluster."""

from clipspace.space.encoding.loop import PASSING
from clipspace.space.encoding.run import Encoded, encode

__all__ = ["PASSING", "Encoded", "encode"]
