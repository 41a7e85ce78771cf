"""Vectors and values in files of other programs: opened in place as points, and points written for them."""

from clipspace.points.interchange.opening import limits, open_points
from clipspace.points.interchange.values import texts_at, values_at
from clipspace.points.interchange.writing import write_points

__all__ = ["limits", "open_points", "texts_at", "values_at", "write_points"]
