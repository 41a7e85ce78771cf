"""The list of probes: each is named by its question, found in the package, and hides no module."""

import pkgutil
import subprocess
import sys

import pytest

from clipspace import probes


def test_every_probe_of_the_list_is_a_function_of_the_package():
    for probe in probes.PROBES:
        assert callable(getattr(probes, probe.function)), probe.name
        assert probe.question.endswith("?")
        assert probe.function in probes.__all__
    assert len({probe.name for probe in probes.PROBES}) == len(probes.PROBES)


def test_every_name_is_there_and_none_hides_a_module():
    modules = {info.name for info in pkgutil.iter_modules(probes.__path__)}
    for name in probes.__all__:
        assert getattr(probes, name) is not None
        assert name not in modules
    with pytest.raises(AttributeError, match="nonsense"):
        probes.nonsense  # noqa: B018


def test_the_list_loads_no_probe():
    code = "import sys; from clipspace.probes import PROBES; print([m for m in ('numpy', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
