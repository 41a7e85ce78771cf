"""Every measure against a closed form or an independent implementation, on sets whose answer is known."""

import sys

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import skew, spearmanr
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import KernelCenterer

from clipspace.errors import CapabilityError, InputError
from clipspace.measure import cone, contrast, dimension, gap, hubness, retrieval, similarity, spectrum
from clipspace.points.sphere import unit
from clipspace.search import exact


def cloud(rng, n, d, offset=0.0):
    """Unit vectors: a Gaussian around a mean that is ``offset`` of its spread away."""
    return unit(rng.normal(size=(n, d)) + offset * np.sqrt(d) * np.eye(d)[0])


@pytest.mark.parametrize(("n", "d"), [(40, 3), (200, 20), (60, 100), (1000, 8), (400, 512)])
class TestAgainstAllPairs:
    """Formulas that avoid the n x n matrix, against that matrix."""

    def test_cone(self, rng, n, d):
        x = cloud(rng, n, d, 1.0)
        cosines = x @ x.T
        off = cosines[~np.eye(n, dtype=bool)]
        assert cone.mean_cosine(x) == pytest.approx(off.mean())
        assert np.allclose(cone.conformity(x), (cosines.sum(axis=1) - 1) / (n - 1))
        assert cone.mean_norm(x) ** 2 == pytest.approx(off.mean() + (1 - off.mean()) / n)
        assert cone.coordinate_shares(x).sum() == pytest.approx(1)
        assert abs(cone.mean_cosine(cone.centred(x))) < 0.05

    def test_uniformity(self, rng, n, d):
        x = cloud(rng, n, d)
        assert contrast.uniformity(x) == pytest.approx(np.log(np.exp(-2 * pdist(x, "sqeuclidean")).mean()))

    def test_cosines_across(self, rng, n, d):
        x, t = cloud(rng, n, d), cloud(rng, n, d, 0.5)
        off = (x @ t.T)[~np.eye(n, dtype=bool)]
        assert gap.unpaired_cosine(x, t) == pytest.approx(off.mean())
        assert contrast.alignment(x, t) == pytest.approx(2 - 2 * np.diag(x @ t.T).mean())

    def test_spectrum(self, rng, n, d):
        x = rng.normal(size=(n, d)) * np.arange(1, d + 1) + 5
        values = spectrum.spectrum(x)
        singular = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
        assert np.allclose(values[: len(singular)], singular**2 / (n - 1), atol=1e-8)

    def test_unbiased_cka(self, rng, n, d):
        x, y = rng.normal(size=(n, d)), rng.normal(size=(n, 7))
        y[:, 0] = x[:, 0]

        def hsic(a, b):  # equation 5 of Song et al. 2012, as printed
            k, m = a @ a.T, b @ b.T
            np.fill_diagonal(k, 0)
            np.fill_diagonal(m, 0)
            one = np.ones(n)
            middle = (one @ k @ one) * (one @ m @ one) / (n - 1) / (n - 2)
            return (np.trace(k @ m) + middle - 2 / (n - 2) * one @ k @ m @ one) / n / (n - 3)

        expected = hsic(x, y) / np.sqrt(hsic(x, x) * hsic(y, y))
        assert similarity.linear_cka(x, y, unbiased=True) == pytest.approx(expected)

    def test_cka_is_the_alignment_of_centred_kernels(self, rng, n, d):
        x, y = rng.normal(size=(n, d)), rng.normal(size=(n, 7))
        y[:, 0] = x[:, 0]
        k, m = (KernelCenterer().fit_transform(a @ a.T).ravel() for a in (x, y))
        assert similarity.linear_cka(x, y) == pytest.approx(k @ m / np.sqrt((k @ k) * (m @ m)))

    def test_rsa(self, rng, n, d):
        x, y = rng.normal(size=(n, d)), rng.normal(size=(n, 7))
        expected = spearmanr(pdist(x, "cosine"), pdist(y, "cosine")).statistic
        assert similarity.rsa(x, y) == pytest.approx(expected)

    def test_neighbours(self, rng, n, d):
        x = rng.normal(size=(n, d)) + 50  # far from the origin, where single precision cancels
        distances, rows = exact.neighbours(x, 5)
        expected, ids = NearestNeighbors(n_neighbors=5).fit(x).kneighbors()
        assert np.allclose(distances, expected)
        assert (rows == ids).mean() > 0.99

    def test_occurrences(self, rng, n, d):
        x = cloud(rng, n, d)
        _, ids = NearestNeighbors(n_neighbors=4).fit(x).kneighbors()
        counts = hubness.occurrences(x, k=4)
        assert counts.tolist() == np.bincount(ids.ravel(), minlength=n).tolist()
        assert hubness.skewness(counts) == pytest.approx(skew(counts))

    def test_ranks(self, rng, n, d):
        x = cloud(rng, n, d)
        t = unit(x + 0.5 * cloud(rng, n, d))
        near = t @ x.T
        expected = (-near).argsort(axis=1).argsort(axis=1)[np.arange(n), np.arange(n)]
        assert retrieval.ranks(t, x).tolist() == expected.tolist()


