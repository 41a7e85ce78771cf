"""Each method of a benchmark in a process of its own, so that its memory and its processor time are its own.

`spawn` starts a script, and watches it; the script ends with `answer`, which prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_EVERY = 0.25


def spawn(script: Path | str, *arguments: Any, python: str = sys.executable) -> dict[str, Any]:
    """What the script answered, and ``peak``: the most MiB that it and its children had resident together.

    Between looks, memory of the children can rise unseen; that of the script itself cannot, it reports its own.
    """
    command = [python, "-W", "ignore", str(script), *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, sum(_resident(pid) for pid in _family(process.pid)))
        time.sleep(_EVERY)
    lines = process.stdout.read().splitlines()
    if process.returncode or not lines:
        raise SystemExit(f"{' '.join(command)} failed with code {process.returncode}")
    found = json.loads(lines[-1])
    return {**found, "peak": max(peak, found.get("peak", 0.0))}


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """The result of ``work``, and its wall and processor seconds (with those of children that have ended)."""
    before, began = _processor(), time.perf_counter()
    result = work()
    return result, {"wall": time.perf_counter() - began, "cpu": _processor() - before}


def best(work: Callable[[], Any], rounds: int) -> tuple[Any, float]:
    """The last result of ``work``, and the least of its wall seconds."""
    seconds = []
    for _ in range(rounds):
        result, spent = timed(work)
        seconds.append(spent["wall"])
    return result, min(seconds)


def answer(**facts: Any) -> None:
    """Print what `spawn` returns: the facts, and the most memory that this process ever had."""
    print(json.dumps({**facts, "peak": most()}), flush=True)


def most() -> float:
    """MiB. Not ru_maxrss, which a child takes over from its parent."""
    status = Path("/proc/self/status")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1024 if status.exists() else 0.0


def _processor() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def _family(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        children = [c for task in os.listdir(f"/proc/{pid}/task") for c in _children(pid, task)]
    except OSError:
        return [pid]
    return [pid, *(below for child in children for below in _family(child))]


def _children(pid: int, task: str) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split()]


def _resident(pid: int) -> float:
    """MiB, pages that processes share counted once among them; 0 for one that has ended."""
    try:
        found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0
