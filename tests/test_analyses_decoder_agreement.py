"""Decoder agreement as an analysis: the matrix holds the scores, and others can join."""

import numpy as np
import pytest

from clipspace.analyses.decoder_agreement import run
from clipspace.errors import InputError


def test_the_matrix_is_the_scores(space, apple, house):
    found = run(space, [apple, house], {"twin": space}, num_inference_steps=2)
    assert found.labels["names"] == ["z", "mini", "twin", "gradient"]
    values = {row["score"]: row["value"] for row in found.table}
    cosines = found.arrays["cosines"]
    np.testing.assert_allclose(np.diag(cosines), 1)
    np.testing.assert_allclose(cosines, cosines.T)
    np.testing.assert_allclose(cosines[0, 1:], [values[f"cycle: {name}"] for name in ("mini", "twin", "gradient")])
    assert cosines[1, 2] == pytest.approx(1, abs=1e-12)
    assert values["mini and twin"] == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(cosines[2, 3], values["twin and gradient"])
    np.testing.assert_array_equal(found.arrays["images"][0, 0], np.asarray(apple))
    np.testing.assert_array_equal(found.arrays["images"][:, 1], found.arrays["images"][:, 2])


def test_one_picture_is_refused(space, apple):
    for images, n in (([apple], 4), (None, 1)):
        with pytest.raises(InputError, match="two pictures"):
            run(space, images, n=n)