@pytest.mark.parametrize(("k", "d"), [(1, 4), (5, 20), (20, 20)])
def test_k_equal_eigenvalues_have_rank_k(k, d):
    values = np.r_[np.full(k, 3.0), np.zeros(d - k)]
    assert spectrum.participation_ratio(values) == pytest.approx(k)
    assert spectrum.effective_rank(values) == pytest.approx(k)
    assert spectrum.components_for(values, 1.0) == k


@pytest.mark.parametrize("n", [100, 1000, 20_000])
@pytest.mark.parametrize("d", [5, 50])
def test_participation_ratio_depends_on_n_as_stated(rng, n, d):
    measured = spectrum.participation_ratio(spectrum.spectrum(rng.normal(size=(n, d))))
    assert measured == pytest.approx(d / (1 + d / n), rel=0.05)


@pytest.mark.parametrize("n", [50, 500, 5000])
@pytest.mark.parametrize(("rank", "d"), [(2, 8), (8, 8), (8, 256)])
def test_a_set_of_known_rank_needs_that_many_components(rng, n, rank, d):
    basis = np.linalg.qr(rng.normal(size=(d, rank)))[0]
    coded = rng.normal(size=(n, rank))
    coded = np.linalg.qr(coded - coded.mean(axis=0))[0]  # orthogonal columns of mean 0: equal variance, exactly
    values = spectrum.spectrum(coded @ basis.T + 3)
    assert spectrum.participation_ratio(values) == pytest.approx(rank)
    assert spectrum.effective_rank(values) == pytest.approx(rank)
    assert spectrum.components_for(values, 0.99) == rank


@pytest.mark.parametrize("n", [500, 1500, 4000])
@pytest.mark.parametrize(("true", "within"), [(1, 0.12), (2, 0.12), (5, 0.15), (10, 0.2)])
@pytest.mark.parametrize("ambient", [16, 128])
def test_dimension_of_a_sphere_turned_into_a_larger_space(rng, n, true, within, ambient):
    basis = np.linalg.qr(rng.normal(size=(ambient, true + 1)))[0]
    x = unit(rng.normal(size=(n, true + 1))) @ basis.T + 3
    assert dimension.two_nn(x) == pytest.approx(true, rel=within)
    assert dimension.levina_bickel(x, k=20) == pytest.approx(true, rel=within)


def test_dimension_falls_short_of_a_large_truth_as_stated(rng):
    few, many = (dimension.levina_bickel(rng.normal(size=(n, 20)), k=20) for n in (300, 5000))
    assert few < many < 20


@pytest.mark.parametrize(("n", "true", "ambient"), [(100, 1, 2), (300, 2, 64), (1000, 5, 32), (1000, 10, 512)])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of lPCA, where a variance is 0
def test_dimensions_are_those_of_scikit_dimension(rng, n, true, ambient):
    skdim = pytest.importorskip("skdim")
    x = rng.normal(size=(n, true)) @ np.linalg.qr(rng.normal(size=(ambient, true)))[0].T
    assert dimension.two_nn(x) == pytest.approx(skdim.id.TwoNN(discard_fraction=0.1).fit(x).dimension_)
    assert dimension.levina_bickel(x, k=20) == pytest.approx(skdim.id.MLE().fit(x, n_neighbors=20).dimension_)
    assert dimension.by_scikit_dimension(x, "lPCA") == true
    with pytest.raises(InputError, match="'lPCA'"):
        dimension.by_scikit_dimension(x, "no such")


def test_without_scikit_dimension_the_extra_is_named(rng, monkeypatch):
    monkeypatch.setitem(sys.modules, "skdim", None)
    with pytest.raises(CapabilityError, match=r"clipspace\[dimension\]"):
        dimension.by_scikit_dimension(rng.normal(size=(30, 3)), "lPCA")


