"""Numbers of `clipspace report --store S --source IMAGES` on real images, each again by a line of NumPy.

What is drawn is taken from the page's own images; vectors are the store's, and cosines and eigenvalues are NumPy's. The
numbers follow from the images whatever drew them, so a decoder of cheap steps draws. It takes a minute, so it is run with
``-m slow``.
"""

import numpy as np
import pytest
import recomputed
from PIL import Image

from clipspace.analyses.given import evenly
from clipspace.measure.cone import centred
from clipspace.points.store import open_store
from clipspace.report import write_report
from clipspace.results.loading import load_result
from clipspace.sources.images import read_image, square
from clipspace.space.encoding import encode

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
SECTIONS = (
    "variations",
    "interpolation",
    "text_diff",
    "pca_reconstruction",
    "prior_ablation",
    "guidance",
    "spectrum",
    "modality_gap",
    "neighbours",
    "map",
    "blind_pairs",
    "inversion",
)
_SLOWEST = {"interpolation", "prior_ablation", "guidance", "blind_pairs", "inversion"}
"""Of these the report on photographs has none."""
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@pytest.fixture(scope="module")
def space(quick):
    return quick


@pytest.fixture(scope="module", params=["cifar", "photos"])
def seen(request, space, quick_decoder, tmp_path_factory):
    """The results of a report by name, the store's unit vectors, its captions, and the six images that are shown."""
    folder = tmp_path_factory.mktemp(request.param)
    given = request.getfixturevalue(request.param)
    if request.param == "cifar":
        images, texts = given[0][:150], [f"a photo of a {CLASSES[label]}" for label in given[1][:150]]
    else:
        images = [read_image(path) for path in given]
        texts = [path.stem.split("_", 1)[1].replace("_", " ") for path in given]
    for i, (image, text) in enumerate(zip(images, texts, strict=True)):
        below = folder / "images" / ("even" if i % 2 == 0 else "odd")
        below.mkdir(parents=True, exist_ok=True)
        image.save(below / f"{i:03}.png")
        (below / f"{i:03}.txt").write_text(text)
    encode(space, folder / "images", folder / "mine")
    out = folder / "seen"
    given = {"store": folder / "mine", "source": folder / "images"}
    only = [name for name in SECTIONS if request.param == "cifar" or name not in _SLOWEST]
    write_report(out, only=only, explore=False, device="cpu", decoder=quick_decoder, num_inference_steps=8, **given)
    store = open_store(folder / "mine")
    x = np.concatenate(list(store.blocks())).astype(float)
    shown = [read_image(folder / "images" / store.names[i]) for i in evenly(len(x), 6)]
    shown = [square(image, space.decoder.resolution) for image in shown]
    return {
        "results": {name: load_result(out / f"{name}.json") for name in only},
        "x": x / np.linalg.norm(x, axis=1, keepdims=True),
        "captions": store.metadata()["caption"].to_pylist(),
        "names": store.names,
        "shown": shown,
        "page": (out / "index.html").read_text(),
    }


def read(space, arrays):
    """Unit vectors of images (…, h, w, 3)."""
    flat = arrays.reshape(-1, *arrays.shape[-3:])
    return space.encode_images([Image.fromarray(one) for one in flat]).unit.reshape(*arrays.shape[:-3], -1)


def psnr(a, b):
    error = ((np.asarray(a, float) - np.asarray(b, float)) ** 2).mean()
    return min(10 * np.log10(255**2 / error), 99) if error else 99


def near(found, expected, tol=2e-4):
    np.testing.assert_allclose(np.array(found, float), np.array(expected, float), atol=tol, rtol=1e-3)


def test_every_section_says_that_it_was_computed_on_the_store(seen):
    for result in seen["results"].values():
        assert "of store mine (mini)" in result.provenance.data
        assert result.provenance.data in seen["page"]


def test_spectrum(seen):
    scores = {(row.score, row.variant): row.value for row in seen["results"]["spectrum"].table}
    assert scores == pytest.approx(recomputed.spectrum(seen["x"]), rel=1e-4, abs=1e-6)


def test_modality_gap(space, seen):
    scores = {
        (row.score, row.variant, row.direction, row.k): row.value for row in seen["results"]["modality_gap"].table
    }
    numbers = recomputed.gap(seen["x"], space.encode_texts(seen["captions"]).unit, seen["captions"])
    assert {name: scores[name] for name in numbers} == pytest.approx(numbers, rel=1e-4, abs=1e-6)


def test_map(seen):
    result = seen["results"]["map"]
    rows = {row["column"]: row for row in result.table}
    inside = np.argsort(-(seen["x"] @ seen["x"].T) + 9 * np.eye(len(seen["x"])), axis=1, kind="stable")[:, :10]
    place = result.arrays["coordinates"].astype(float)
    apart = ((place[:, None] - place[None]) ** 2).sum(axis=2) + 1e9 * np.eye(len(place))
    outside = np.argsort(apart, axis=1, kind="stable")[:, :10]
    both = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(inside, outside, strict=True)])
    near(rows["neighbours"]["shared on the map"], both, tol=2e-3)
    near(rows["neighbours"]["chance"], 10 / (len(place) - 1))


