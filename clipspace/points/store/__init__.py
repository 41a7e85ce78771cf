"""The store: embeddings of any number on disk, in clip-retrieval's layout, with their stamp, norms and checksums."""

from clipspace.points.store.opening import open_beside, open_store
from clipspace.points.store.reading import Store
from clipspace.points.store.selection import Selection, export, select
from clipspace.points.store.writing import append, merge, write_store

__all__ = ["Selection", "Store", "append", "export", "merge", "open_beside", "open_store", "select", "write_store"]
