from pathlib import Path

import pytest

from clipspace.errors import InputError
from clipspace.scenes.fonts import PILLOWS, label_font, load_font, missing


def test_english_keeps_pillows_own_font_and_other_scripts_have_one():
    assert load_font("ipod", 20).getname()[0] == "Aileron"
    for word in ("café", "яблоко", "μήλο", "groß"):
        assert load_font(word, 20).getname()[0] == "DejaVu Sans"


def test_characters_without_a_glyph_are_named_once():
    assert missing("a猫b猫", PILLOWS) == ["猫"]
    with pytest.raises(InputError, match="DejaVu Sans lacks '猫', '子'; pass font="):
        load_font("猫子猫", 20)
    with pytest.raises(InputError, match=r"lacks '\\n'"):
        load_font("two\nlines", 20)


def test_a_font_of_ones_own_is_used_and_held_to_its_characters(tmp_path):
    from matplotlib import get_data_path

    mono = Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSansMono.ttf"
    assert load_font("ipod", 20, mono).getname()[0] == "DejaVu Sans Mono"
    with pytest.raises(InputError, match="DejaVu Sans Mono lacks '猫'"):
        load_font("猫", 20, mono)
    with pytest.raises(InputError, match="not there"):
        load_font("a", 20, tmp_path / "no.ttf")
    (tmp_path / "a.ttf").write_bytes(b"no font")
    with pytest.raises(InputError, match="TrueType or OpenType"):
        load_font("a", 20, tmp_path / "a.ttf")


def test_labels_always_have_a_font():
    assert label_font(["one\nline", "θ"], 12).getname()[0] == "DejaVu Sans"
    assert label_font(["猫"], 12).getname()[0] == "DejaVu Sans"
    assert label_font([], 12).getname()[0] == "Aileron"
