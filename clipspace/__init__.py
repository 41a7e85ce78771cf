"""clipspace: study a CLIP embedding space through a decoder. Names are loaded when first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipspace.manipulate import blend, generate, interpolate, reconstruct, text_diff, variations
    from clipspace.points.alignment import fit_adapter, load_adapter
    from clipspace.points.code import Code, load_code, save_code
    from clipspace.points.embeddings import Embeddings, Stamp
    from clipspace.points.pca import PCA
    from clipspace.points.sphere import slerp
    from clipspace.points.store import open_store
    from clipspace.probes.zero_shot import zero_shot
    from clipspace.results.pictures import Pictures
    from clipspace.search import build_index, open_index
    from clipspace.search.maps import load_map, pca_map, umap_map
    from clipspace.search.retrieval import retrieve
    from clipspace.space import Space, load_space
    from clipspace.space.encoding import encode

_HOMES = {
    "points.alignment": ("fit_adapter", "load_adapter"),
    "points.code": ("Code", "load_code", "save_code"),
    "points.embeddings": ("Embeddings", "Stamp"),
    "search": ("build_index", "open_index"),
    "space.encoding": ("encode",),
    "manipulate": ("blend", "generate", "interpolate", "reconstruct", "text_diff", "variations"),
    "search.maps": ("load_map", "pca_map", "umap_map"),
    "points.pca": ("PCA",),
    "results.pictures": ("Pictures",),
    "probes.zero_shot": ("zero_shot",),
    "search.retrieval": ("retrieve",),
    "space": ("Space", "load_space"),
    "points.sphere": ("slerp",),
    "points.store": ("open_store",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022 - in the order of the README
    "load_space", "Space", "Embeddings", "Stamp", "Code", "Pictures",
    "interpolate", "text_diff", "variations", "reconstruct", "generate", "blend",
    "PCA", "slerp", "zero_shot", "save_code", "load_code",
    "build_index", "open_index", "retrieve", "umap_map", "pca_map", "load_map",
    "encode", "open_store", "fit_adapter", "load_adapter",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("clipspace")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'clipspace' has no attribute {name!r}")
    return getattr(import_module(f"clipspace.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
