"""Three CLIPs of the same images whose captions mention other factors: does what is kept follow what was mentioned?

    python -m clipspace.mini.train_clip --work runs/places --policy places     # 40 minutes on two cores
    python -m clipspace.mini.train_clip --work runs/looks --policy looks       # the same images: link runs/places/*.npy
    python benchmarks/causal.py --places runs/places/clip --looks runs/looks/clip -o docs/calibration.md --figure docs/causal.png

The images, the architecture and the recipe are one; the captions are drawn by `clipspace.scenes.POLICIES`, three tables that
hold the same probabilities, given to other factors. So a difference between two of the spaces is the captions' doing. All
spaces are asked on the same scenes, which none was trained on, with the same folds: differences are paired.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
from calibration import markdown, write
from matplotlib.figure import Figure
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from clipspace.measure.cross_fitting import CAPACITIES
from clipspace.measure.estimate import Estimate
from clipspace.plot import COLORS, paper, save_figure, width
from clipspace.probes.factors.availability import Availability, availability
from clipspace.probes.factors.ceilings import scene_code
from clipspace.probes.factors.factor import scene_factors
from clipspace.probes.factors.layers import CODE, EMBEDDING, layers_of
from clipspace.probes.factors.salience import salience
from clipspace.scenes import POLICIES, UNSEEN, render, sample_scenes
from clipspace.space import Space, load_space, untrained_space

SEED = 3000
FIRST = "things"
"""The policy of the mini space."""
CONTROL = "untrained"


def layer(name: str) -> str:
    return EMBEDDING if name == FIRST else f"{name} {EMBEDDING}"


def measure(
    spaces: Mapping[str, Space], n: int, pairs: int
) -> tuple[dict[str, Availability], dict[str, dict[str, float]]]:
    """`Availability` of each factor in the embeddings of all spaces, the scene's code and the pixels; sensitivity by space."""
    scenes = sample_scenes(n, seed=UNSEEN + SEED)
    others = {name: space for name, space in spaces.items() if name != FIRST}
    layers = layers_of(spaces[FIRST], others, map(render, scenes), batch_size=64)
    layers = {name: x for name, x in layers.items() if name == "pixels" or name.endswith(EMBEDDING)}
    layers[CODE] = scene_code(scenes)
    found, moved = {}, {name: {} for name in spaces}
    for factor in scene_factors(scenes):
        found[factor.name] = availability(factor, layers, capacities=CAPACITIES, curve=False, seed=SEED)
        for name, space in spaces.items():
            salient = salience(space, factor, layers[layer(name)], pairs=pairs, seed=SEED, batch_size=64)
            moved[name][factor.name] = salient["sensitivity"].value
        print(factor.name, found[factor.name].is_measurable, flush=True)
    return found, moved


def share(found: Availability, name: str) -> Estimate:
    """Availability over its ceiling in the space of one policy."""
    return found.share(layer(name))


def over_one_ceiling(found: Availability, name: str) -> Estimate:
    """The same over a ceiling that all spaces share, so that differences of spaces know that they share their rows."""
    return found.skills[layer(name)].best.over(found.skills[found.ceiling].best)


def shares_table(found: Mapping[str, Availability]) -> str:
    """How often each policy mentions a factor, and how much of it the space trained on it keeps."""
    names = [*POLICIES, CONTROL]
    head = ["factor", *(f"{name}: said" for name in POLICIES), *(f"{name}: kept" for name in names), "ceiling", "n"]
    rows = []
    for factor, one in found.items():
        said = [f"{mentions[factor]:.1f}" for mentions in POLICIES.values()]
        ceiling = one.skills[one.ceiling].best
        kept = [shown(share(one, name)) for name in names] if one.is_measurable else ["not measurable"] * len(names)
        rows.append([factor, *said, *kept, f"{ceiling.value:.2f} ({one.ceiling})", str(ceiling.n)])
    return markdown(head, rows)


