import numpy as np
import pytest

from clipspace import build_index, retrieve, slerp
from clipspace.errors import SpaceMismatchError
from clipspace.points.embeddings import Embeddings
from clipspace.results.pictures import Pictures
from clipspace.results.provenance import Provenance
from clipspace.scenes import Scene, Thing, render

THINGS = ["apple", "house", "fish", "pizza"]


@pytest.fixture(scope="module")
def pictures():
    return [render(Scene("white", (Thing(thing, "red"),))) for thing in THINGS]


@pytest.fixture(scope="module")
def index(space, pictures):
    points = space.encode_images(pictures)
    return build_index(points, names=THINGS)


def test_images_texts_and_embeddings_are_queries(space, index, pictures, tmp_path):
    assert [hits.names[0] for hits in retrieve(space, index, pictures, k=1)] == THINGS
    pictures[1].save(tmp_path / "picture.png")
    assert retrieve(space, index, str(tmp_path / "picture.png"), k=2)[0].names[0] == "house"
    assert retrieve(space, index, space.encode_images(pictures[2]), k=1)[0].names == ["fish"]
    texts = [f"a red {thing}" for thing in THINGS]
    expected = space.encode_texts(texts).unit @ space.encode_images(pictures).unit.T
    found = retrieve(space, index, texts, k=4)
    assert np.array_equal(found.rows, np.argsort(-expected, axis=1))


def test_the_result_of_a_manipulation_is_a_query(space, index, pictures):
    ends = space.encode_images(pictures[:2])
    path = slerp(*ends.vectors, np.array([0.1, 0.9])).astype(np.float32)
    edited = Pictures.of([pictures[:2]], Embeddings(path, space.stamp), Provenance("interpolate"))
    assert [hits.names[0] for hits in retrieve(space, index, edited, k=1)] == THINGS[:2]


def test_an_index_of_another_space_is_refused(space, pictures):
    foreign = build_index(np.eye(4, 128))
    with pytest.raises(SpaceMismatchError, match="make it from Embeddings"):
        retrieve(space, foreign, pictures, k=1)
    index = build_index(space.encode_images(pictures))
    with pytest.raises(SpaceMismatchError, match="no stamp"):
        index.search(Embeddings(np.eye(4, 128)))
