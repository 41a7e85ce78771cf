"""Concepts planted in a set are found, removed and described."""

from dataclasses import replace

import numpy as np
import pytest

from clipspace import Embeddings
from clipspace.errors import InputError, SampleWarning, SpaceMismatchError
from clipspace.points.embeddings import Stamp
from clipspace.points.sphere import unit
from clipspace.points.store import write_store
from clipspace.probes.concepts import Vocabulary, decompose, describe
from clipspace.sources.images import psnr

WORDS = [f"word {i}" for i in range(60)]


@pytest.fixture
def planted(rng):
    """Images that are sums of three words each about a mean of their own, texts about another, norms of about 9."""
    directions = unit(rng.normal(size=(60, 48)))
    directions = unit(directions - directions.mean(axis=0))
    used = np.array([rng.choice(60, 3, replace=False) for _ in range(200)])
    images = unit(3 * np.eye(48)[0] + directions[used].sum(axis=1)) * rng.uniform(8, 10, size=(200, 1))
    texts = Embeddings(unit(5 * np.eye(48)[1] + directions), modality="text", names=WORDS)
    return Embeddings(images), texts, used


def test_planted_words_are_found(planted):
    images, texts, used = planted
    found = decompose(images, Vocabulary.of(texts, images), strength=0.2)
    hits = [
        len({WORDS[j] for j in row} & {word for word, _ in top}) for row, top in zip(used, found.top(4), strict=True)
    ]
    assert np.mean(hits) > 2.7
    assert found.scores["cosine"].value > 0.85 > found.scores["cosine"].chance + 0.5
    assert found.excess.max() < 1e-5
    assert (found.weights.data > 0).all()


def test_means_are_those_of_the_sets(planted):
    images, texts, _ = planted
    vocabulary = Vocabulary.of(texts, images)
    assert np.allclose(vocabulary.image_mean, images.unit.mean(axis=0))
    assert np.allclose(vocabulary.text_mean, texts.unit.mean(axis=0))
    assert np.allclose(vocabulary.directions, unit(texts.unit - texts.unit.mean(axis=0)), atol=1e-6)


def test_more_strength_means_fewer_words_and_a_worse_cosine(planted):
    images, texts, _ = planted
    vocabulary = Vocabulary.of(texts, images)
    some, few = (decompose(images, vocabulary, strength=s).scores for s in (0.05, 0.6))
    assert some["words per image"].value > few["words per image"].value
    assert some["cosine"].value > few["cosine"].value


def test_the_rebuilt_are_near_the_images_at_their_norms(planted):
    images, texts, _ = planted
    rebuilt = decompose(images, Vocabulary.of(texts, images), strength=0.05).rebuilt()
    assert np.allclose(rebuilt.norm, images.norm, rtol=1e-5)
    assert np.einsum("nd,nd->n", rebuilt.unit, images.unit).min() > 0.85
    nothing = decompose(images, Vocabulary.of(texts, images), strength=2.5).rebuilt()
    assert np.allclose(nothing.unit, unit(images.unit.mean(axis=0)), atol=1e-5)


def test_a_removed_word_is_gone_and_the_others_stay(planted):
    images, texts, used = planted
    vocabulary = Vocabulary.of(texts, images)
    before = decompose(images, vocabulary, strength=0.2)
    left = before.without([WORDS[5]])
    np.testing.assert_array_equal(before.without([WORDS[5]] * 2).vectors, left.vectors)
    after = decompose(left, vocabulary, strength=0.2)
    had = (used == 5).any(axis=1)
    column = before.weights[:, [5]].toarray()[:, 0]
    assert column[had].min() > 0.2
    assert after.weights[:, [5]].toarray().max() < 0.1
    assert np.allclose(left.norm, images.norm, rtol=1e-5)
    assert np.allclose(left.vectors[column == 0], images.vectors[column == 0], atol=1e-5)
    others = [j for j in used[had][0] if j != 5]
    assert after.weights[np.flatnonzero(had)[0], others[0]] > 0.2


def test_descriptions_are_the_nearest_texts(planted):
    images, texts, used = planted
    described = describe(images, texts, 3)
    hits = [
        len({WORDS[j] for j in row} & {text for text, _ in found}) for row, found in zip(used, described, strict=True)
    ]
    assert np.mean(hits) > 2.7
    plain = describe(images[:1], texts, 1, centre=False)
    cosines = images.unit[0] @ texts.unit.T
    assert plain[0] == [(WORDS[cosines.argmax()], pytest.approx(cosines.max()))]


