"""Encoding photographs with ViT-B-32 of random weights: clipspace, the usual loop, and clip-retrieval's worker.

    CLIPSPACE_TEST_DATA=… python benchmarks/encode.py --peer-python peer/bin/python

``loop`` is the loop of open_clip's README in batches of 64. ``clip-retrieval`` is its own worker with its defaults
(four loading processes, batches of 256, float16 directions) on the same weights, in an environment of its own, as
it needs numpy < 2 (peer_clip_retrieval.py says how to make one). ``model`` is what the model alone reaches on
tensors that are in memory already. The methods run in turns, each in a process of its own; memory is that of the
process and its children, libraries included. All vectors are compared with the loop's.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
from children import answer, spawn, timed
from PIL import Image

METHODS = ("loop", "clipspace", "model")
PEER = "clip-retrieval"
BATCH = 64


def main() -> None:
    options = _options()
    if options.method:
        answer(**_run(options))
        return
    with tempfile.TemporaryDirectory() as work:
        options.work = Path(work)
        _photographs(Path(os.environ["CLIPSPACE_TEST_DATA"]) / "photos", options.work / "in", options.n)
        _spawn("weights", options)
        methods = [*METHODS, *([PEER] if options.peer_python else [])]
        runs: dict[str, list[dict]] = {method: [] for method in methods}
        for _ in range(options.rounds):
            for method in methods:
                runs[method].append(_spawn(method, options))
        _report(runs, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--peer-python", help="the Python of an environment with clip-retrieval")
    parser.add_argument("--small", action="store_true", help="96 photographs, one round: does it run")
    parser.add_argument("--method", help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.small:
        options.n, options.rounds = 96, 1
    return options


def _spawn(method: str, options: argparse.Namespace) -> dict:
    work, threads = options.work, options.threads
    if method == PEER:
        script = Path(__file__).with_name("peer_clip_retrieval.py")
        how = (work / "in", work / PEER, work / "weights.safetensors", threads)
        return spawn(script, *how, python=options.peer_python)
    return spawn(__file__, "--method", method, "--work", work, "--threads", threads)


def _photographs(folder: Path, target: Path, n: int) -> None:
    """``n`` JPEG files: the photographs as they are, then crops of them, so that no two are the same."""
    target.mkdir()
    originals, rng = sorted(folder.iterdir()), np.random.default_rng(0)
    for i in range(n):
        source, place = originals[i % len(originals)], target / f"{i:05d}.jpg"
        if i < len(originals):
            place.write_bytes(source.read_bytes())
            continue
        image = Image.open(source).convert("RGB")
        left, top = (int(rng.integers(max(1, side // 10))) for side in image.size)
        image.crop((left, top, image.width, image.height)).save(place, quality=92)


def _vit(options: argparse.Namespace):
    """The model with the weights that all methods share, made by the first process."""
    import logging

    import open_clip
    import torch
    from safetensors.torch import load_file, save_file

    logging.disable(logging.WARNING)  # that the weights are random
    torch.set_num_threads(options.threads)
    model, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32")
    weights = options.work / "weights.safetensors"
    if not weights.exists():
        save_file(model.state_dict(), weights)
    model.load_state_dict(load_file(weights))
    return model.eval(), preprocess


def _run(options: argparse.Namespace) -> dict:
    import torch

    model, preprocess = _vit(options)
    if options.method == "weights":
        return {}
    files = sorted((options.work / "in").iterdir())
    with torch.no_grad():
        model.encode_image(torch.zeros(BATCH, 3, 224, 224))  # warm
        vectors, facts = timed(lambda: globals()[f"_{options.method}"](model, preprocess, files, options.work))
    if vectors is None:
        return facts
    np.save(options.work / f"{options.method}.npy", vectors)
    return facts


def _loop(model, preprocess, files, work):
    import torch

    chunks = []
    for start in range(0, len(files), BATCH):
        images = [preprocess(Image.open(file).convert("RGB")) for file in files[start : start + BATCH]]
        chunks.append(model.encode_image(torch.stack(images)).numpy())
    return np.concatenate(chunks)


def _clipspace(model, preprocess, files, work):
    import open_clip

    from clipspace.models.encoder import NetworkEncoder
    from clipspace.models.open_clip_network import open_clip_network
    from clipspace.points.store import open_store
    from clipspace.space import Space
    from clipspace.space.encoding import encode

    network = open_clip_network(model, preprocess, open_clip.get_tokenizer("ViT-B-32"))
    space = Space("random", NetworkEncoder(network, name="random", identifier="ViT-B-32"))
    output = Path(tempfile.mkdtemp(dir=work)) / "store"
    encode(space, work / "in", output)
    return np.array(open_store(output)[:].vectors)


def _model(model, preprocess, files, work):
    """As many images as there are files: a model of one thread on each core, the fastest way found on the CPU."""
    from concurrent.futures import ThreadPoolExecutor

    import torch

    @torch.inference_mode()
    def forward(batch: torch.Tensor) -> None:
        model.encode_image(batch)

    whole, rest = divmod(len(files), 32)
    batches = [torch.randn(32, 3, 224, 224)] * whole + ([torch.randn(rest, 3, 224, 224)] if rest else [])
    with ThreadPoolExecutor(torch.get_num_threads(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        list(pool.map(forward, batches))


def _report(runs: dict[str, list[dict]], options: argparse.Namespace) -> None:
    rate = {method: options.n / np.median([run["wall"] for run in done]) for method, done in runs.items()}
    print(
        f"{options.n} photographs, ViT-B-32 of random weights, {options.threads} threads, median of {options.rounds} rounds"
    )
    print(
        f"{'':15}{'images/s':>9}{'of loop':>9}{'of model':>9}{'cpu s':>8}{'peak MiB':>10}{'least cosine':>14}  rounds, s"
    )
    for method, done in runs.items():
        peak, cpu = max(run["peak"] for run in done), np.median([run["cpu"] for run in done])
        cosine = f"{_least_cosine(options.work, method):14.7f}" if method != "model" else " " * 14
        rounds = " ".join(f"{run['wall']:.1f}" for run in done)
        print(
            f"{method:15}{rate[method]:9.1f}{rate[method] / rate['loop']:8.2f}x{rate[method] / rate['model']:9.2f}"
            f"{cpu:8.1f}{peak:10.0f}{cosine}  {rounds}"
        )
    print("aims: clipspace at least 1.2x the loop and not below clip-retrieval, cosine 0.9999; 0.9 of the model")
    if PEER not in runs:
        print("clip-retrieval was not run: give --peer-python")


def _least_cosine(work: Path, method: str) -> float:
    """Lowest cosine of any image to the loop's, both in the order of file names."""

    def unit(name: str) -> np.ndarray:
        vectors = np.load(work / f"{name}.npy").astype(np.float64)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return float((unit(method) * unit("loop")).sum(axis=1).min())


if __name__ == "__main__":
    main()
