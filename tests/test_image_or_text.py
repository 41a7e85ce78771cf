from pathlib import Path

import pytest

from clipspace.errors import InputError
from clipspace.sources.image_or_text import Text, is_text, looks_like_path, parse_argument

TEXTS = [
    "a photo of a cat.", "a cat and/or a dog", "50/50 split", "50/50", "24/7", "1/2 apple", "v1.5 logo", "Dr. No",
    "e.g. apple", "St. Mark's Square", "U.S.A.", "Ph.D", "Node.js", "booking.com", "No.1", "3.5", "9:41", "a.m.",
    "he/she or they", "A/B test of a page", "black / white", "\\alpha", "what is this?", "C#", "", "a", "cat", "...",
    "猫", "a 4/5 rating", "TCP/IP network", "text: none", "note: a cat", "10%", "#1", "@home", "~5 apples", "~", ". . .",
    "a screenshot of https://example.org in a browser", "either a png or a jpg", "first line\nsecond line", "x" * 5000,
    "an\0odd one", "ratio 16:9", "$5/month plan", "rock 'n' roll", "(a)", "F1 car", "A. B. See", "Mr.Bean", "WALL·E",
]  # fmt: skip

PATHS = [
    "IMG_1.jfif", "cat.png", "cat.PNG", " cat.png ", "'cat.png'", "My Photo 1.jpg", "a.heic", "b.avif", "c.ppm", "d.jp2",
    "e.tiff", "photos/cat.jpg", "/a/b/x", "/x", "./cat", "../cat", "~/cat.png", "~/cat", "~ann/cat", "C:\\a\\b.png",
    "C:/a/b", "D:\\x", "\\\\server\\share\\x", "..\\x", "photos\\cat", "https://x/y.jpg?w=400", "https://x/y", "s3://b/k",
    "file:///a/b c", "photos/2024/cat", "data/cat", "photos/", "cat.jpg?w=400", "cat.webp#top", "notes.txt", "clip.mp4",
    "photo.cr2", "a cat.svg", "cat.pdf", "vectors.npy", "part-0.parquet", "hf-hub://a/b",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_words_are_texts(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not looks_like_path(text)
    assert is_text(text)
    assert parse_argument(text) == text or text.startswith("text:")


@pytest.mark.parametrize("path", PATHS)
def test_a_path_to_nothing_is_an_error_that_says_both_readings(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert looks_like_path(path)
    with pytest.raises(InputError) as error:
        is_text(path)
    for part in (repr(path), "image or a text", "image:NAME", "text:WORDS", "pathlib.Path", "encode_texts"):
        assert part in str(error.value)


@pytest.mark.parametrize(
    "name", ["IMG_1.jfif", "IMG_1", "cat", "a cat and a dog", "x.txt", "y.jpg?w=400", "50%", "e.g"]
)
def test_a_file_that_is_there_is_an_image(name, tmp_path, monkeypatch, apple):
    monkeypatch.chdir(tmp_path)
    apple.save(name, "JPEG")
    assert not is_text(name)
    assert parse_argument(name) == name


def test_a_file_that_is_no_image_is_neither_until_it_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("LICENSE").write_text("words")
    with pytest.raises(InputError, match="file here that is no image"):
        is_text("LICENSE")
    assert parse_argument("text:LICENSE") == "LICENSE"
    assert is_text(parse_argument("text:LICENSE"))
    assert parse_argument("image:LICENSE") == Path("LICENSE")


def test_a_folder_of_that_name_leaves_a_word_a_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("cat").mkdir()
    assert is_text("cat")
    Path("my photos").mkdir()
    with pytest.raises(InputError, match="no such file"):  # with a space, but below a folder that is there
        is_text("my photos/IMG 1")


def test_a_folder_is_no_image_and_on_the_command_line_no_text_until_it_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("cat").mkdir()
    for folder in ("cat/", "./cat", str(tmp_path)):
        with pytest.raises(InputError, match="is a folder; name one image"):
            is_text(folder)
    with pytest.raises(InputError, match=r"name of a folder here.*text:cat"):
        parse_argument("cat")
    assert parse_argument("text:cat") == "cat"


def test_what_is_no_string_is_no_text():
    assert not is_text(Path("missing.png"))
    assert not is_text(None)


def test_both_can_be_said_on_the_command_line(tmp_path, monkeypatch, apple):
    monkeypatch.chdir(tmp_path)
    apple.save("odd.png")
    assert parse_argument("image:odd.png") == Path("odd.png")
    assert parse_argument("text:odd.png") == Text("odd.png")
    assert parse_argument("text: cat.png") == "cat.png"
    assert parse_argument("text:text: a title") == "text: a title"
    with pytest.raises(InputError, match="not there"):
        parse_argument("image:missing.png")
    with pytest.raises(InputError, match="no such file"):
        parse_argument("missing.png")