def test_dimension_without_discarding_is_close_to_maximum_likelihood(rng):
    x = rng.random((1500, 3))
    distances, _ = NearestNeighbors(n_neighbors=2).fit(x).kneighbors()
    likely = len(x) / np.log(distances[:, 1] / distances[:, 0]).sum()
    assert dimension.two_nn(x, discard=0.0) == pytest.approx(likely, rel=0.05)


@pytest.mark.parametrize("n", [200, 800, 3000])
@pytest.mark.parametrize(("angle", "d"), [(0.3, 5), (1.0, 40), (0.5, 512)])
def test_a_planted_gap_is_measured(rng, angle, d, n):
    noise = 0.05 * rng.normal(size=(2, n, d)) / np.sqrt(d)
    x = unit(np.eye(d)[0] + noise[0])
    t = unit(np.cos(angle) * np.eye(d)[0] + np.sin(angle) * np.eye(d)[1] + noise[1])
    assert gap.gap_norm(x, t) == pytest.approx(2 * np.sin(angle / 2), rel=0.01)
    assert gap.separability(x, t) == 1
    half = gap.shift(x, t, gap.gap_norm(x, t) / 2)
    expected = 2 * np.sin(np.arctan(np.tan(angle / 2) / 2))  # half the chord, put back on the sphere
    assert gap.gap_norm(*half) == pytest.approx(expected, rel=0.01)
    assert gap.gap_norm(*gap.shift(x, t, gap.gap_norm(x, t))) < 0.01


@pytest.mark.parametrize(("n", "d"), [(50, 100), (100, 50), (1000, 20)])
def test_one_distribution_has_no_gap_once_noise_is_taken_off(rng, n, d):
    sets = [(cloud(rng, n, d), cloud(rng, n, d)) for _ in range(20)]
    assert np.mean([gap.gap_norm(x, t) for x, t in sets]) == pytest.approx(np.sqrt(2 / n), rel=0.1)
    assert np.mean([gap.gap_norm(x, t, unbiased=True) for x, t in sets]) < 0.5 * np.sqrt(2 / n)


def test_a_rogue_coordinate_holds_the_cone_until_it_is_centred(rng):
    x = cloud(rng, 500, 64, 1.0)
    shares = cone.coordinate_shares(x)
    assert shares.argmax() == 0
    assert shares[0] > 0.95
    assert cone.mean_cosine(x) == pytest.approx(0.5, abs=0.03)
    assert abs(cone.mean_cosine(cone.centred(x))) < 0.01


def test_uniform_directions_reach_the_closed_form_of_uniformity(rng):
    # E exp(-2 |x - y|^2) = e^-4 E e^(4 c); on the circle the mean of e^(4 cos) is the Bessel function I0(4)
    assert contrast.uniformity(cloud(rng, 3000, 2)) == pytest.approx(-4 + np.log(np.i0(4.0)), abs=0.02)


@pytest.mark.parametrize("unbiased", [False, True])
def test_cka_ignores_rotation_scale_and_shift(rng, unbiased):
    x = rng.normal(size=(300, 10)) * np.arange(1, 11)
    turned = 3 * x @ np.linalg.qr(rng.normal(size=(10, 10)))[0] + 7
    assert similarity.linear_cka(x, turned, unbiased=unbiased) == pytest.approx(1)


def test_unbiased_cka_of_unrelated_sets_is_0_where_the_plain_one_is_not(rng):
    pairs = [(rng.normal(size=(60, 80)), rng.normal(size=(60, 80))) for _ in range(20)]
    assert np.mean([similarity.linear_cka(x, y) for x, y in pairs]) > 0.5
    assert np.mean([similarity.linear_cka(x, y, unbiased=True) for x, y in pairs]) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("n", [300, 1000, 3000])
def test_hubs_appear_in_high_dimensions(rng, n):
    skews = [hubness.skewness(hubness.occurrences(rng.normal(size=(n, d)), k=10)) for d in (3, 20, 100)]
    assert skews[0] < 0.5
    assert skews[2] > 1.5
    assert skews == sorted(skews)


def test_unpaired_means_leave_out_what_belongs_together(rng):
    x, t = cloud(rng, 7, 5), cloud(rng, 7, 5)
    value, of_x, of_t = gap.unpaired_means(x, t, np.eye(7, dtype=bool))
    assert value == pytest.approx(gap.unpaired_cosine(x, t))
    assert of_x.mean() == pytest.approx(value) == of_t.mean()
    with pytest.raises(InputError, match="no pair"):
        gap.unpaired_means(x, t, np.ones((7, 7), dtype=bool))


