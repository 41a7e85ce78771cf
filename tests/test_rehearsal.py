"""Every row of the catalogue from a cache of the hub as its repositories are published, at tiny width, offline."""

from dataclasses import replace

import hub
import pytest
import tiny
import torch

from clipspace import load_space
from clipspace.models.catalogue import CATALOGUE
from clipspace.models.decoders import stable_unclip

ROWS = sorted(CATALOGUE.keys() - {"mini"})


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("published")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    return hub.use(tmp_path / "hub", monkeypatch)


def _repositories(row):
    places = {place.partition(":")[0] for place in (CATALOGUE[row].decoder, CATALOGUE[row].prior) if place}
    return places | ({"/".join(CATALOGUE[row].adapter.split("/")[:2])} if CATALOGUE[row].adapter else set())


@pytest.mark.parametrize("name", ROWS)
def test_a_row_loads_by_its_name_from_the_cache(cache, scratch, tmp_path, monkeypatch, name):
    hub.put_clips(cache, tmp_path / "clips", monkeypatch)
    hub.put_all(cache, scratch, _repositories(name))
    if name == "stable-unclip-l":  # which the dimension tells from the other
        monkeypatch.setattr(stable_unclip, "LARGE", replace(stable_unclip.LARGE, dim=tiny.DIM))
    space = load_space(name, device="cpu")
    assert space.decoder.facts.name == name
    assert space.stamp.dim == tiny.DIM
    points = space.encode_texts(["a cat"])
    if CATALOGUE[name].prior:
        points = space.prior(["a cat"], seed=0, num_inference_steps=2)
        assert points.modality == "prior"
        assert len(space.decode(points, seed=0, num_inference_steps=2)) == 1
    else:
        assert space.prior_model is None
    x = torch.randn(1, *space.decoder.latent_shape)
    assert space.decoder.draw(torch.tensor(points.vectors), x, num_inference_steps=2).isfinite().all()
