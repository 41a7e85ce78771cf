"""Columns of a page as text: a script unpacks each when it is wanted, and a million rows take megabytes, not a parse."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

_LEVEL = 6  # of deflate


def pack_array(values: np.ndarray, parts: list[str]) -> dict[str, Any]:
    """The place and type of an array on the page, ``{"part": i, "type": such as "f4"}``; its text is put into ``parts``.

    The text is base64 of deflated bytes (RFC 1950): little-endian, the first byte of every value before the second of any,
    for bytes of one significance resemble each other.
    """
    values = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    planes = values.reshape(-1, 1).view(np.uint8).T
    parts.append(base64.b64encode(zlib.compress(np.ascontiguousarray(planes), _LEVEL)).decode())
    return {"part": len(parts) - 1, "type": values.dtype.str[1:]}


def pack_texts(texts: Iterable[str], parts: list[str]) -> dict[str, Any]:
    """The place of texts on the page, ``{"lengths", "bytes"}``: packed arrays of their lengths and of their UTF-8 in a row.

    Half of a surrogate pair, which UTF-8 cannot hold, is kept as its three bytes.
    """
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    lengths = np.fromiter(map(len, encoded), np.uint32, len(encoded))
    utf8 = np.frombuffer(b"".join(encoded), np.uint8)
    return {"lengths": pack_array(lengths, parts), "bytes": pack_array(utf8, parts)}


def pack_numbers(values: np.ndarray, parts: list[str]) -> dict[str, Any]:
    """Numbers, packed as float32 where that shows the same: all but whole numbers above 2^24 and numbers beyond its range."""
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = values.astype(np.float32)
        is_whole = values % 1 == 0
    is_same = np.where(is_whole, narrow == values, np.isclose(narrow, values, rtol=1e-6, atol=0, equal_nan=True))
    return pack_array(narrow if is_same.all() else values.astype(np.float64), parts)


def pack_codes(codes: np.ndarray, parts: list[str]) -> dict[str, Any]:
    """Whole numbers of -1 and above, packed in the narrowest signed type that holds them."""
    widest = max(int(codes.max(initial=0)), 0)
    return pack_array(codes.astype(np.min_scalar_type(-widest - 1)), parts)
