"""clipspace: study a CLIP embedding space through a decoder. Names are loaded when first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipspace.manipulate import blend, generate, interpolate, invert, reconstruct, text_diff, variations
    from clipspace.points.embeddings import Embeddings
    from clipspace.points.pca import PCA
    from clipspace.points.sphere import slerp
    from clipspace.points.store import open_store
    from clipspace.probes.classification import zero_shot
    from clipspace.results.loading import load_result
    from clipspace.search import build_index, open_index
    from clipspace.search.maps import umap_map
    from clipspace.search.retrieval import retrieve
    from clipspace.space import Space, load_space
    from clipspace.space.encoding import encode

_HOMES = {
    "space": ("load_space", "Space"),
    "points.embeddings": ("Embeddings",),
    "manipulate": ("invert", "interpolate", "text_diff", "variations", "reconstruct", "generate", "blend"),
    "results.loading": ("load_result",),
    "points.pca": ("PCA",),
    "points.sphere": ("slerp",),
    "probes.classification": ("zero_shot",),
    "space.encoding": ("encode",),
    "points.store": ("open_store",),
    "search": ("build_index", "open_index"),
    "search.retrieval": ("retrieve",),
    "search.maps": ("umap_map",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022 - in the order of the README
    "load_space", "Space", "Embeddings",
    "invert", "interpolate", "text_diff", "variations", "reconstruct", "generate", "blend", "load_result",
    "PCA", "slerp", "zero_shot",
    "encode", "open_store", "build_index", "open_index", "retrieve", "umap_map",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("clipspace")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'clipspace' has no attribute {name!r}")
    return getattr(import_module(f"clipspace.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
