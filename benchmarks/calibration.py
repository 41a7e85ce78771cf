"""Calibrate the image probes on the mini space, where the truth is known, and write docs/calibration.md.

    python benchmarks/calibration.py -o docs/calibration.md
    python benchmarks/calibration.py --only retention --scenes 1500 --decoded 0 --controls 1     # a quick look

Every scene is of a seed that no training saw (training used seed 0).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clipspace.errors import InputError
from clipspace.measure.cross_fitting import CAPACITIES
from clipspace.points.sphere import angle
from clipspace.probes.binding import KINDS, binding_quartets, choice_accuracy, decoded_binding, group_scores
from clipspace.probes.binding_of_images import unimodal_binding
from clipspace.probes.datasets import Choice
from clipspace.probes.factors import rank_agreement, retention
from clipspace.probes.factors.sensitivity import typical_angle
from clipspace.probes.typographic import typographic_attack
from clipspace.results.result import Result
from clipspace.results.table import Row, Table
from clipspace.scenes import MENTIONS, THINGS, counterfactual, render, sample_scenes
from clipspace.sources.images import SUFFIXES
from clipspace.space import Space, load_space, untrained_space

SEED = 3000
STEPS = 20
HIDDEN = 0.2
"""A change of the hidden share of a thing by this much counts as the card covering or baring it."""


def in_words(how_often: float) -> str:
    return {0.0: "never", 1.0: "always"}.get(how_often, f"{how_often:.1f}")


READ_OUT = ("availability", "best", "linear", "neighbours", "mlp", "selectivity", "bits", "usable")
"""Components of the first table; those of salience and of decodes are in the second."""


def retention_table(result: Result) -> str:
    """Two tables, factors from available to not: what read-outs find, beside what captions say; salience and decodes."""
    of_layer = {row.factor: dict(row) for row in result.where(layer="embedding").pivot("factor", "component")}
    for layer in ("features", "pixels", "code"):
        for row in result.where(layer=layer, component="best") if layer in result.column("layer") else ():
            of_layer[row.factor][f"best of {layer}"] = row.value
    if "decodes" in result.column("layer"):
        for row in result.where(layer="decodes").pivot("factor", "component"):
            of_layer[row.factor] |= row
    components = list(dict.fromkeys(name for row in of_layer.values() for name in row if name != "factor"))
    first = [name for name in components if name in READ_OUT or name.startswith("best of")]
    second = [name for name in components if name not in first]
    intervals = {row.factor: interval(row) for row in result.where(layer="embedding", component="availability")}
    read, moved = [], []
    for name in result.labels["factors"]:
        cells = {
            part: "" if value is None else f"{value:.2f}" for part, value in of_layer[name].items() if part != "factor"
        }
        n = str(result["embedding", "best", name].n)
        ends = intervals.get(name, "not measurable here")
        read.append([name, in_words(MENTIONS[name]), *(cells.get(part, "") for part in first), ends, n])
        moved.append([name, *(cells.get(part, "") for part in second)])
    head = ["factor", "captions say it", *first, "95 % of availability", "n"]
    return markdown(head, read) + "\n\n" + markdown(["factor", *second], moved)


def agreement_table(results: dict[str, Result]) -> str:
    """Spearman's rho of every component with the truth, plain and beyond the first control: mini, and the controls."""
    names = list(results)
    rows = []
    for name, found in results.items():
        control = results[names[1]] if name != names[1] else None
        try:
            plain, wide = (rank_agreement(found, MENTIONS, over=over) for over in ("images", "factors"))
            beyond = None if control is None else rank_agreement(found, MENTIONS, control=control, over="factors")
        except InputError as error:
            rows.append([name, str(error), *[""] * 5])
            continue
        for row in plain:
            if row.low is None:
                rows.append([name, row.component, f"{row.value:.2f}", "", "", "", ""])
                continue
            part, more = row.component, ["", ""]
            if beyond is not None and part in beyond.column("component"):
                more = [f"{beyond[part].value:.2f}", interval(beyond[part])]
            rows.append([name, part, f"{row.value:.2f}", interval(row), interval(wide[part]), *more])
    head = ["space", "component", "rho", "95 % over images", "95 % over factors too", "rho beyond control", "95 %"]
    return markdown(head, rows)