def test_a_planted_hub_is_found_by_queries(rng):
    x = cloud(rng, 50, 16)
    queries = unit(rng.normal(size=(200, 16)) * 0.1 + x[7])
    assert hubness.occurrences(x, k=1, queries=queries).argmax() == 7


def test_several_captions_of_one_image_all_count(rng):
    x = cloud(rng, 30, 8)
    captions = np.repeat(x, 5, axis=0)
    ids = np.repeat(np.arange(30), 5)
    assert (retrieval.ranks(x, captions, point_ids=ids) == 0).all()
    assert (retrieval.ranks(captions, x, query_ids=ids) == 0).all()


@pytest.mark.parametrize(("k", "n", "true"), [(1, 8, 1), (5, 20, 3), (10, 12, 2), (20, 20, 4), (12, 12, 12)])
def test_chance_of_several_true_points_is_that_of_random_orders(rng, k, n, true):
    orders = rng.permuted(np.tile(np.arange(n), (20_000, 1)), axis=1)
    assert retrieval.chance_recall(k, n, true) == pytest.approx((orders[:, :k] < true).any(axis=1).mean(), abs=0.015)


def test_matches_are_ids_said_in_full(rng):
    x, ids = cloud(rng, 30, 8), np.arange(30) // 3
    t = unit(x + 0.5 * cloud(rng, 30, 8))
    same = ids[:, None] == ids
    assert (retrieval.ranks(t, x, matches=same) == retrieval.ranks(t, x, query_ids=ids, point_ids=ids)).all()
    with pytest.raises(InputError, match="matches of shape"):
        retrieval.ranks(t, x, matches=same[:3])


def test_a_constant_encoder_retrieves_nothing():
    assert (retrieval.ranks(np.ones((5, 3)), np.ones((5, 3))) == 4).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: dimension.two_nn(np.vstack([x, x[:1]])), "2 that have a duplicate"),
        (lambda x: dimension.levina_bickel(np.vstack([x, x[:1]]), k=5), "drop duplicates"),
        (lambda x: dimension.levina_bickel(x, k=2), "at least 3"),
        (lambda x: dimension.two_nn(np.eye(20)), "equally far"),
        (lambda x: dimension.levina_bickel(np.eye(20), k=5), "equally far"),
        (lambda x: dimension.two_nn(unit(np.eye(20) @ np.linalg.qr(x @ x.T)[0]).astype(np.float32)), "equally far"),
        (lambda x: dimension.two_nn(x, discard=1.0), "discard"),
        (lambda x: hubness.occurrences(np.vstack([x, x[:1]]), k=5), "drop those"),
        (lambda x: exact.neighbours(x, 20), "from 1 to 19"),
        (lambda x: hubness.occurrences(x, k=21, queries=x), "from 1 to 20"),
        (lambda x: spectrum.spectrum(np.ones((5, 3))), "points that differ"),
        (lambda x: spectrum.spectrum(x[:1]), "two points"),
        (lambda x: spectrum.components_for([1.0], 0.0), "share"),
        (lambda x: cone.mean_cosine(x[:1]), "two points"),
        (lambda x: cone.coordinate_shares(np.array([[1.0, 0], [-1, 0]])), "no cone"),
        (lambda x: contrast.alignment(x, x[:3]), "expected pairs"),
        (lambda x: contrast.uniformity(x[:1]), "two points"),
        (lambda x: gap.gap_vector(x, x[:, :2]), "one space"),
        (lambda x: gap.unpaired_cosine(x, x[:3]), "two pairs"),
        (lambda x: similarity.linear_cka(x, x[:3]), "same 4 rows"),
        (lambda x: similarity.linear_cka(x, np.ones((20, 2))), "constant"),
        (lambda x: similarity.rsa(x, np.ones((20, 2))), "constant"),
        (lambda x: retrieval.ranks(x, x[:3]), "true match for every query"),
        (lambda x: retrieval.ranks(np.full_like(x, np.nan), x), "finite"),
        (lambda x: gap.separability(x, np.vstack([x[1:], np.full_like(x[:1], np.nan)])), "finite"),
        (lambda x: dimension.two_nn(np.vstack([x, np.full_like(x[:1], np.nan)])), "finite"),
        (lambda x: retrieval.ranks(x, x, query_ids=[1]), "ids"),
    ],
)
def test_bad_input_is_refused(rng, call, message):
    with pytest.raises(InputError, match=message):
        call(cloud(rng, 20, 4))
