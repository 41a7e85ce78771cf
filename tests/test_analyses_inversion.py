"""Inversion as an analysis: its errors are those of its pictures, and it says what a table says."""

from dataclasses import replace

import numpy as np
import pytest

from clipspace.analyses.inversion import _findings, _psnr, _with_errors, run
from clipspace.errors import CapabilityError, InputError
from clipspace.models.gradient_decoder import GradientDecoder
from clipspace.sources.images import psnr


def test_errors_lie_below_their_pictures(rng):
    columns = rng.integers(100, size=(3, 2, 4, 4, 3), dtype=np.uint8)
    rows = _with_errors(columns)
    assert rows.shape == (4, 3, 4, 4, 3)
    np.testing.assert_array_equal(rows[[0, 2]].swapaxes(0, 1), columns)
    off = 4 * np.abs(columns[2, 1].astype(int) - columns[0, 1])
    np.testing.assert_array_equal(rows[3, 2], np.minimum(off, 255))
    assert (rows[[1, 3], 0] == 255).all()


def _table(bound, short):
    both = {"autoencoder alone": bound, "worst": 20.0, "best": 30.0, "sd of x_T": 1.0}
    return [
        {
            "method": "exact",
            "steps": 20,
            "evaluations": 90.0,
            "PSNR": bound - short,
            "residual": 1e-5,
            "short of it": short,
        }
        | both,
        {"method": "DDIM", "steps": 40, "evaluations": 40.0, "PSNR": 25.0, "residual": None, "short of it": 74.0}
        | both,
    ]


@pytest.mark.parametrize(
    ("bound", "short", "said"),
    [
        (99.0, 0.0, "exactly from 20 steps"),
        (35.0, 0.05, "as well as the autoencoder does (35.0 dB) from 20 steps"),
        (99.0, 40.0, "reaches 59.0 dB with 90 evaluations"),
    ],
)
def test_exact_is_called_so_only_where_every_picture_comes_back(bound, short, said):
    first, second = _findings(_table(bound, short))
    assert "25.0 dB at best, with 40 evaluations" in first
    assert said in second


def test_a_picture_counts_99_only_when_it_is_the_same(apple, house):
    np.testing.assert_array_equal(_psnr([apple], [apple.copy()]), [99.0])
    assert _psnr([apple], [house])[0] == psnr(apple, house) < 20


def test_a_decoder_without_noise_and_too_few_doublings_are_refused(space):
    with pytest.raises(CapabilityError, match="optimises pixels"):
        run(replace(space, decoder=GradientDecoder(space.encoder)))
    with pytest.raises(InputError, match="two doublings"):
        run(space, doublings=1)


def test_exact_is_said_to_begin_where_no_later_number_of_steps_misses():
    early, ddim = _table(99.0, 0.0)
    late = early | {"steps": 40, "PSNR": 30.0, "short of it": 69.0}
    assert "reaches 99.0 dB" in _findings([early, late, ddim])[1]
    assert "exactly from 40 steps on" in _findings([late | {"steps": 20}, early | {"steps": 40}, ddim])[1]