def shown(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def agreement_table(found: Mapping[str, Availability], moved: Mapping[str, Mapping[str, float]]) -> str:
    """Agreement of what each space keeps with what each policy mentions: Spearman's rho, and said beside never said.

    The second number is the chance that a factor which the policy mentions is kept better than one that it never mentions
    (the area under the ROC curve, 0.5 for unrelated ones): it asks whether, not how often, a factor is said.
    """
    factors = [factor for factor, one in found.items() if one.is_measurable]
    rows = []
    for name in [*POLICIES, CONTROL]:
        kept = {
            "availability": [share(found[factor], name).value for factor in factors],
            "sensitivity": [moved[name][factor] for factor in factors],
        }
        for measured, values in kept.items():
            cells = []
            for policy, mentions in POLICIES.items():
                said = [mentions[factor] for factor in factors]
                text = f"{spearmanr(values, said)[0]:.2f}, {roc_auc_score(np.array(said) > 0, values):.2f}"
                cells.append(f"**{text}**" if name == policy else text)
            rows.append([name, measured, *cells])
    top = (f"{highest([mentions[factor] for factor in factors]):.2f}, 1.00" for mentions in POLICIES.values())
    rows.append(["highest possible", "", *top])
    return markdown(["space", "measure", *(f"rho, area: with {name}" for name in POLICIES)], rows)


def highest(said: list[float]) -> float:
    """The rho of a ranking that breaks every tie of the truth, and nothing else."""
    return spearmanr(np.array(said) + 1e-9 * np.arange(len(said)), said)[0]


def differences(found: Mapping[str, Availability]) -> list[tuple[str, str, str, float, Estimate]]:
    """Of each two spaces and each factor that their policies mention unlike: both names, factor, difference said and kept."""
    return [
        (a, b, factor, POLICIES[a][factor] - POLICIES[b][factor], over_one_ceiling(one, a) - over_one_ceiling(one, b))
        for a, b in combinations(POLICIES, 2)
        for factor, one in found.items()
        if one.is_measurable and POLICIES[a][factor] != POLICIES[b][factor]
    ]


def differences_table(rows: list[tuple[str, str, str, float, Estimate]]) -> str:
    """How often the difference kept has the sign of the difference said; where the interval leaves 0 out, too.

    Two spaces that read a factor off every image are equal to the last digit: such ties have no sign, and count as misses.
    """
    lines = []
    for pair in [*combinations(POLICIES, 2), None]:
        chosen = [row for row in rows if pair in (None, row[:2])]
        right = [said * kept.value > 0 for *_, said, kept in chosen]
        clear = [said * kept.value > 0 for *_, said, kept in chosen if kept.low > 0 or kept.high < 0]
        ties = [factor for _, _, factor, _, kept in chosen if kept.value == 0]
        wrong = [
            f"{factor} ({said:+.1f}, {kept.value:+.2f})" for _, _, factor, said, kept in chosen if kept.value * said < 0
        ]
        name = "all" if pair is None else f"{pair[0]} − {pair[1]}"
        told = [", ".join(ties), ", ".join(wrong)] if pair else [str(len(ties)), str(len(wrong))]
        lines.append([name, f"{sum(right)} of {len(right)}", f"{sum(clear)} of {len(clear)}", *told])
    head = ["spaces", "right sign", "of those whose interval leaves 0 out", "tied", "wrong sign (said, kept)"]
    return markdown(head, lines)


def draw(found: Mapping[str, Availability]) -> Figure:
    """One row per factor; a mark per space, filled where its captions mention the factor and larger the more often."""
    factors = sorted(
        (factor for factor, one in found.items() if one.is_measurable),
        key=lambda factor: POLICIES[FIRST][factor] * 3 + POLICIES["places"][factor],
    )
    with paper("neurips"):
        figure = Figure(figsize=(width("neurips"), 0.27 * len(factors) + 1.1))
        ax = figure.subplots()
        for i, name in enumerate(POLICIES):
            for y, factor in enumerate(factors):
                one, said = share(found[factor], name), POLICIES[name][factor]
                at, color = y + 0.24 * (1 - i), COLORS[i]
                ax.plot([one.low, one.high], [at, at], color=color, linewidth=0.8)
                ax.scatter(
                    one.value, at, s=10 + 26 * said, facecolor=color if said else "white", edgecolor=color, zorder=3
                )
        for y, factor in enumerate(factors):
            ax.plot(share(found[factor], CONTROL).value, y, "|", color="0.5", markersize=12)
        for border in range(1, len(factors)):
            ax.axhline(border - 0.5, color="0.9", linewidth=0.6)
        ax.set_yticks(range(len(factors)), factors)
        ax.set(xlabel="kept: best held-out skill over its ceiling", ylim=(-0.6, len(factors) - 0.4))
        handles = [
            ax.scatter([], [], s=30, color=COLORS[i], label=f"trained on {name}") for i, name in enumerate(POLICIES)
        ]
        handles.append(ax.scatter([], [], s=10, facecolor="white", edgecolor="0.3", label="captions never say it"))
        handles.append(ax.plot([], [], "|", color="0.5", markersize=10, label="untrained")[0])
        figure.legend(handles=handles, loc="outside lower center", ncols=3, handletextpad=0.2, columnspacing=1)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=Path, required=True, help="folder of the CLIP trained with --policy places")
    parser.add_argument("--looks", type=Path, required=True, help="folder of the CLIP trained with --policy looks")
    parser.add_argument("--scenes", type=int, default=4000)
    parser.add_argument("--pairs", type=int, default=200, help="counterfactual pairs for each factor")
    parser.add_argument("-o", "--output", type=Path, help="document whose section <!-- causal --> is replaced")
    parser.add_argument("--figure", type=Path)
    args = parser.parse_args()
    spaces = {
        FIRST: load_space("mini", prior=False),
        **{name: load_space(f"local-dir:{getattr(args, name)}") for name in ("places", "looks")},
        CONTROL: untrained_space("mini", seed=SEED),
    }
    found, moved = measure(spaces, args.scenes, args.pairs)
    tables = [shares_table(found), agreement_table(found, moved), differences_table(differences(found))]
    write({"causal": "\n\n".join(tables)}, args.output)
    if args.figure:
        save_figure(draw(found), args.figure)


if __name__ == "__main__":
    main()
