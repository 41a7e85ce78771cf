"""Duplicates: planted copies are found, unrelated rows are not beyond the rate asked, at any density, amid many copies."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from command_line import run
from PIL import Image, ImageOps

from clipspace import Embeddings, build_index
from clipspace.errors import InputError, SpaceMismatchError
from clipspace.points.embeddings import Stamp
from clipspace.probes import duplicates

DATA = os.environ.get("CLIPSPACE_TEST_DATA", "")
N = 1500


def gaussian(rng, n=N, d=8):
    return np.concatenate([np.full((n, 1), 3.0), rng.normal(size=(n, d))], axis=1)


def unequal(rng):
    """Half of the points twenty times as dense as the others."""
    return np.concatenate([gaussian(rng, N // 2), [3, *[0.7] * 8] + 0.05 * (gaussian(rng, N // 2) - 3 * np.eye(1, 9))])


def clustered(rng):
    spread = np.exp(rng.uniform(np.log(0.05), 0, size=12))
    chosen = rng.integers(12, size=N)
    noise = spread[chosen, None] * rng.normal(size=(N, 8))
    return np.concatenate([np.full((N, 1), 3.0), rng.normal(size=(12, 8))[chosen] + noise], axis=1)


def pairs_of(result):
    return {(row.row, row.other) for row in result}


@pytest.mark.parametrize("make", [gaussian, unequal, clustered])
def test_false_pairs_are_as_many_as_asked_at_any_density(make):
    false = [len(duplicates(make(np.random.default_rng(seed)), false_rate=0.02).table) for seed in range(4)]
    assert 0.3 <= np.mean(false) / (0.02 * N) <= 2


@pytest.mark.parametrize("make", [gaussian, unequal])
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_planted_copies_are_found_however_many_there_are(rng, make, share):
    x = make(rng)
    copied = rng.choice(N, int(share * N), replace=False)
    nearest = np.array([np.partition(np.linalg.norm(x - row, axis=1), 1)[1] for row in x[copied]])
    noise = rng.normal(size=(len(copied), 9))
    copies = x[copied] + 0.1 * nearest[:, None] * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    found = pairs_of(duplicates(np.concatenate([x, copies]), false_rate=0.01))
    planted = {(row, N + i) for i, row in enumerate(copied.tolist())}
    assert len(planted & found) >= 0.97 * len(planted)
    source = np.concatenate([np.arange(N), copied])
    false = {tuple(sorted((source[i], source[j]))) for i, j in found if source[i] != source[j]}
    assert len(false) <= 2 * 0.01 * N + 4


def test_groups_of_equal_and_of_near_rows_are_found_whole(rng):
    x = gaussian(rng)
    near = np.repeat(x[:30], 6, axis=0) + 1e-3 * rng.normal(size=(180, 9))
    equal = np.repeat(x[30:32], 60, axis=0)
    result = duplicates(np.concatenate([x, near, equal]), false_rate=1e-3)
    groups = result.arrays["groups"]
    assert np.array_equal(groups[N : N + 180], np.repeat(np.arange(30), 6))
    assert set(groups[N + 180 :]) == {30, 31}


def test_a_set_of_equal_copies_is_judged_by_the_others(rng):
    x = gaussian(rng)
    result = duplicates(np.repeat(x, 4, axis=0), x[:400] + 1e-9, false_rate=0.01)
    assert {row.other for row in result} >= set(range(400))
    assert (
        len({tuple(sorted((row.row // 4, row.other))) for row in result if row.row // 4 != row.other})
        <= 2 * 0.01 * 400 + 4
    )


def test_leaks_between_two_sets_are_found(rng):
    train, unrelated = gaussian(rng), gaussian(rng, 300)
    leaked = train[:40] + 1e-3 * rng.normal(size=(40, 9))
    result = duplicates(train, np.concatenate([unrelated, leaked]), false_rate=0.01)
    planted = {(i, 300 + i) for i in range(40)}
    assert planted <= pairs_of(result)
    assert len(pairs_of(result) - planted) <= 2 * 0.01 * 340 + 4
    assert "of 340 rows of the other set" in result.findings[0]


def test_a_row_says_how_near_and_how_near_would_do(rng):
    x = gaussian(rng)
    points = Embeddings(np.concatenate([x, x[:3] + 1e-3]), names=[f"{i}.jpg" for i in range(N + 3)])
    rows = [*duplicates(points, false_rate=0.01)]
    assert {(row.name, row["other name"]) for row in rows} >= {("0.jpg", f"{N}.jpg"), ("2.jpg", f"{N + 2}.jpg")}
    for row in rows:
        assert row.cosine >= row.threshold - 1e-9
        assert row["false pairs"] <= 0.01
        assert row.cosine == pytest.approx(float(points.unit[row.row] @ points.unit[row.other]), abs=1e-5)
    assert [row["false pairs"] for row in rows] == sorted(row["false pairs"] for row in rows)


def test_more_is_found_at_a_higher_rate_and_the_same_with_an_index_of_ones_own(rng):
    x = gaussian(rng)
    few, many = (pairs_of(duplicates(x, false_rate=rate)) for rate in (0.01, 0.2))
    assert few < many
    assert pairs_of(duplicates(x, false_rate=0.01, index=build_index(x))) == few


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"false_rate": 0}, "above 0"),
        ({"false_rate": 0.9}, "at most 0.3"),
        ({"points": np.eye(40)}, "more than 50 rows"),
        ({"points": np.ones((90, 4))}, "at least 50 rows that are no copies"),
        ({"points": np.zeros((90, 4))}, "zero"),
        ({"other": np.ones((90, 5))}, "9 dimensions, got 5"),
    ],
)
def test_what_cannot_be_judged_is_refused(rng, change, message):
    with pytest.raises(InputError, match=message):
        duplicates(**{"points": gaussian(rng), **change})


def test_two_spaces_are_never_compared(rng):
    x = gaussian(rng, 100)
    one, two = (Embeddings(x, Stamp("toy", digit * 16, "0" * 16, 9)) for digit in "01")
    with pytest.raises(SpaceMismatchError):
        duplicates(one, two)


def test_the_command_finds_duplicates_and_leaks(rng, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    x = gaussian(rng)
    np.save("train.npy", x)
    np.save("test.npy", np.concatenate([gaussian(rng, 100), x[:5]]))
    Path("names.txt").write_text("\n".join(f"{i}.jpg" for i in range(N)))
    assert run("duplicates", "train.npy", "test.npy", "--names", "names.txt", "--false-rate", "0.001", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["table"]
    assert {(f"{i}.jpg", 100 + i) for i in range(5)} <= {(row["name"], row["other"]) for row in rows}
    assert run("duplicates", "train.npy") == 0
    assert f"of {N:,} rows are near another" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(not DATA, reason="CLIPSPACE_TEST_DATA names no folder of photographs")
def test_copies_of_photographs_are_found(space):
    photos = [Image.open(path).convert("RGB") for path in sorted(Path(DATA, "photos").iterdir())]
    file = io.BytesIO()
    jpeg = []
    for photo in photos[:50]:
        file = io.BytesIO()
        photo.save(file, "JPEG", quality=50)
        jpeg.append(Image.open(io.BytesIO(file.getvalue())))
    small = [photo.resize((photo.width // 2, photo.height // 2)) for photo in photos[50:100]]
    flipped = [ImageOps.mirror(photo) for photo in photos[100:150]]
    n = len(photos)
    found = pairs_of(duplicates(space.encode_images([*photos, *jpeg, *small, *flipped]), false_rate=0.02))
    recall = [np.mean([(i, n + i) in found for i in range(start, start + 50)]) for start in (0, 50, 100)]
    assert min(recall[:2]) >= 0.9
    source = [*range(n), *range(150)]
    false = {tuple(sorted((source[i], source[j]))) for i, j in found if source[i] != source[j]}
    assert len(false) <= 2 * 0.02 * n
