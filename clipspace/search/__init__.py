"""Nearest neighbours among many embeddings: an index that knows its names, its stamp and its recall."""

from clipspace.search.building import build_index
from clipspace.search.index import Hits, Index, Neighbours, check_target, open_index
from clipspace.search.kinds import Kind, choose_kind, list_kind

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
