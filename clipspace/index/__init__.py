"""Nearest neighbours among many embeddings: an index that knows its names, its stamp and its recall."""

from clipspace.index.building import build_index
from clipspace.index.kinds import Kind, choose_kind, list_kind
from clipspace.index.searching import Hits, Index, Neighbours, check_target, open_index

__all__ = [
    "Hits",
    "Index",
    "Kind",
    "Neighbours",
    "build_index",
    "check_target",
    "choose_kind",
    "list_kind",
    "open_index",
]