def test_variations(space, seen):
    result = seen["results"]["variations"]
    z, images = read(space, np.stack([np.asarray(one) for one in seen["shown"]])), result.arrays["images"]
    np.testing.assert_array_equal(images[:, 0], np.stack([np.asarray(one) for one in seen["shown"]]))
    cosines = np.einsum("ikd,id->ik", read(space, images[:, 2:]), z)
    near(result.column("cosine to z"), cosines.mean(axis=1))
    near(result.column("lowest"), cosines.min(axis=1))
    near(result.column("pixel spread"), images[:, 2:].astype(float).std(axis=1).mean(axis=(1, 2, 3)))


@pytest.mark.parametrize("seen", ["cifar"], indirect=True)
def test_interpolation(space, seen):
    result = seen["results"]["interpolation"]
    z, images = read(space, np.stack([np.asarray(one) for one in seen["shown"]])), result.arrays["images"]
    per = (images.shape[1] - 1) // (len(z) - 1)
    path = []
    for j in range(images.shape[1]):
        leg, t = min(j // per, len(z) - 2), (j - min(j // per, len(z) - 2) * per) / per
        angle = np.arccos(z[leg] @ z[leg + 1])
        path.append((np.sin((1 - t) * angle) * z[leg] + np.sin(t * angle) * z[leg + 1]) / np.sin(angle))
    near(result.column("cosine to z"), np.einsum("rjd,jd->rj", read(space, images), np.stack(path)).ravel())
    decibels = [psnr(row[j], seen["shown"][j // per]) for row in images for j in range(0, len(row), per)]
    near([value for value in result.column("PSNR to keyframe, dB") if value is not None], decibels)


def test_text_diff(space, seen):
    result = seen["results"]["text_diff"]
    texts = space.encode_texts(result.column("after")).unit
    images = read(space, result.arrays["images"])
    for end, column in ((0, "first"), (-1, "last")):
        near(result.column(f"cosine to after, {column}"), np.einsum("id,id->i", images[:, end], texts))


def test_pca_reconstruction(space, seen):
    result = seen["results"]["pca_reconstruction"]
    rest = np.delete(seen["x"], evenly(len(seen["x"]), 6), axis=0)
    mean = rest.mean(axis=0)
    _, values, axes = np.linalg.svd(rest - mean, full_matrices=False)
    z = read(space, np.stack([np.asarray(one) for one in seen["shown"]]))
    again = read(space, result.arrays["images"][:, :-1])
    for j, row in enumerate(result.table):
        k = row["components"]
        near(row["variance explained"], (values[:k] ** 2).sum() / (values**2).sum())
        kept = mean + (z - mean) @ axes[:k].T @ axes[:k]
        near(row["cosine to z"], ((kept * z).sum(axis=1) / np.linalg.norm(kept, axis=1)).mean(), tol=1e-3)
        near(row["cosine of E(decode) to z"], (again[:, j] * z).sum(axis=1).mean())


@pytest.mark.parametrize("seen", ["cifar"], indirect=True)
def test_prior_ablation(space, seen):
    result = seen["results"]["prior_ablation"]
    texts = list(dict.fromkeys(seen["captions"]))
    texts = [texts[i] for i in evenly(len(texts), 12)]
    t = space.encode_texts(texts).unit
    for row, images in zip(result.table, result.arrays["images"], strict=True):
        cosines = read(space, images) @ t.T
        near(row["cosine to its text"], np.diag(cosines).mean())
        near(row["cosine to other texts"], cosines[~np.eye(len(t), dtype=bool)].mean())


@pytest.mark.parametrize("seen", ["cifar"], indirect=True)
def test_guidance(space, seen):
    result = seen["results"]["guidance"]
    z = read(space, np.stack([np.asarray(one) for one in seen["shown"]]))
    for row, images in zip(result.table, result.arrays["images"], strict=True):
        again = read(space, images).reshape(len(z), -1, z.shape[1])
        near(row["cycle cosine"], np.einsum("ikd,id->ik", again, z).mean())
        alike = np.einsum("ikd,ild->ikl", again, again)[:, ~np.eye(again.shape[1], dtype=bool)]
        near(row["diversity"], 1 - alike.mean())


def test_neighbours(space, seen):
    result = seen["results"]["neighbours"]
    decodes = read(space, result.arrays["decodes"][:, 0])
    z = read(space, np.stack([np.asarray(one) for one in seen["shown"]]))
    for i, own in enumerate(evenly(len(seen["x"]), 6)):
        rows = [row for row in result.table if row["image"] == seen["names"][own] and row["of"] == "z"]
        near(rows[0]["cosine"], decodes[i] @ z[i])
        others = seen["x"] @ z[i]
        others[own] = -1
        near([row["cosine"] for row in rows[1:]], np.sort(others)[::-1][: len(rows) - 1], tol=1e-3)


@pytest.mark.parametrize("seen", ["cifar"], indirect=True)
def test_blind_pairs(seen):
    result = seen["results"]["blind_pairs"]
    x, place = centred(seen["x"]), {name: i for i, name in enumerate(seen["names"])}
    for row in result.table:
        cosine = x[place[row["first"]]] @ x[place[row["second"]]]
        near(row["cosine" if row["same to"] == "z" else "other cosine"], cosine)


@pytest.mark.parametrize("seen", ["cifar"], indirect=True)
def test_inversion(seen):
    result = seen["results"]["inversion"]
    images = result.arrays["images"][::2]
    for j, row in enumerate(result.table, start=1):
        decibels = [psnr(source, back) for source, back in zip(images[:, 0], images[:, j], strict=True)]
        near(row["PSNR"], np.mean(decibels))
        near([row["worst"], row["best"]], [min(decibels), max(decibels)])
