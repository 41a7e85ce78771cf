"""From pictures to a store, and from a store to what a text finds in it."""

import numpy as np
from pyarrow.compute import field

from clipspace import scenes
from clipspace.points.store import export, open_store, select
from clipspace.sources.images import read_image
from clipspace.space.encoding import encode


def test_scenes_are_found_again_by_text(space, tmp_path):
    for thing in ("apple", "house"):
        scenes.render(scenes.Scene("white", (scenes.Thing(thing, "red"),))).save(tmp_path / f"{thing}.png")
    encode(space, tmp_path, tmp_path / "out")
    text = space.encode_texts("a red apple on a white background")
    found = select(open_store(tmp_path / "out"), near=text, k=1)
    assert found.embeddings.names == ("apple.png",)
    assert read_image(tmp_path / "apple.png").mode == "RGB"


def test_a_text_cuts_a_store_out_of_a_store(space, tmp_path):
    """Pictures to a store, a text to a condition on its score, what meets it to a store of its own, opened again."""
    (tmp_path / "in").mkdir()
    things = [(color, kind) for color in ("red", "blue") for kind in ("apple", "house", "fish")]
    for color, kind in things:
        scenes.render(scenes.Scene("white", (scenes.Thing(kind, color),))).save(tmp_path / f"in/{color}-{kind}.png")
    encode(space, tmp_path / "in", tmp_path / "all", rows_per_shard=4)
    whole, text = open_store(tmp_path / "all"), space.encode_texts("a red apple on a white background")
    cosines = whole[:].unit @ text.unit[0]
    threshold = np.sort(cosines)[-3:-1].mean()
    export(select(whole, near=text, where=field("score") > threshold), tmp_path / "some")
    again = open_store(tmp_path / "some")
    kept = np.flatnonzero(cosines > threshold)
    assert len(kept) == 2
    assert "red-apple.png" in again.names
    assert again.names == [whole.names[i] for i in kept]
    assert again.stamp == space.stamp
    assert np.array_equal(again[:].vectors, whole[kept].vectors)
    assert np.allclose(again.metadata(["score"])["score"].to_numpy(), cosines[kept], atol=1e-5)
    moved = again[0].with_vectors(again[0].vectors - again[1].vectors + text.vectors)
    assert len(select(whole, near=moved, k=1)) == 1
