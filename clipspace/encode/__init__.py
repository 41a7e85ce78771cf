"""Encoding image sets into stores, on one machine or on a Ray cluster."""

from clipspace.encode.run import Encoded, encode

__all__ = ["Encoded", "encode"]
