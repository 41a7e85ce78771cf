"""The spaces known by a short name: which CLIP, decoder and prior belong together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MINI = Path(__file__).resolve().parent.parent / "mini"


@dataclass(frozen=True)
class Pairing:
    """One row of the catalogue. ``clip`` is an open_clip id; ``decoder`` and ``prior`` are folders."""

    name: str
    clip: str
    decoder: Path | None
    prior: Path | None
    about: str

    def describe(self) -> dict[str, str]:
        """What `clipspace spaces` says of it."""
        present = all(folder is None or folder.is_dir() for folder in (self.decoder, self.prior))
        return {
            "decoder": "yes" if self.decoder else "no",
            "prior": "yes" if self.prior else "no",
            "local": "yes" if present else "no",
            "about": self.about,
        }


CATALOGUE: dict[str, Pairing] = {
    "mini": Pairing(
        "mini",
        clip=f"local-dir:{MINI / 'clip'}",
        decoder=MINI / "decoder",
        prior=MINI / "prior",
        about="the embedded default: a small CLIP, decoder and prior of rendered 64-pixel scenes; nothing to download",
    ),
}
