import torch

from clipspace.diffusion import fixed_point


def test_a_linear_map_is_solved_to_its_closed_form():
    torch.manual_seed(0)
    d = 12
    matrix, shift = 0.3 * torch.randn(4, d, d, dtype=torch.float64), torch.randn(4, d, dtype=torch.float64)
    exact = torch.linalg.solve(torch.eye(d, dtype=torch.float64) - matrix, shift)
    found = fixed_point.anderson(
        lambda x, rows: torch.einsum("kij,kj->ki", matrix[rows], x) + shift[rows],
        torch.zeros_like(shift), tol=1e-10, max_evaluations=200, memory=14,
    )  # fmt: skip
    assert torch.allclose(found.x, exact, atol=1e-7)
    assert (found.residual <= 1e-10).all()


def test_it_converges_where_plain_iteration_diverges():
    def g(x, rows):
        return -3.0 * x + 4.0

    found = fixed_point.anderson(g, torch.zeros(1, 5), tol=1e-6, max_evaluations=30)
    assert torch.allclose(found.x, torch.ones(1, 5), atol=1e-5)


def test_rows_that_are_done_are_not_evaluated_again():
    counts = torch.zeros(2)

    def g(x, rows):
        counts[rows] += 1
        return torch.where((rows == 0)[:, None], x, torch.cos(x))

    found = fixed_point.anderson(g, torch.full((2, 3), 0.5), tol=1e-6, max_evaluations=50)
    assert found.evaluations.tolist() == counts.tolist()
    assert counts[0] == 1 < counts[1]
    assert torch.allclose(found.x[1], torch.full((3,), 0.7390851), atol=1e-5)


def test_a_row_without_a_fixed_point_ends_no_worse_than_it_began():
    found = fixed_point.anderson(lambda x, rows: x + 1 + x**2, torch.zeros(1, 4), tol=1e-9, max_evaluations=40)
    assert torch.isfinite(found.x).all()
    assert found.residual[0] <= 1.0
    assert found.evaluations[0] >= 40
