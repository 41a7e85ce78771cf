"""Reading the JSON files of a model's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clipspace.errors import CheckpointError


def read_config(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds. Raises `CheckpointError` where it cannot be read, or holds something else."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"load_space: could not read {str(path)!r} as valid JSON: {error}; get a whole copy"
        ) from error
    if not isinstance(config, dict):
        raise CheckpointError(
            f"load_space: expected a JSON object in {str(path)!r}, got {type(config).__name__}; get a whole copy"
        )
    return config
