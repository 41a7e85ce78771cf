"""The map as an analysis: what neighbours share is measured against chance."""

from dataclasses import replace

import numpy as np
import pytest

from clipspace.analyses import caption, draw
from clipspace.analyses.map import _shared, run
from clipspace.errors import InputError
from clipspace.scenes import Scene, Thing, render
from clipspace.search.exact import neighbours


def test_planted_groups_are_shared_and_shuffled_ones_are_at_chance(rng):
    groups = np.repeat([0, 1], 100)
    x = np.stack([np.cos(groups), np.sin(groups)], axis=1) + 0.01 * rng.normal(size=(200, 2))
    near = neighbours(x, 10)[1]
    rows = _shared(
        near, rng.normal(size=(200, 2)), {"group": groups.tolist(), "noise": rng.permutation(groups).tolist()}
    )
    itself, group, noise = rows
    assert itself["shared in the space"] == 1
    assert itself["shared on the map"] == pytest.approx(itself["chance"], abs=0.05)
    assert group["shared in the space"] == 1
    assert group["chance"] == pytest.approx(99 / 199)
    for value in (group["shared on the map"], noise["shared in the space"], noise["shared on the map"]):
        assert value == pytest.approx(0.5, abs=0.06)


def test_folders_of_a_user_colour_the_map(space, tmp_path):
    for kind, color in (("apple", "red"), ("house", "blue")):
        (tmp_path / kind).mkdir()
        for i in range(12):
            scene = Scene("white", (Thing(kind, color, x=0.3 + 0.03 * i, rotation=3 * i),))
            render(scene).save(tmp_path / kind / f"{i}.png")
    files = sorted(tmp_path.rglob("*.png"))
    found = run(space, files, method="pca")
    assert found.labels["colored by"] == ["folder"]
    assert found.labels["values"] == [file.parent.name for file in files]
    assert found.table.rows[1]["shared in the space"] > 0.95 > found.table.rows[1]["chance"]
    assert "have the same folder" in found.findings[1]
    shown = found.arrays["thumbnails"][list(found.arrays["rows"]).index(0)]
    assert shown.shape == (48, 48, 3)
    alone = run(space, [file for file in files if file.parent.name == "apple"], method="pca")
    assert [row["column"] for row in alone.table] == ["neighbours"]
    assert len(draw(alone).axes) == 1
    assert "Right, the same points" in caption(found)
    assert "Right" not in caption(alone)
    assert "images laid" in caption(alone)
    unseen = replace(alone, arrays={**alone.arrays, "rows": np.zeros(0, int)})
    assert "images laid" not in caption(unseen)


def test_what_cannot_be_mapped_is_refused(space, apple):
    with pytest.raises(InputError, match="'umap' or 'pca'"):
        run(space, method="tsne")
    with pytest.raises(InputError, match="12 images"):
        run(space, [apple] * 11)
