"""Packed columns, read back by another program than the page's."""

import numpy as np
import pytest
from hostile_names import NAMES
from packed import array, texts

from clipspace.report.packing import pack_array, pack_codes, pack_numbers, pack_texts


@pytest.mark.parametrize("dtype", ["<u1", "<i2", "<i4", ">i4", "<u4", "<f4", "<f8"])
def test_arrays_come_back_bit_by_bit(dtype, rng):
    values = (1000 * rng.normal(size=(7, 3))).astype(dtype)
    parts = ["something else"]
    packed = pack_array(values, parts)
    assert packed == {"part": 1, "type": dtype[1:]}
    assert np.array_equal(array(packed, parts), values.ravel())


def test_an_array_of_nothing_and_a_transposed_one(rng):
    parts = []
    assert array(pack_array(np.zeros(0, np.float32), parts), parts).shape == (0,)
    values = rng.normal(size=(3, 5)).astype(np.float32).T
    assert np.array_equal(array(pack_array(values, parts), parts), values.ravel())


def test_texts_come_back_whatever_is_in_them():
    parts = []
    given = [*NAMES, "", "\u202eright to left", "\N{RIBBON}\ufe0f e\u0301", "\ufeffmark", "a\r\nb", ""]
    assert texts(pack_texts(given, parts), parts) == given
    assert not any("<" in part for part in parts)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0.5, np.nan, -3.25], "f4"),
        ([0.1, 2.0], "f4"),  # not exact, but the four digits that are shown are
        ([2.0**24 + 1, 0.5], "f8"),  # a whole number is shown in full
        ([1e300, 0.5], "f8"),
        ([np.inf, 0.5], "f4"),
        ([1e-60, 0.5], "f8"),
    ],
)
def test_numbers_are_packed_as_narrow_as_shows_the_same(values, kind):
    parts = []
    packed = pack_numbers(np.array(values), parts)
    assert packed["type"] == kind
    assert np.allclose(array(packed, parts), values, rtol=1e-6, atol=0, equal_nan=True)


@pytest.mark.parametrize(("most", "kind"), [(0, "i1"), (127, "i1"), (128, "i2"), (32_767, "i2"), (32_768, "i4")])
def test_codes_are_packed_in_the_narrowest_type(most, kind):
    parts = []
    packed = pack_codes(np.array([-1, 0, most], np.int32), parts)
    assert packed["type"] == kind
    assert array(packed, parts).tolist() == [-1, 0, most]
