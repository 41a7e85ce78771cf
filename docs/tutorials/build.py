"""Run the tutorials and store them with their outputs: ``python docs/tutorials/build.py``, or some of them by path."""

from __future__ import annotations

import io
import sys
import tempfile
from base64 import b64decode, b64encode
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

COLORS, QUALITY = 128, 88
"""Of a PNG, and of a JPEG: both take less than half the bytes."""


def executed(path: Path) -> nbformat.NotebookNode:
    """The tutorial, run from start to end in an empty folder, as it is stored."""
    notebook = nbformat.read(path, as_version=4)
    metadata = notebook.metadata.copy()
    with tempfile.TemporaryDirectory() as folder:
        options = {"timeout": 600, "kernel_name": "python3", "resources": {"metadata": {"path": folder}}}
        NotebookClient(notebook, **options).execute()
    notebook.metadata = metadata
    for cell in notebook.cells:
        cell.metadata = nbformat.NotebookNode()
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if "TqdmWarning" not in output.get("text", "")]
            for output in cell.outputs:
                if "image/png" in output.get("data", {}):
                    rest = {kind: value for kind, value in output.data.items() if not kind.startswith("image/")}
                    output.data = nbformat.NotebookNode(rest | _small(output.data["image/png"]))
    return notebook


def _small(png: str) -> dict[str, str]:
    """The same image as PNG with a palette or as JPEG, whichever is smaller, by its kind and in base64."""
    image = Image.open(io.BytesIO(b64decode(png))).convert("RGB")
    encoded = {"image/png": io.BytesIO(), "image/jpeg": io.BytesIO()}
    image.quantize(COLORS).save(encoded["image/png"], "PNG", optimize=True)
    image.save(encoded["image/jpeg"], "JPEG", quality=QUALITY, optimize=True)
    kind = min(encoded, key=lambda kind: len(encoded[kind].getvalue()))
    return {kind: b64encode(encoded[kind].getvalue()).decode()}


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:] or sorted(Path(__file__).parent.glob("*.ipynb"))):
        nbformat.write(executed(path), path)
        print(f"wrote {path}")
