"""The table of docs/memory.md is the script's."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_table_of_memory_is_what_the_script_computes(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.delitem(sys.modules, "memory", raising=False)
    import memory

    memory.main()
    table = capsys.readouterr().out
    assert table.count("\n") == len(memory.CLIPS) + 2
    assert table in (ROOT / "docs/memory.md").read_text()