def occlusion_table(space: Space, n: int = 800) -> str:
    """Why z moves when a card does: sensitivity to its height, by what the move does to the thing beneath."""
    typical = typical_angle(space.encode_images([render(s) for s in sample_scenes(1000, seed=SEED + 1)]).vectors)
    rows = []
    for layout in ("card", "one+card"):
        scenes = sample_scenes(n, seed=SEED + 2, layout=layout)
        changed = [counterfactual(s, "card_y", np.random.default_rng([SEED, i])) for i, s in enumerate(scenes)]
        before, after = (space.encode_images([render(s) for s in part]).vectors for part in (scenes, changed))
        moved = angle(before, after) / typical
        if layout == "card":
            rows.append(["a card alone", f"{moved.mean():.3f}", str(n)])
            continue
        hidden = np.array([[share_hidden(s), share_hidden(c)] for s, c in zip(scenes, changed, strict=True)])
        gap = np.abs(hidden[:, 0] - hidden[:, 1])
        for what, where in (
            ("a card that hides nothing of the thing before or after", hidden.max(axis=1) == 0),
            (f"a card that hides {HIDDEN:.0%} more or less of it", gap > HIDDEN),
        ):
            rows.append([what, f"{moved[where].mean():.3f}", str(int(where.sum()))])
    return markdown(["moving the card up or down", "sensitivity", "pairs"], rows)


def share_hidden(scene) -> float:
    """Share of the thing's pixels that its card covers."""
    without = np.asarray(render(scene.without_card()), dtype=int)
    thing = (np.abs(without - without[0, 0]) > 40).any(axis=2)
    covered = (np.asarray(render(scene), dtype=int) != without).any(axis=2)
    return float((thing & covered).sum() / max(1, thing.sum()))


def attack_tables(space: Space, n: int, decoded: int) -> list[str]:
    """The attack and its controls, against the size of the card, and as the decoder sees it."""
    scenes = sample_scenes(n, seed=SEED + 3, layout="one")
    truth = [scene.things[0].kind for scene in scenes]
    rng = np.random.default_rng(SEED)
    words = [str(rng.choice([kind for kind in THINGS if kind != thing])) for thing in truth]
    pictures = [render(scene) for scene in scenes]
    tables = [scores_table(typographic_attack(space, pictures, truth, words, labels=list(THINGS)).table)]
    if decoded:
        part = (pictures[:decoded], truth[:decoded], words[:decoded])
        how = {"labels": list(THINGS), "widths": (), "decodes": 2, "num_inference_steps": STEPS}
        seen = typographic_attack(space, *part, **how)
        tables.append(scores_table(seen.where(view="decoded", score="share")))
    return tables


def binding_table(space: Space, n: int) -> str:
    """Winoground's scores and the two-way accuracy for each kind of binding."""
    rows = []
    for kind in KINDS:
        quartets = binding_quartets(kind, n, seed=SEED + 4)
        choices = [Choice(q.images[i], (q.captions[i], q.captions[1 - i])) for q in quartets for i in (0, 1)]
        scores = [*group_scores(space, quartets), choice_accuracy(space, choices)["accuracy"]]
        rows.append([kind, *(f"{s.value:.2f} ({interval(s)})" for s in scores)])
    chances = ["chance", "0.25", "0.25", "0.17", "0.50"]
    return markdown(["traded", "text", "image", "group", "two captions"], [*rows, chances])


def unimodal_table(space: Space, n: int) -> str:
    """How often a probe of images alone tells a binding from the traded one, in z and in each control."""
    found = unimodal_binding(space, n=n, seed=SEED + 5)
    views = list(dict.fromkeys(found.column("view")))
    rows = []
    for kind in KINDS:
        row = [found[kind, view] for view in views]
        rows.append([kind, *(f"{share.value:.2f} ({interval(share)})" for share in row)])
    return markdown(["traded", *views], rows)


def plain_table(result: Result) -> str:
    """Factors and components, without what captions say."""
    frame = result.table.where(layer="embedding").pivot("factor", "component").to_frame().astype(float)
    rows = [[name, *("" if np.isnan(value) else f"{value:.2f}" for value in frame.loc[name])] for name in frame.index]
    return markdown(["factor", *frame.columns], rows)


