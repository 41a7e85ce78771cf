"""Shared fixtures: a seeded generator, and the mini space loaded once."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pytest

from clipspace.scenes import Scene, Thing, render


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def space():
    from clipspace import load_space

    return load_space("mini", device="cpu")


@pytest.fixture(scope="session")
def apple():
    return render(Scene("white", (Thing("apple", "red"),)))


@pytest.fixture(scope="session")
def house():
    return render(Scene("mint", (Thing("house", "blue", x=0.4, rotation=12),)))
