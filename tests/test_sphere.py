import numpy as np
import pytest

from clipspace.errors import InputError
from clipspace.points import sphere


def test_unit_has_norm_one_and_keeps_direction(rng):
    x = rng.normal(size=(5, 7)) * 10
    assert np.allclose(np.linalg.norm(sphere.unit(x), axis=1), 1)
    assert np.allclose(sphere.unit(x) * np.linalg.norm(x, axis=1, keepdims=True), x)


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_unit_names_the_bad_row(bad):
    x = np.ones((3, 2))
    x[1] = bad
    with pytest.raises(InputError, match="row 1"):
        sphere.unit(x)


@pytest.mark.parametrize("d", [2, 128, 768])
def test_slerp_matches_rotation_in_the_plane_of_the_ends(rng, d):
    a, b = rng.normal(size=d), rng.normal(size=d)
    u = a / np.linalg.norm(a)
    w = b - (b @ u) * u
    w /= np.linalg.norm(w)
    omega = np.arctan2(b @ w, b @ u)
    for t in (0.0, 0.25, 0.5, 1.0):
        length = (1 - t) * np.linalg.norm(a) + t * np.linalg.norm(b)
        assert np.allclose(sphere.slerp(a, b, t), length * (np.cos(t * omega) * u + np.sin(t * omega) * w))


def test_slerp_at_high_dimension_keeps_the_norm_where_an_elementwise_angle_would_not(rng):
    a = sphere.unit(rng.normal(size=768))
    b = sphere.unit(0.7 * a + np.sqrt(1 - 0.49) * sphere.unit(rng.normal(size=768)))
    assert np.isclose(np.linalg.norm(sphere.slerp(a, b, 0.5)), 1.0)
    assert np.isclose(sphere.angle(a, sphere.slerp(a, b, 0.25)), 0.25 * sphere.angle(a, b))


def test_slerp_takes_batches_and_arrays_of_t(rng):
    a, b = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    t = np.linspace(0, 1, 5)
    path = sphere.slerp(a, b, t)
    assert path.shape == (5, 4, 3)
    assert np.allclose(path[2, 1], sphere.slerp(a[1], b[1], 0.5))
    assert np.allclose(path[0], a)
    assert np.allclose(path[-1], b)


def test_slerp_between_nearly_equal_points_is_finite():
    a = np.array([1.0, 0.0])
    assert np.allclose(sphere.slerp(a, a + np.array([0, 1e-12]), 0.5), a)
    assert np.allclose(sphere.slerp(a, 3 * a, 0.5), 2 * a)


def test_slerp_refuses_antipodal_ends():
    with pytest.raises(InputError, match="antipodal"):
        sphere.slerp(np.array([1.0, 0.0]), np.array([-2.0, 0.0]), 0.5)


def test_slerp_refuses_ends_of_different_shape():
    with pytest.raises(InputError, match="one shape"):
        sphere.slerp(np.ones(3), np.ones(4), 0.5)


def test_angle_is_accurate_for_tiny_angles():
    assert np.isclose(sphere.angle([1.0, 0.0], [1.0, 1e-9]), 1e-9, rtol=1e-6)


def test_the_mean_of_two_is_slerp_and_of_many_has_no_tangent_left(rng):
    a, b = 3 * rng.normal(size=6), rng.normal(size=6)
    for t in (0.0, 0.3, 1.0):
        assert np.allclose(sphere.mean([a, b], [1 - t, t]), sphere.slerp(a, b, t), atol=1e-9)
    points = sphere.unit(rng.normal(size=(7, 6)) + 2)
    weights = rng.uniform(size=7)
    middle = sphere.mean(points, weights)
    theta = sphere.angle(np.broadcast_to(middle, points.shape), points)
    tangents = (points - np.cos(theta)[:, None] * middle) * (theta / np.sin(theta))[:, None]
    assert np.abs(weights @ tangents).max() < 1e-9


@pytest.mark.parametrize("weights", [[1.0], [-1.0, 2.0], [0.0, 0.0], [np.nan, 1.0]])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(InputError, match="2 weights"):
        sphere.mean(np.eye(2), weights)


def test_rows_that_cancel_out_have_no_mean():
    with pytest.raises(InputError, match="cancel out"):
        sphere.mean([[1.0, 0.0], [-1.0, 0.0]])


def test_even_positions_are_equal_angles_apart(rng):
    keyframes = rng.normal(size=(4, 16)) * np.array([[1.0], [5.0], [2.0], [3.0]])
    keyframes[2] = keyframes[1] + 0.1 * rng.normal(size=16)  # a leg much shorter than the others
    # the angle walked between two points is that within their leg, so the legs are measured one by one
    positions = sphere.evenly(keyframes, 25)
    ends = np.union1d(positions, np.arange(4))
    points = sphere.along(keyframes, ends)
    walked = np.concatenate([[0], np.cumsum(sphere.angle(points[:-1], points[1:]))])
    steps = np.diff(walked[np.searchsorted(ends, positions)])
    assert np.allclose(steps, walked[-1] / 24, atol=1e-9)
    assert positions[0] == 0
    assert positions[-1] == 3


def test_along_goes_through_the_keyframes_in_any_order(rng):
    keyframes = rng.normal(size=(3, 8))
    assert np.allclose(sphere.along(keyframes, [2, 0, 1]), keyframes[[2, 0, 1]])
    assert np.allclose(sphere.along(keyframes, [1.25]), [sphere.slerp(keyframes[1], keyframes[2], 0.25)])
    with pytest.raises(InputError, match="positions"):
        sphere.along(keyframes, [2.5])


def test_even_positions_of_coinciding_keyframes_keep_both_ends(rng):
    point = rng.normal(size=8)
    assert sphere.evenly(np.stack([point, point]), 3)[[0, -1]].tolist() == [0, 1]
