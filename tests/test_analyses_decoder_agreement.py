"""Decoder agreement as an analysis: the matrix holds the scores, and others can join."""

import numpy as np
import pytest

from clipspace.analyses.decoder_agreement import run
from clipspace.errors import InputError
from clipspace.probes.decoders import decoder_seed


def test_the_matrix_is_the_scores(space, apple, house):
    found = run(space, [apple, house], {"twin": space}, num_inference_steps=2)
    assert found.labels["names"] == ["z", "mini", "twin", "gradient"]
    values = {(row.first, row.second): row.value for row in found.table}
    cosines = found.arrays["cosines"]
    np.testing.assert_allclose(np.diag(cosines), 1)
    np.testing.assert_allclose(cosines, cosines.T)
    np.testing.assert_allclose(cosines[0, 1:], [values["z", name] for name in ("mini", "twin", "gradient")])
    np.testing.assert_allclose(cosines[1, 2], values["mini", "twin"])
    assert cosines[1, 2] < 0.999  # one decoder, but an x_T of each
    np.testing.assert_allclose(cosines[2, 3], values["twin", "gradient"])
    np.testing.assert_array_equal(found.arrays["images"][0, 0], np.asarray(apple))
    points = space.encode_images([apple, house])
    for column, name in ((1, "mini"), (2, "twin")):
        by_hand = space.decode(points, seed=decoder_seed(0, name), num_inference_steps=2)
        np.testing.assert_array_equal(found.arrays["images"][:, column], [np.asarray(image) for image in by_hand])


def test_one_picture_is_refused(space, apple):
    for images, n in (([apple], 4), (None, 1)):
        with pytest.raises(InputError, match="two images"):
            run(space, images, n=n)
