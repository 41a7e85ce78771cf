"""Shared fixtures: a seeded generator, and the mini space loaded once."""

from __future__ import annotations

import os
import sys
from io import BytesIO
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
if "PYTEST_XDIST_WORKER" in os.environ:  # several processes share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from PIL import Image

from clipspace.scenes import Scene, Thing, render


@pytest.fixture(scope="session", autouse=True)
def _merges_read_once():
    """open_clip's tokenizer reads its 48,894 merges once, not for every CLIP: half of the time that a tiny space takes to load."""
    if (module := sys.modules.get("open_clip.tokenizer")) is None:
        yield
        return
    read, attributes = module.SimpleTokenizer.__init__, {}

    def once(self, *arguments, **options):
        key = repr((arguments, sorted(options.items())))
        if key not in attributes:
            read(self, *arguments, **options)
            attributes[key] = dict(vars(self))
        vars(self).update(attributes[key])

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module.SimpleTokenizer, "__init__", once)
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def trained():
    """The mini space. Tests ask for it by this name where their module takes another as ``space``."""
    from clipspace import load_space

    return load_space("mini", device="cpu")


@pytest.fixture(scope="session")
def space(trained):
    return trained


@pytest.fixture(scope="session")
def quick_decoder(tmp_path_factory):
    """A folder: a decoder of random weights for the mini CLIP, whose steps cost a tenth of the mini decoder's."""
    import tiny

    return tiny.pixel_decoder(tmp_path_factory.mktemp("quick") / "decoder")


@pytest.fixture(scope="session")
def quick(quick_decoder):
    """The mini space with that decoder, for what holds of any decoder."""
    from clipspace import load_space

    return load_space("mini", decoder=quick_decoder, device="cpu")


@pytest.fixture(scope="session")
def _spaces():
    return {}


@pytest.fixture
def loaded_once(_spaces, monkeypatch):
    """Commands that are asked for the same space share it: for tests of what they do with it."""
    from clipspace.space import load_space

    def once(name, **options):
        key = (name, *sorted((option, str(value)) for option, value in options.items() if value is not None))
        if key not in _spaces:
            _spaces[key] = load_space(name, **options)
        return _spaces[key]

    monkeypatch.setattr("clipspace.space.load_space", once)


@pytest.fixture(scope="session")
def vit_b_32():
    """A CLIP of the usual size whose weights are random; it took seconds to draw them."""
    from clipspace.space import untrained_space

    return untrained_space("ViT-B-32", seed=0, device="cpu")


@pytest.fixture
def coarse(monkeypatch):
    """A program that names no number of steps takes 4 instead of 50, and inversion is content with a rough code."""
    monkeypatch.setattr("clipspace.models.diffusion_decoder.DiffusionDecoder.num_inference_steps", 4)
    monkeypatch.setattr("clipspace.diffusion.inversion.FIRST_TOLERANCE", 0.1)
    monkeypatch.setattr("clipspace.diffusion.inversion.CONVERGED", 1.0)


@pytest.fixture(params=["coarse", pytest.param("as written", marks=pytest.mark.slow)])
def effort(request):
    """For programs of the documentation: they run coarsely beside the other tests, and as they stand in the slow run."""
    if request.param == "coarse":
        request.getfixturevalue("coarse")


@pytest.fixture(scope="session")
def apple():
    return render(Scene("white", (Thing("apple", "red"),)))


@pytest.fixture(scope="session")
def house():
    return render(Scene("mint", (Thing("house", "blue", x=0.4, rotation=12),)))


@pytest.fixture(scope="session")
def _cluster():
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=2)
    ray.init(address=cluster.address, log_to_driver=False)
    yield ray
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def ray(_cluster, request):
    """A Ray cluster of two nodes, of one and two cores, on this machine; it knows the classes of the test module."""
    _cluster.cloudpickle.register_pickle_by_value(request.module)
    return _cluster


@pytest.fixture(scope="session")
def cifar():
    """The first 2,000 pictures of CIFAR-10 and their labels, where CLIPSPACE_TEST_DATA names a folder that has them."""
    folder = os.environ.get("CLIPSPACE_TEST_DATA")
    path = Path(folder or ".") / "cifar10-train.parquet"
    if folder is None or not path.is_file():
        pytest.skip("CLIPSPACE_TEST_DATA names no folder with cifar10-train.parquet")
    rows = pytest.importorskip("pyarrow.parquet").ParquetFile(path).iter_batches(batch_size=2000)
    rows = next(rows).to_pylist()
    return [Image.open(BytesIO(row["image"]["bytes"])) for row in rows], np.array([row["label"] for row in rows])


@pytest.fixture(scope="session")
def photos():
    """The first 60 photographs, as paths, where CLIPSPACE_TEST_DATA names a folder that has them."""
    folder = os.environ.get("CLIPSPACE_TEST_DATA")
    found = sorted((Path(folder) / "photos").iterdir())[:60] if folder else []
    if len(found) < 60:
        pytest.skip("CLIPSPACE_TEST_DATA names no folder with photos")
    return found
