"""autofaiss's own choice of index for rows.npy, at a given memory: started by search.py with the Python that has it.

That environment is the one of peer_clip_retrieval.py. ``setting`` is what autofaiss tuned for its default, 10 ms a query.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import faiss
import numpy as np
from autofaiss import build_index
from children import answer, best, timed

K = 10


def main(work: str, allowed: str, threads: str, rounds: str) -> None:
    rows, queries = (np.load(Path(work, f"{name}.npy")) for name in ("rows", "queries"))
    faiss.omp_set_num_threads(int(threads))
    how = {"max_index_memory_usage": f"{int(allowed) / 2**20:.0f}MB", "current_memory_available": "16GB"}
    with contextlib.redirect_stdout(sys.stderr):
        (index, facts), spent = timed(
            lambda: build_index(rows, save_on_disk=False, metric_type="ip", nb_cores=int(threads), verbose=30, **how)
        )
    faiss.write_index(index, f"{work}/autofaiss.index")
    found, seconds = best(lambda: index.search(queries, K)[1], int(rounds))
    np.save(f"{work}/autofaiss.npy", found)
    answer(
        kind=facts["index_key"],
        setting=facts["index_param"],
        bytes=os.path.getsize(f"{work}/autofaiss.index"),
        search=seconds,
        found="autofaiss",
        **spent,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
