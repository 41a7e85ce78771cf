"""Images of a source by their names, which is what a store keeps of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from clipspace.errors import InputError
from clipspace.sources.rows import Source


def read_named(source: Source, names: Sequence[str]) -> list[bytes]:
    """The image files called ``names``, in that order, as they are in ``source``: what was encoded, as `open_source` lists it.

    Raises `InputError` for a name that is twice among ``names``, or not in the source, and `RowError` for a file that
    cannot be read.
    """
    if len(set(names)) < len(names):
        (twice, _), *_ = Counter(names).most_common(1)
        raise InputError(f"read_named: expected names that tell images apart, got {twice!r} twice")
    wanted, found = set(names), {}
    for part in source.parts:
        if len(found) == len(wanted):
            break
        for row in part.open():
            if row.name in wanted and row.name not in found:
                found[row.name] = row.read().data
    missing = next((name for name in names if name not in found), None)
    if missing is not None:
        first = source.parts[0].name if source.parts else "nothing"
        raise InputError(
            f"read_named: expected the image {missing!r} in the source, got none of that name (its first part is "
            f"{first!r}); give what was encoded, as it was given to encode"
        )
    return [found[name] for name in names]
