import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse

from clipspace.search.umap_layout import _FIRST, _LEAST, _MOST, _forces, lay_out, spectral_start

A, B = 1.577, 0.895


def ring(n):
    ahead = np.roll(np.eye(n), 1, axis=1)
    return scipy.sparse.csr_matrix(ahead + ahead.T)


def test_the_table_of_forces_is_umaps_formula(rng):
    squared = np.exp(rng.uniform(np.log(_LEAST), np.log(_MOST), 5000)).astype(np.float32)
    entries = (squared.view(np.uint32) >> 17) - _FIRST
    pull, push = _forces(A, B)
    d = squared.astype(float) ** 0.5
    # the derivatives of -log q and -log(1 - q) of q = 1 / (1 + a d^2b), over d (McInnes et al. 2018, appendix C)
    assert np.allclose(pull[entries], -2 * A * B * d ** (2 * B - 2) / (1 + A * d ** (2 * B)), rtol=0.02)
    assert np.allclose(push[entries], 2 * B / ((0.001 + d**2) * (1 + A * d ** (2 * B))), rtol=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_two_joined_points_rest_where_pull_and_push_are_equal(seed):
    # One pull against three draws, of which half hit the other point: a d^2b = 3 / 2.
    graph, start = scipy.sparse.csr_matrix(1 - np.eye(2)), np.array([[0.0, 0], [5, 1]])
    places = lay_out(graph, start, a=A, b=B, n_epochs=30_000, seed=seed, threads=1)
    assert np.linalg.norm(places[0] - places[1]) == pytest.approx((1.5 / A) ** (1 / (2 * B)), rel=0.05)


def test_weak_edges_pull_in_proportion(rng):
    # Point 0 hangs between 1 and 2, joined to 1 ten times as strongly.
    graph = scipy.sparse.csr_matrix(np.array([[0, 1, 0.1], [1, 0, 0], [0.1, 0, 0]]))
    apart = []
    for seed in range(20):
        places = lay_out(graph, rng.normal(size=(3, 2)), a=A, b=B, n_epochs=300, seed=seed, threads=1)
        apart.append(np.linalg.norm(places[0] - places[1:], axis=1))
    near, far = np.mean(apart, axis=0)
    assert near < far


def test_the_number_of_threads_changes_no_bit_and_torch_keeps_its_own():
    code = """
import numpy as np, scipy.sparse, torch
from clipspace.search.umap_layout import lay_out
rng = np.random.default_rng(0)
graph = scipy.sparse.random(500, 500, 0.02, format="csr", random_state=0)
graph, start = graph + graph.T, rng.normal(size=(500, 2))
one, many, other = (lay_out(graph, start, a=1.6, b=0.9, n_epochs=40, seed=s, threads=t) for s, t in ((0, 1), (0, 4), (1, 4)))
print(np.array_equal(one, many), np.array_equal(one, other), torch.get_num_threads())
"""
    env = {"NUMBA_NUM_THREADS": "4", "OMP_NUM_THREADS": "1", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env)
    assert done.stdout.split() == ["True", "False", "1"], done.stderr


def test_the_slowest_modes_of_a_ring_are_a_circle(rng):
    turn = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    rough = np.stack([np.cos(turn), np.sin(turn)], axis=1) + 0.3 * rng.normal(size=(400, 2))
    places = spectral_start(ring(400), rough, seed=0)
    assert (places.min(), places.max()) == (0, 10)
    from_middle = (places - 5) @ np.array([1, 1j])
    assert np.abs(from_middle).std() < 0.1 * np.abs(from_middle).mean()
    turned = np.unwrap(np.angle(from_middle))
    assert abs(turned[-1] - turned[0]) == pytest.approx(2 * np.pi, rel=0.05)


def test_pieces_that_nothing_joins_and_points_that_nothing_joins_have_places(rng):
    pieces = scipy.sparse.block_diag([ring(100), ring(100), np.zeros((1, 1))], format="csr")
    places = spectral_start(pieces, rng.normal(size=(201, 2)), seed=0)
    assert np.isfinite(places).all()
    assert len(np.unique(places, axis=0)) == 201
    laid = lay_out(pieces, places, a=A, b=B, n_epochs=50, seed=0, threads=1)
    assert np.isfinite(laid).all()


@pytest.mark.parametrize("n", [3, 4, 12])
def test_few_points_start_from_where_they_are(rng, n):
    places = spectral_start(ring(n), rng.normal(size=(n, 2)), seed=0)
    assert np.isfinite(places).all()
    assert np.isfinite(spectral_start(ring(n), np.zeros((n, 2)), seed=0)).all()
