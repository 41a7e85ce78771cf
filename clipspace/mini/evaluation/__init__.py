"""What the model card reports of the mini space, part by part. `clipspace.mini.evaluate` runs it."""

from __future__ import annotations

from collections.abc import Callable

from clipspace.mini.evaluation.cycle import cycle, cycle_by_steps, guided_cycle
from clipspace.mini.evaluation.edits import pca_ladder, text_edits
from clipspace.mini.evaluation.encoder import retrieval, typographic, zero_shot_accuracy
from clipspace.mini.evaluation.inversion import ends, inversion
from clipspace.mini.evaluation.prior import prior
from clipspace.mini.evaluation.reading import Row
from clipspace.mini.evaluation.timing import speed, start_up

PARTS: dict[str, Callable[..., list[Row]]] = {
    "retrieval": retrieval,
    "zero-shot": zero_shot_accuracy,
    "typographic": typographic,
    "cycle": cycle,
    "guided-cycle": guided_cycle,
    "cycle-by-steps": cycle_by_steps,
    "inversion": inversion,
    "ends": ends,
    "text-diff": text_edits,
    "prior": prior,
    "pca": pca_ladder,
    "speed": speed,
    "start-up": start_up,
}
"""In the order of the card. Each takes the space, and most ``n``, the number of scenes."""
