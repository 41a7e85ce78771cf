"""Columns of points on disk, each read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from clipspace.errors import shortened


class LazyColumns(Mapping):
    """Columns by name, each of which ``read(name)`` gives when it is asked for.

    >>> columns = LazyColumns(["label"], lambda name: ["cat", "dog"])
    >>> columns["label"], len(columns)
    (['cat', 'dog'], 1)
    """

    def __init__(self, names: Sequence[str], read: Callable[[str], Sequence]) -> None:
        self._names = list(names)
        self._read = read

    def __getitem__(self, name: str) -> Sequence:
        if name not in self:
            raise KeyError(name)
        return self._read(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"LazyColumns({shortened(self._names)})"
