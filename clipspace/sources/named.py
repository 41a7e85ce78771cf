"""Images of a source by the names and places that a store records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from clipspace.errors import InputError
from clipspace.sources.rows import Ignored, Row, Source


def read_named(source: Source, names: Sequence[str], places: Sequence[str | None] | None = None) -> list[bytes]:
    """The image files called ``names``, in that order, as they are in ``source``: what was encoded, as `open_source` lists it.

    ``places`` (`Row.place`, the column ``source_row`` of a store) tell rows of one name apart. A row without one is
    found by its name, which then must be the name of one row of the source only.

    Raises `InputError` for a name that is twice among ``names``, that the source has twice, or not at all, and
    `RowError` for a file that cannot be read.
    """
    data_by_position = dict(each_named(source, names, places))
    return [data_by_position[i] for i in range(len(names))]


def each_named(
    source: Source, names: Sequence[str], places: Sequence[str | None] | None = None
) -> Iterator[tuple[int, bytes]]:
    """(position among ``names``, image file) one by one, in one pass over ``source``; raises as `read_named`."""
    keys = told_apart(names, places)
    position, yielded = {row: i for i, row in enumerate(keys)}, set()
    for row, data in _find(source, set(keys)):
        yielded.add(row)
        yield position[row], data
    missing = next((name for name, place in keys if (name, place) not in yielded), None)
    if missing is not None:
        first = source.parts[0].name if source.parts else "nothing"
        raise InputError(
            f"read_named: expected the image {missing!r} in the source, got none of that name (its first part is "
            f"{first!r}); give what was encoded, as it was given to encode"
        )


def told_apart(names: Sequence[str], places: Sequence[str | None] | None) -> list[tuple[str, str | None]]:
    """(name, place) of each image. Raises `InputError` where two are the same."""
    keys = list(zip(names, places or [None] * len(names), strict=True))
    if len(set(keys)) < len(keys):
        (twice, _), *_ = Counter(keys).most_common(1)
        raise InputError(f"read_named: expected names that tell images apart, got {twice[0]!r} twice")
    return keys


def _find(source: Source, keys: set[tuple[str, str | None]]) -> Iterator[tuple[tuple[str, str | None], bytes]]:
    """Rows by name and place, and their content. A name alone is looked for to the end, as it may come again."""
    yielded: set[tuple[str, str | None]] = set()
    may_repeat = False
    for part in source.parts:
        for row in part.open():
            if isinstance(row, Ignored):
                continue
            if len(yielded) == len(keys) and not may_repeat:
                return
            for key in _keys(row, keys):
                if key in yielded and row.place is not None:
                    raise InputError(
                        f"read_named: expected one image {row.name!r} in the source, got several, and the store does "
                        "not say which of them its row is; encode it again"
                    )
                if key not in yielded:
                    yielded.add(key)
                    yield key, row.read().data
                may_repeat |= key[1] is None and row.place is not None


def _keys(row: Row, keys: set[tuple[str, str | None]]) -> set[tuple[str, str | None]]:
    return {(row.name, row.place), (row.name, None)} & keys
