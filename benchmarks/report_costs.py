"""What each section of a report takes: the `Cost` that its analysis states, and how far a report's guess is from its time.

    OMP_NUM_THREADS=1 python benchmarks/report_costs.py FOLDER

Seconds are of the processor, not of the clock, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from clipspace.analyses import Cost, about, names
from clipspace.analyses.asking import Brought, ask
from clipspace.models.diffusion_decoder import DiffusionDecoder
from clipspace.models.encoder import NetworkEncoder
from clipspace.results.table import Table
from clipspace.space import load_space


class Counted:
    """Calls of a method of a class, with how much each did and the processor's seconds that it took."""

    def __init__(self, cls: type, name: str, work) -> None:
        self.work = self.seconds = 0.0
        method = getattr(cls, name)

        def counted(this, things, *rest, **options):
            begun = time.process_time()
            answer = method(this, things, *rest, **options)
            self.seconds += time.process_time() - begun
            self.work += work(things, options)
            return answer

        setattr(cls, name, counted)


def steps_of(z, options) -> float:
    """Evaluations of the network: guidance other than 0 and 1 takes two a step."""
    return len(z) * options["num_inference_steps"] * (1 if options.get("guidance_scale", 1) in (0, 1) else 2)


def measured(name: str, space, counters: dict[str, Counted]) -> dict[str, float]:
    """The cost of one analysis on rendered scenes, with its usual options."""
    for counter in counters.values():
        counter.work = counter.seconds = 0.0
    begun = time.process_time()
    ask(name, space, Brought(), seed=0)
    seconds = time.process_time() - begun
    draw, invert, encode = counters["draw"], counters["invert"], counters["encode"]
    step = draw.seconds / draw.work if draw.work else 0.0
    inverted = invert.seconds / step if step else 0.0
    rest = seconds - draw.seconds - invert.seconds - encode.seconds
    return {"steps": draw.work + inverted, "images": encode.work, "seconds": rest, "all": seconds, "step": step}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the table is written")
    parser.add_argument("--only", nargs="*", help="names of analyses")
    arguments = parser.parse_args()
    counters = {
        "draw": Counted(DiffusionDecoder, "draw", steps_of),
        "invert": Counted(DiffusionDecoder, "invert", steps_of),
        "encode": Counted(NetworkEncoder, "images", lambda images, _: len(images)),
    }
    space, rows = load_space("mini"), []
    for name in arguments.only or names():
        row = measured(name, space, counters)
        stated = about(name).cost or Cost(0, 0, 0.0)
        rows.append({"analysis": name, **row, **{f"stated {key}": value for key, value in stated._asdict().items()}})
        print(Table(rows, ("analysis",)), flush=True)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    Table(rows, ("analysis",)).save_csv(arguments.folder / "report_costs.csv")


if __name__ == "__main__":
    main()
