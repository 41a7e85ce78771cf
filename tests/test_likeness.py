"""Two embeddings of one set: nulls are right, what is planted is found, and a set compared with itself has not changed."""

import numpy as np
import pytest

from clipspace import Embeddings
from clipspace.errors import InputError
from clipspace.measure import similarity
from clipspace.measure.changed import changed_neighbours
from clipspace.measure.permuted import MEASURES, calibrated, p_values, permuted
from clipspace.points.sphere import unit
from clipspace.probes.likeness import compare


def _curved(rng, n, d):
    return unit(rng.normal(size=(n, d)) / np.sqrt(np.arange(1, d + 1)) + np.eye(d)[0])


def test_a_permuted_similarity_is_that_of_permuted_rows(rng):
    x, y = rng.normal(size=(40, 6)), rng.normal(size=(40, 9))
    null = permuted(x, y, k=5, permutations=3, rng=np.random.default_rng(4))
    orders = np.random.default_rng(4)
    for i in range(3):
        z = y[orders.permutation(40)]
        assert null["linear CKA"][i] == pytest.approx(similarity.linear_cka(x, z))
        assert null["unbiased linear CKA"][i] == pytest.approx(similarity.linear_cka(x, z, unbiased=True))
        assert null["RSA"][i] == pytest.approx(similarity.rsa(x, z))
        assert null["mutual neighbours"][i] == pytest.approx(similarity.mutual_neighbours(x, z, k=5))


def test_mutual_neighbours_of_unrelated_sets_are_those_of_chance(rng):
    values = [similarity.mutual_neighbours(rng.normal(size=(60, 8)), rng.normal(size=(60, 8)), k=6) for _ in range(30)]
    assert np.mean(values) == pytest.approx(6 / 59, abs=0.01)
    x = rng.normal(size=(60, 8))
    assert similarity.mutual_neighbours(x, 3 * x @ np.linalg.qr(rng.normal(size=(8, 8)))[0], k=6) == 1


def test_the_null_is_rejected_as_often_as_said_where_plain_cka_is_high():
    """Of 400 unrelated pairs, whose share is known to 1.1 %; `benchmarks/similarity_null.py` counts more of them."""
    p, cka = {name: [] for name in MEASURES}, []
    for i in range(400):
        rng = np.random.default_rng(i)
        x, y = rng.normal(size=(30, 60)), rng.normal(size=(30, 60))
        null = permuted(x, y, permutations=19, rng=rng)
        values = {
            "linear CKA": similarity.linear_cka(x, y),
            "unbiased linear CKA": similarity.linear_cka(x, y, unbiased=True),
            "RSA": similarity.rsa(x, y),
            "mutual neighbours": similarity.mutual_neighbours(x, y),
        }
        cka.append(values["linear CKA"])
        for name, value in p_values(values, null).items():
            p[name].append(value)
        assert abs(calibrated(values["linear CKA"], null["linear CKA"].mean())) < 0.2
    assert min(cka) > 0.3
    for name in MEASURES[:3]:
        assert np.mean(np.array(p[name]) <= 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(np.array(p["mutual neighbours"]) <= 0.05) <= 0.085  # its values are few, so ties make it rarer


@pytest.mark.parametrize("other", ["rotated and scaled", "half", "batch"])
def test_a_set_compared_with_itself_has_no_changed_neighbours(rng, other):
    x = _curved(rng, 300, 32)
    same = {
        "rotated and scaled": lambda: 3 * x @ np.linalg.qr(rng.normal(size=(32, 32)))[0],
        "half": lambda: x.astype(np.float16),
        "batch": lambda: x + 1e-6 * rng.normal(size=x.shape),
    }[other]()
    alike = compare(Embeddings(x), Embeddings(same), permutations=9)
    assert not alike.arrays["changed"].any()
    assert alike.arrays["kept"].all()
    assert alike["linear CKA", None].calibrated == pytest.approx(1, abs=1e-4)


def test_a_set_is_unlike_another(rng):
    other = compare(Embeddings(rng.normal(size=(300, 10))), Embeddings(rng.normal(size=(300, 5))), permutations=39)
    for row in other:
        if row.p is not None:
            assert abs(row.calibrated) < 0.05
            assert row.p > 0.02
            assert row.low < row.value < row.high
    assert not other.arrays["kept"].any()


def test_even_noise_changes_no_row_and_an_exchange_of_rows_does():
    flagged, found, wrong = 0, [], []
    for i in range(4):
        rng = np.random.default_rng(i)
        x = _curved(rng, 200, 24)
        y = x + 0.1 * rng.normal(size=x.shape) / np.sqrt(24)
        flagged += (changed_neighbours(x, y, draws=10, rng=rng).q_changed < 0.05).any()
        exchanged = rng.permutation(200)[:10]
        y[exchanged] = y[np.roll(exchanged, 1)]
        changed = changed_neighbours(x, y, draws=10, rng=rng).q_changed < 0.05
        found.append(changed[exchanged].mean())
        wrong.append(changed.sum() - changed[exchanged].sum())
    assert flagged <= 1
    assert np.mean(found) > 0.9
    assert np.mean(wrong) < 3  # rows with several of the exchanged among their neighbours


def test_the_factor_that_is_planted_out_comes_first():
    """In 19 of 20 seeds or more; here in both of 2."""
    for seed in range(2):
        rng = np.random.default_rng(seed)
        factors = {name: rng.integers(3, size=200) for name in "abc"} | {"size": rng.normal(size=200)}
        codes = {name: (np.eye(3)[v] if v.dtype.kind == "i" else v[:, None]) for name, v in factors.items()}
        x = np.hstack([*codes.values(), 0.2 * rng.normal(size=(200, 6))])
        lost = "abc"[seed % 3]
        y = np.hstack([code for name, code in codes.items() if name != lost] + [0.2 * rng.normal(size=(200, 8))])
        alike = compare(Embeddings(x), Embeddings(y), columns=factors, permutations=1)
        gained = [row for row in alike if row.score == "skill gained"]
        assert gained[0].variant == lost
        assert gained[0].high < -0.5
        assert all(row.high > -0.2 for row in gained[1:])


def test_wrong_sets_are_refused(rng):
    points = Embeddings(rng.normal(size=(30, 4)))
    with pytest.raises(InputError, match="same rows"):
        compare(points, points[:10])
    with pytest.raises(InputError, match="20 rows"):
        compare(points[:10], points[:10])
    with pytest.raises(InputError, match="30 values of 'color'"):
        compare(points, points, columns={"color": ["red"]})
    with pytest.raises(InputError, match="one permutation"):
        compare(points, points, permutations=0)
