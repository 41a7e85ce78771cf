"""All principal components of float16 rows on disk: clipspace against a bare pass and against scikit-learn.

    python benchmarks/pca.py --n 1000000 --d 768 --peer-rows 100000

Each method runs in a process of its own, in turns, so that peak memory is its own and a noisy machine is shared
fairly; the table has the least of the rounds. ``bare`` reads the file in blocks, converts to float32 and adds up
x.T @ x, and nothing else. scikit-learn is timed on the first ``--peer-rows`` rows: its time per row is what is
compared. ``angle`` is the largest angle to the subspace that exact float64 arithmetic gives.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from children import answer, spawn, timed
from vectors import write_float16

KEPT = (20, 80, 320)
BLOCK = 4096


def bare(x: np.ndarray) -> None:
    gram = np.zeros((x.shape[1], x.shape[1]))
    for start in range(0, len(x), BLOCK):
        block = x[start : start + BLOCK].astype(np.float32)
        gram += block.T @ block


def clipspace(x: np.ndarray) -> np.ndarray:
    from clipspace import PCA

    return PCA(normalize=False).fit(x).components_


def incremental(x: np.ndarray) -> np.ndarray:
    from sklearn.decomposition import IncrementalPCA

    return IncrementalPCA(x.shape[1]).fit(x).components_


def covariance(x: np.ndarray) -> np.ndarray:
    from sklearn.decomposition import PCA

    return PCA(svd_solver="covariance_eigh").fit(np.asarray(x, dtype=np.float32)).components_


def exact(x: np.ndarray) -> np.ndarray:
    """Components by two passes in float64."""
    blocks = range(0, len(x), BLOCK)
    mean = sum(x[i : i + BLOCK].sum(axis=0, dtype=np.float64) for i in blocks) / len(x)
    scatter = np.zeros((x.shape[1], x.shape[1]))
    for i in blocks:
        centred = x[i : i + BLOCK] - mean
        scatter += centred.T @ centred
    return np.linalg.eigh(scatter)[1].T[::-1]


METHODS = {"bare": bare, "clipspace": clipspace, "IncrementalPCA": incremental, "PCA(covariance_eigh)": covariance}
PEERS = ("IncrementalPCA", "PCA(covariance_eigh)")


def main() -> None:
    options = _options()
    if options.method:
        answer(**_run(options))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        options.file = Path(folder) / "x.npy"
        write_float16(options.file, options.n, options.d)
        runs: dict[str, list[dict]] = {method: [] for method in METHODS}
        for turn in range(options.rounds):
            for method in METHODS:
                if method in PEERS and turn:
                    continue
                runs[method].append(_spawn(method, options))
        _report(runs, _angles(Path(folder), options), options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--d", type=int, default=768)
    parser.add_argument("--peer-rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3, help="of bare and clipspace; peers run once")
    parser.add_argument("--folder", type=Path, help="where the file of n x d x 2 bytes is written, then deleted")
    parser.add_argument("--method", choices=METHODS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _spawn(method: str, options: argparse.Namespace) -> dict:
    return spawn(__file__, "--method", method, "--file", options.file, "--peer-rows", options.peer_rows)


def _run(options: argparse.Namespace) -> dict:
    """One method once, without imports: seconds and rows. Its components go beside the file."""
    x = np.load(options.file, mmap_mode="r")
    x = x[: options.peer_rows] if options.method in PEERS else x
    METHODS[options.method](x[: x.shape[1] + 1])
    components, spent = timed(lambda: METHODS[options.method](x))
    if components is not None:
        np.save(options.file.with_name(f"{options.method}.npy"), components)
    return {**spent, "rows": len(x)}


def _angles(folder: Path, options: argparse.Namespace) -> dict[str, list[float]]:
    from scipy.linalg import subspace_angles

    x = np.load(options.file, mmap_mode="r")
    angles = {}
    for method, rows in (("clipspace", len(x)), *((peer, options.peer_rows) for peer in PEERS)):
        truth, found = exact(x[:rows]), np.load(folder / f"{method}.npy")
        angles[method] = [float(subspace_angles(truth[:k].T, found[:k].T).max()) for k in KEPT if k < x.shape[1]]
    return angles


def _report(runs: dict[str, list[dict]], angles: dict[str, list[float]], options: argparse.Namespace) -> None:
    best = {method: min(rows, key=lambda run: run["wall"]) for method, rows in runs.items()}
    print(f"{options.n} x {options.d} float16 on disk, all components; least of {options.rounds} rounds, peers once")
    header = "".join(f"{f'angle {k}':>10}" for k in KEPT if k < options.d)
    print(f"{'':22}{'rows':>9}{'wall s':>8}{'cpu s':>8}{'us/row':>8}{'/ bare':>8}{'peak MiB':>10}{header}")
    unit = best["bare"]["wall"] / best["bare"]["rows"]
    for method, run in best.items():
        per_row = run["wall"] / run["rows"]
        shown = "".join(f"{angle:10.1e}" for angle in angles.get(method, []))
        print(
            f"{method:22}{run['rows']:9}{run['wall']:8.2f}{run['cpu']:8.2f}{per_row * 1e6:8.2f}"
            f"{per_row / unit:8.2f}{run['peak']:10.0f}{shown}"
        )
    ours, peer = (best[m]["wall"] / best[m]["rows"] for m in ("clipspace", "IncrementalPCA"))
    print(
        f"clipspace / bare {ours / unit:.2f} (at most 1.3), IncrementalPCA / clipspace {peer / ours:.1f} (at least 15)"
    )


if __name__ == "__main__":
    main()
