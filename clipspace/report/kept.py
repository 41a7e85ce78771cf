"""Results that a report's folder holds already: which of them were made as they would be made now."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from clipspace.analyses import about
from clipspace.analyses.asking import Brought, inputs
from clipspace.errors import ClipspaceError
from clipspace.files import atomically
from clipspace.points.store.layout import facts_of
from clipspace.results.loading import load_result
from clipspace.results.result import Result


def recipe_of(name: str, brought: Brought, made_with: dict[str, Any]) -> dict[str, Any]:
    """All that the result of an analysis depends on: ``made_with`` (options, models, versions) and its inputs."""
    looked_at = brought.images is not None
    return {**made_with, "inputs": inputs(name, brought), "images": looked_at, "takes": list(about(name).takes)}


def is_kept(folder: Path, name: str, brought: Brought, made_with: dict[str, Any]) -> bool:
    """Whether ``folder`` has the result of an analysis; not where its inputs cannot be read, as its section will say."""
    with suppress(Exception):
        return kept(folder, name, recipe_of(name, brought, made_with)) is not None
    return False


def kept(folder: Path, name: str, recipe: dict[str, Any]) -> Result | None:
    """The result of an analysis in ``folder``; None where there is none, one of another recipe, or one saved there since."""
    path = folder / f"{name}.json"
    with suppress(OSError, ValueError, ClipspaceError):
        if json.loads(_record(folder, name).read_text()) == {"recipe": recipe, "result": facts_of(path)}:
            return load_result(path)
    return None


def keep(folder: Path, result: Result, recipe: dict[str, Any]) -> None:
    """Save a result in ``folder``, and last its recipe with the hash of its file.

    A run that is stopped between its files leaves none that is used, and neither is one that another command saves there.
    """
    record = _record(folder, result.name)
    record.unlink(missing_ok=True)
    saved = result.save(folder)
    with atomically(record, overwrite=True) as part:
        part.write_text(json.dumps({"recipe": recipe, "result": facts_of(saved)}))


def _record(folder: Path, name: str) -> Path:
    return folder / f".{name}.made"
