"""No public value says more than a screen of itself, however much it holds."""

import numpy as np
import pytest
from PIL import Image
from scipy import sparse

from clipspace.measure.dictionary import Dictionary
from clipspace.measure.logistic import LogisticFits
from clipspace.measure.splits import Split
from clipspace.points.alignment import fit_adapter
from clipspace.points.code import Code
from clipspace.points.embeddings import Embeddings, Stamp
from clipspace.points.moments import Moments
from clipspace.points.pca import PCA
from clipspace.points.store import select, write_store
from clipspace.probes.classification import ZeroShot
from clipspace.probes.concepts import Decomposition, Vocabulary
from clipspace.probes.factors.factor import Factor
from clipspace.probes.factors.resampled import Measure
from clipspace.probes.sparse_autoencoder import SparseAutoencoder
from clipspace.probes.text_basis import TextSpan
from clipspace.results.pictures import Pictures
from clipspace.results.provenance import Provenance
from clipspace.results.result import Result
from clipspace.results.table import Table, scored
from clipspace.search import build_index
from clipspace.search.maps import pca_map, umap_map
from clipspace.sources import open_source

N, D = 1500, 8
STAMP = Stamp("a", "a" * 16, "a" * 16, D)
OTHER = Stamp("b", "b" * 16, "b" * 16, D)
NAMES = tuple(f"the image number {i}" for i in range(N))
X = np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)
POINTS = Embeddings(X, STAMP, names=NAMES, columns={"kind": ["cat"] * N})
IDS = np.zeros(N, int)


VALUES = {
    "Adapter": lambda path: fit_adapter(POINTS, Embeddings(X, OTHER, names=NAMES)),
    "Code": lambda path: Code(POINTS, np.zeros((N, 3, 8, 8)), 20, 1.0, np.zeros(N), np.zeros(N, int)),
    "Embeddings": lambda path: POINTS,
    "Index": lambda path: build_index(POINTS),
    "Neighbours": lambda path: build_index(POINTS).search(POINTS, 1000),
    "Hits": lambda path: build_index(POINTS).search(POINTS[:1], 1000)[0],
    "Map": lambda path: pca_map(POINTS),
    "Map of UMAP": lambda path: umap_map(POINTS[:100], n_epochs=2),
    "Moments": lambda path: Moments(N, np.zeros(768), np.zeros((768, 768))),
    "PCA": lambda path: PCA().fit(POINTS),
    "Pictures": lambda path: Pictures.of(
        [[Image.new("RGB", (8, 8))] * 50] * 30, POINTS, Provenance("test"), row_labels=NAMES, column_labels=NAMES
    ),
    "Store": lambda path: write_store(path / "s", POINTS),
    "Selection": lambda path: select(write_store(path / "s", POINTS), near=POINTS[0]),
    "Source": lambda path: open_source([f"{i}.png" for i in range(N)], rows_per_part=1),
    "Vocabulary": lambda path: Vocabulary(NAMES, X, X[0], X[0], STAMP),
    "Decomposition": lambda path: Decomposition(
        POINTS, Vocabulary(NAMES, X, X[0], X[0], STAMP), sparse.csr_array((N, N)), 0.25, np.zeros(N)
    ),
    "Dictionary": lambda path: Dictionary(X, X, X[:, 0]),
    "SparseAutoencoder": lambda path: SparseAutoencoder(Dictionary(X, X, X[:, 0]), 8, X[0], 1.0, 1.0, STAMP),
    "LogisticFits": lambda path: LogisticFits(np.ones(96), np.zeros((96, D, 10)), *[np.zeros((96, 10))] * 3),
    "Split": lambda path: Split(X, IDS, X, IDS, NAMES),
    "TextSpan": lambda path: TextSpan(NAMES, X, np.zeros(N), X[0], POINTS),
    "ZeroShot": lambda path: ZeroShot(np.zeros((N, 1000)), NAMES),
    "Measure": lambda path: Measure(0.5, np.zeros(1000), N),
    "Factor": lambda path: Factor("kind", NAMES, lambda i: i),
    "Table": lambda path: Table([scored(name=name, value=0.5, chance=0.1, low=0.4, high=0.6, n=N) for name in NAMES]),
    "Result": lambda path: Result(
        "analysis", [{"name": name, **dict.fromkeys(map(str, range(30)), 0.123)} for name in NAMES], NAMES, {"x": X}
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_repr_is_short(name, tmp_path):
    said = repr(VALUES[name](tmp_path))
    assert len(said) < 1000
    assert " at 0x" not in said
    assert NAMES[20] not in said


def test_a_space_says_its_parts(space):
    assert len(repr(space)) < 1000
    assert "name='mini'" in repr(space)
    assert " at 0x" not in repr(space)


def test_all_of_a_table_is_printed():
    table = VALUES["Table"](None)
    assert str(table).count("\n") == N
    assert repr(table).endswith("and 1,492 more rows; print() shows all")
