"""clip-retrieval's own inference worker on a folder of images: started by encode.py with the Python that has it.

That environment: ``python -m venv peer && peer/bin/pip install clip-retrieval autofaiss 'setuptools<70' 'faiss-cpu<1.8'`` (numpy < 2).
The model is loaded, and warmed up, before the clock starts: the worker takes it from its own cache.
"""

from __future__ import annotations

import contextlib
import sys

import numpy as np
import pandas
from all_clip import load_clip
from children import answer, timed
from clip_retrieval.clip_inference.worker import worker

BATCH = 256


def main(images: str, output: str, weights: str, threads: str) -> None:
    import torch

    torch.set_num_threads(int(threads))
    model = {"clip_model": f"open_clip:ViT-B-32/{weights}", "use_jit": False}
    how = {"batch_size": BATCH, "enable_text": False, "num_prepro_workers": 4, **model}
    with contextlib.redirect_stdout(sys.stderr):
        load_clip(**model, warmup_batch_size=BATCH, clip_cache_path=None)
        _, facts = timed(lambda: worker([0], images, output, 1, **how))
    names = pandas.read_parquet(f"{output}/metadata/metadata_0.parquet")["image_path"]
    vectors = np.load(f"{output}/img_emb/img_emb_0.npy")
    np.save(f"{output}.npy", vectors[np.argsort(names.to_numpy())])
    answer(**facts)


if __name__ == "__main__":
    main(*sys.argv[1:])
