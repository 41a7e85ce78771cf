"""Encoding photographs with ViT-B-32 of random weights: clipspace against the usual loop and a DataLoader.

    CLIPSPACE_TEST_DATA=… python benchmarks/encode.py --n 2000 --rounds 3

Each method runs in a process of its own, in turns, so that peak memory is its own and a noisy machine is shared
fairly; CPU seconds move less with the load than rates do. ``model`` is what the model alone reaches on tensors
that are in memory already.
``dataloader`` has the form of clip-retrieval's worker (four loading processes, batches in order, float16 directions).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

METHODS = ("loop", "dataloader", "clipspace", "model")
BATCH = 64


def main() -> None:
    options = _options()
    if options.method:
        print(json.dumps(_run(options)))
        return
    with tempfile.TemporaryDirectory() as work:
        photos = _photographs(Path(os.environ["CLIPSPACE_TEST_DATA"]) / "photos", Path(work) / "in", options.n)
        runs: dict[str, list[dict]] = {method: [] for method in METHODS}
        for _ in range(options.rounds):
            for method in METHODS:
                command = [
                    sys.executable,
                    "-W",
                    "ignore",
                    __file__,
                    "--method",
                    method,
                    "--work",
                    work,
                    "--threads",
                    str(options.threads),
                ]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                runs[method].append(json.loads(done.stdout.splitlines()[-1]))
        _report(runs, len(photos), options, _cosines(Path(work)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--method", choices=METHODS, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _photographs(folder: Path, target: Path, n: int) -> list[Path]:
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
    return sorted(target.iterdir())


def _random_vit(threads: int):
    import logging

    import open_clip
    import torch

    logging.disable(logging.WARNING)  # that the weights are random

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model, _, preprocess = open_clip.create_model_and_transforms("ViT-B-32")
    return model.eval(), preprocess


def _run(options: argparse.Namespace) -> dict:
    import torch

    model, preprocess = _random_vit(options.threads)
    files = sorted((options.work / "in").iterdir())
    with torch.no_grad():
        model.encode_image(torch.zeros(BATCH, 3, 224, 224))  # warm
        before = _cpu_seconds()
        seconds, vectors = globals()[f"_{options.method}"](model, preprocess, files, options.work)
    if vectors is not None:
        np.save(options.work / f"{options.method}.npy", vectors)
    return {"seconds": seconds, "cpu": _cpu_seconds() - before, "peak": _usage().ru_maxrss / 2**10}


def _usage(who: int = resource.RUSAGE_SELF) -> resource.struct_rusage:
    return resource.getrusage(who)


def _cpu_seconds() -> float:
    """Of this process and of the loading processes that have ended."""
    return sum(u.ru_utime + u.ru_stime for u in (_usage(), _usage(resource.RUSAGE_CHILDREN)))


def _loop(model, preprocess, files, work):
    """The usual loop of open_clip's README, in batches."""
    import torch

    began, chunks = time.perf_counter(), []
    for start in range(0, len(files), BATCH):
        images = [preprocess(Image.open(file).convert("RGB")) for file in files[start : start + BATCH]]
        chunks.append(model.encode_image(torch.stack(images)).numpy())
    return time.perf_counter() - began, np.concatenate(chunks)


class _Files:
    def __init__(self, files, preprocess) -> None:
        self.files, self.preprocess = files, preprocess

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int):
        return self.preprocess(Image.open(self.files[i]).convert("RGB"))


def _dataloader(model, preprocess, files, work):
    import torch

    began, chunks = time.perf_counter(), []
    loader = torch.utils.data.DataLoader(_Files(files, preprocess), BATCH, num_workers=4, prefetch_factor=2)
    for images in loader:
        vectors = model.encode_image(images)
        chunks.append((vectors / vectors.norm(dim=-1, keepdim=True)).to(torch.float16).numpy())
    return time.perf_counter() - began, np.concatenate(chunks)


def _clipspace(model, preprocess, files, work):
    from clipspace.encoding import encode
    from clipspace.models.clip import Encoder
    from clipspace.space import Space
    from clipspace.store import open_store

    space = Space("random", Encoder(model, preprocess, None, name="random"))
    with tempfile.TemporaryDirectory(dir=work) as output:
        began = time.perf_counter()
        encode(space, work / "in", output, progress=False)
        seconds = time.perf_counter() - began
        return seconds, np.array(open_store(output)[:].vectors)


def _model(model, preprocess, files, work):
    """Images that are tensors already: a model of one thread on each core, the fastest way found on the CPU."""
    from concurrent.futures import ThreadPoolExecutor

    import torch

    @torch.inference_mode()
    def forward(batch: torch.Tensor) -> None:
        model.encode_image(batch)

    threads, batches = torch.get_num_threads(), [torch.randn(32, 3, 224, 224)] * -(-len(files) // 32)
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        began = time.perf_counter()
        list(pool.map(forward, batches))
    return (time.perf_counter() - began) * len(files) / (32 * len(batches)), None


def _report(runs, n, options, cosines) -> None:
    rate = {method: n / np.median([run["seconds"] for run in done]) for method, done in runs.items()}
    print(f"{n} photographs, ViT-B-32 of random weights, {options.threads} threads, median of {options.rounds} rounds")
    print(f"{'method':12} {'images/s':>9} {'of loop':>8} {'of model':>9} {'CPU s':>7} {'peak MiB':>9}  rounds, s")
    for method, done in runs.items():
        peak, cpu = max(run["peak"] for run in done), np.median([run["cpu"] for run in done])
        ratios = f"{rate[method] / rate['loop']:7.2f}x {rate[method] / rate['model']:9.2f}"
        rounds = " ".join(f"{run['seconds']:.1f}" for run in done)
        print(f"{method:12} {rate[method]:9.1f} {ratios} {cpu:7.1f} {peak:9.0f}  {rounds}")
    print(f"lowest cosine to the loop: clipspace {cosines['clipspace']:.7f}, dataloader {cosines['dataloader']:.7f}")


def _cosines(work: Path) -> dict[str, float]:
    def unit(method: str) -> np.ndarray:
        vectors = np.load(work / f"{method}.npy").astype(np.float64)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return {method: float((unit(method) * unit("loop")).sum(axis=1).min()) for method in ("clipspace", "dataloader")}


if __name__ == "__main__":
    main()
