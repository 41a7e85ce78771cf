"""The store: embeddings of any number on disk, in clip-retrieval's layout, with their stamp, norms and checksums."""

from clipspace.store.opening import open_beside, open_store
from clipspace.store.reading import Store
from clipspace.store.selection import Selection, select
from clipspace.store.writing import append, merge, write_store

__all__ = ["Selection", "Store", "append", "merge", "open_beside", "open_store", "select", "write_store"]