@pytest.mark.parametrize("centre", [True, False])
def test_a_store_is_described_in_blocks_as_it_would_be_whole(planted, tmp_path, monkeypatch, centre):
    images, texts, _ = planted
    store = write_store(tmp_path / "images", [images[:70], images[70:71], images[71:]])
    words = write_store(tmp_path / "texts", replace(texts, modality="text"))
    expected = describe(store[:], texts, 5, centre=centre)
    monkeypatch.setattr("clipspace.probes.concepts._COSINES", 7 * 60)
    sizes, argsort = [], np.argsort
    monkeypatch.setattr(np, "argsort", lambda a, **how: sizes.append(a.shape) or argsort(a, **how))
    found = describe(store, words, 5, centre=centre)
    assert max(sizes) == (7, 60)
    assert [[text for text, _ in row] for row in found] == [[text for text, _ in row] for row in expected]
    assert np.allclose([[c for _, c in row] for row in found], [[c for _, c in row] for row in expected], atol=1e-12)
    if not centre:
        rows = [describe(store[i], texts, 5, centre=False)[0] for i in (0, 70, 199)]
        assert [found[i] for i in (0, 70, 199)] == [[(t, pytest.approx(c)) for t, c in row] for row in rows]


def test_the_vocabulary_of_a_store_is_centred_by_its_rows(planted, tmp_path):
    images, texts, _ = planted
    store = write_store(tmp_path / "store", [images[:70], images[70:]])
    assert np.allclose(Vocabulary.of(texts, store).image_mean, Vocabulary.of(texts, store[:]).image_mean, atol=1e-12)
    assert np.allclose(Vocabulary.of(texts, store).image_mean, store[:].unit.mean(axis=0), atol=1e-12)


def test_a_bad_row_of_a_later_block_is_named(planted, monkeypatch):
    images, texts, _ = planted
    vectors = images.vectors.copy()
    vectors[150] = 0
    monkeypatch.setattr("clipspace.probes.concepts._COSINES", 7 * 60)
    with pytest.raises(InputError, match="at row 150"):
        describe(Embeddings(vectors), texts, centre=False)


def test_mini_images_are_described_by_what_is_on_them(space):
    from clipspace.scenes import COLORS, Scene, Thing, render

    words = space.encode_texts([f"a {color} {kind}" for color in COLORS for kind in ("apple", "house", "star", "boat")])
    scenes = [Scene("white", (Thing(kind, color),)) for color in COLORS for kind in ("apple", "house", "star", "boat")]
    images = space.encode_images([render(s) for s in scenes])
    found = decompose(images, Vocabulary.of(words, images), strength=0.25)
    right = [name in [word for word, _ in top] for name, top in zip(words.names, found.top(3), strict=True)]
    assert np.mean(right) > 0.6
    assert found.scores["cosine"].value > found.scores["cosine"].chance + 0.3
    left = found.without([words.names[0]])[:1]
    (picture,) = space.decode(left, seed=0, num_inference_steps=3)
    (whole,) = space.decode(images[:1], seed=0, num_inference_steps=3)
    assert psnr(picture, whole) < 40


def test_bad_vocabularies_are_refused(planted, rng):
    images, texts, _ = planted
    with pytest.raises(InputError, match=r"1 empty ones \(first: row 2\)"):
        Vocabulary.of(Embeddings(texts.vectors[:4], names=["a", "b", " ", "c"]), images)
    with pytest.warns(SampleWarning, match="1 of 4 words repeat"):
        made = Vocabulary.of(Embeddings(texts.vectors[:4], names=["a", "b", "a", "c"]), images)
    assert made.words == ("a", "b", "c")
    with pytest.warns(SampleWarning, match="1 of 2"), pytest.raises(InputError, match="two distinct words"):
        Vocabulary.of(texts[[0, 0]], images)
    with pytest.raises(SpaceMismatchError):
        Vocabulary.of(Embeddings(texts.vectors, Stamp("m", "w", "p", 48)), images)
    bad = images.vectors.copy()
    bad[0, 0] = np.nan
    with pytest.raises(InputError, match="NaN"):
        Vocabulary.of(texts, Embeddings(bad))


def test_bad_requests_are_refused(planted):
    images, texts, _ = planted
    found = decompose(images, Vocabulary.of(texts, images))
    with pytest.raises(InputError, match="'unicorn'"):
        found.without(["unicorn"])
    with pytest.raises(InputError, match="got none"):
        found.without([])
    with pytest.raises(InputError, match="from 1 to 60"):
        describe(images, texts, 61)
    with pytest.raises(InputError, match="centre=False"):
        describe(images[:1], texts, 2)
    with pytest.raises(SpaceMismatchError):
        decompose(Embeddings(images.vectors, Stamp("m", "w", "p", 48)), found.vocabulary)
