"""Pages to read: figures with their numbers and provenance, and an interactive map, offline."""

from clipspace.report.building import write_report
from clipspace.report.explorer import write_explorer

__all__ = ["write_explorer", "write_report"]
