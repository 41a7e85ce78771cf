"""The bipartite code of an image: its embedding z_i, and the noise x_T that holds the rest."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clipspace.errors import InputError
from clipspace.points.embeddings import Embeddings
from clipspace.points.stamps import read_stamp
from clipspace.reprs import brief


@dataclass(frozen=True, eq=False)
class Code:
    """(z_i, x_T) of ``n`` images, and the sampler settings under which they decode to those images.

    The steps are deterministic and do not clip x_0, whatever the decoder's own sampler does, because only such steps have an
    inverse. ``noise`` is ``(n, *latent_shape)``, float32, or float64 in a space of that dtype. ``residual`` is the
    root-mean-square error of the decoded latents; ``evaluations`` is the number of network evaluations that the inversion
    took. ``decoder`` is the digest of the decoder's weights, None if they were not in memory.
    """

    embeddings: Embeddings
    noise: np.ndarray
    num_inference_steps: int
    guidance_scale: float
    residual: np.ndarray
    evaluations: np.ndarray
    decoder: str | None = None

    __repr__ = brief

    def __len__(self) -> int:
        return len(self.embeddings)

    def __getitem__(self, row: int) -> Code:
        """The code of one image, still a `Code`; from the end where ``row`` is negative."""
        row = range(len(self))[row]
        rows = slice(row, row + 1)
        return replace(
            self,
            embeddings=self.embeddings[rows],
            noise=self.noise[rows],
            residual=self.residual[rows],
            evaluations=self.evaluations[rows],
        )

    @property
    def settings(self) -> dict:
        """Keyword arguments that make `Space.decode` undo the inversion."""
        return {
            "noise": self.noise,
            "num_inference_steps": self.num_inference_steps,
            "guidance_scale": self.guidance_scale,
            "clip_sample": False,
        }


def save_code(code: Code, path: str | Path) -> None:
    """Write ``code`` as safetensors, with the stamp, names and settings as metadata."""
    from safetensors.numpy import save_file

    points = code.embeddings
    description = {
        "space": points.stamp.to_dict() if points.stamp else None,
        "names": list(points.names),
        "num_inference_steps": code.num_inference_steps,
        "guidance_scale": code.guidance_scale,
        "decoder": code.decoder,
    }
    arrays = {
        "vectors": np.ascontiguousarray(points.vectors, dtype=np.float32),
        "noise": np.ascontiguousarray(code.noise, dtype=np.promote_types(code.noise.dtype, np.float32)),
        "residual": np.ascontiguousarray(code.residual, dtype=np.float32),
        "evaluations": np.ascontiguousarray(code.evaluations, dtype=np.int64),
    }
    save_file(arrays, path, metadata={"clipspace.code": json.dumps(description)})


def load_code(path: str | Path) -> Code:
    """Read what `save_code` wrote. Raises `InputError` for anything else."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            description = json.loads((file.metadata() or {})["clipspace.code"])
            arrays = {name: file.get_tensor(name) for name in ("vectors", "noise", "residual", "evaluations")}
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(
            f"load_code: expected a code written by `clipspace invert`, got {str(path)!r} ({error})"
        ) from None
    stamp = read_stamp(description["space"])
    points = Embeddings(arrays.pop("vectors"), stamp=stamp, names=description["names"])
    settings = {name: description[name] for name in ("num_inference_steps", "guidance_scale")}
    return Code(points, **settings, **arrays, decoder=description.get("decoder"))