def scores_table(table: Table) -> str:
    rows = [
        [
            *("" if row[key] is None else str(row[key]) for key in table.keys),
            f"{row.value:.3f}",
            "" if row.chance is None else f"{row.chance:.3f}",
            interval(row),
            str(row.n),
        ]
        for row in table
    ]
    return markdown([*table.keys, "value", "chance", "95 %", "n"], rows)


def interval(score: Row) -> str:
    return f"{score.low:.2f} to {score.high:.2f}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def retention_part(args: argparse.Namespace) -> dict[str, str]:
    scenes = sample_scenes(args.scenes, seed=SEED)
    how = {"pairs": args.pairs, "seed": 0, "capacities": args.capacities}
    results = {"mini": retention(load_space("mini"), scenes, decoded=args.decoded, num_inference_steps=STEPS, **how)}
    for seed in range(1, args.controls + 1):
        results[f"untrained {seed}"] = retention(untrained_space("mini", seed=seed), scenes, **how)
    table = retention_table(results["mini"])
    if args.decoded:
        closed = float(results["mini"].arrays["cycle agreement"])
        table += f"\n\nCycle agreement of E(D(z)) with z: {closed:.2f} (1 closes, 0 is an unrelated image)."
    return {
        "retention": table,
        "untrained": plain_table(results["untrained 1"]),
        "agreement": agreement_table(results),
    }


def attack_part(args: argparse.Namespace) -> dict[str, str]:
    return {"attack": "\n\n".join(attack_tables(load_space("mini"), 400, args.decoded))}


def binding_part(args: argparse.Namespace) -> dict[str, str]:
    space = load_space("mini")
    table = binding_table(space, 400) + "\n\n" + unimodal_table(space, 100)
    if args.decoded:
        swaps = decoded_binding(space, "color", n=args.decoded, decodes=2, num_inference_steps=STEPS, seed=SEED + 4)
        table += f"\n\n{scores_table(swaps.table)}"
    return {"binding": table}


def photos_part(args: argparse.Namespace) -> dict[str, str]:
    if args.photos is None:
        return {}
    photos = sorted(path for path in args.photos.iterdir() if path.suffix.lower() in SUFFIXES)
    return {
        "photos mini": plain_table(retention(load_space("mini"), photos, pairs=60)),
        "photos vit": plain_table(retention(untrained_space("ViT-B-32", seed=1), photos[:60], pairs=20)),
    }


PARTS = {
    "retention": retention_part,
    "occlusion": lambda args: {"occlusion": occlusion_table(load_space("mini"))},
    "attack": attack_part,
    "binding": binding_part,
    "photos": photos_part,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--scenes", type=int, default=6000)
    parser.add_argument("--pairs", type=int, default=300)
    parser.add_argument("--controls", type=int, default=3, help="spaces with random weights, at least one")
    parser.add_argument("--decoded", type=int, default=40, help="scenes to decode in each part; 0 for none")
    parser.add_argument("--capacities", nargs="+", default=list(CAPACITIES), choices=list(CAPACITIES))
    parser.add_argument("--photos", type=Path, help="folder of photographs for the augmentation tables")
    parser.add_argument("-o", "--output", type=Path, help="file whose tables are replaced; printed when none")
    args = parser.parse_args()
    for part in args.only:
        begun = time.monotonic()
        write(PARTS[part](args), args.output)
        print(f"{part}: {time.monotonic() - begun:.0f} s", file=sys.stderr)


def write(tables: dict[str, str], output: Path | None) -> None:
    """Put each table between its markers in ``output``; print it where there is no file, or no marker for it."""
    text = "" if output is None else output.read_text()
    for name, table in tables.items():
        head, marker, rest = text.partition(f"<!-- {name} -->\n")
        if not marker:
            print(f"## {name}\n\n{table}\n")
            continue
        tail = rest.partition(f"<!-- /{name} -->")[2]
        text = f"{head}{marker}\n{table}\n\n<!-- /{name} -->{tail}"
    if output is not None:
        output.write_text(text)


if __name__ == "__main__":
    main()
