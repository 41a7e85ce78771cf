"""What a tokenizer reads of a text: nothing, or only its beginning, is said before it becomes a vector."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from clipspace.errors import InputError
from clipspace.models.network import TextTower


class TruncationWarning(UserWarning):
    """A text was longer than the model reads; the message says what was cut."""


def check_texts(tower: TextTower, texts: Sequence[str]) -> None:
    """Raise `InputError` for a text of no word; warn (`TruncationWarning`) with the words that are cut of long ones."""
    long = []
    for text in texts:
        read, cut = tower.split(text) if isinstance(text, str) else ([], [])
        if not read:
            raise InputError(
                f"encode_texts: expected texts with at least one word, got {text!r}, of which the tokenizer keeps none"
            )
        if cut:
            long.append((read, cut))
    if long:
        read, cut = long[0]
        others = f"; too long, too: {len(long) - 1} more" if len(long) > 1 else ""
        warnings.warn(
            f"text of {len(read) + len(cut)} tokens: the model reads {len(read)}, so {tower.decode(cut).strip()!r} was "
            f"cut{others}",
            TruncationWarning,
            stacklevel=5,
        )


def split_words(tokenizer: Any, text: str, *, context_length: int) -> tuple[list[int], list[int]]:
    """Tokens of a text that the model reads, and those that it does not, without the tokens that mark its ends."""
    if hasattr(tokenizer, "encode"):  # open_clip's own, which ends a text at the first mark of the end, also one typed
        words = tokenizer.encode(text)
        typed = words.index(tokenizer.eot_token_id) if tokenizer.eot_token_id in words else len(words)
        room = min(context_length - 2, typed)
        return words[:room], words[room:]
    words = _ids(tokenizer, text, add_special_tokens=False)
    own_ends = getattr(tokenizer, "tokenizer_mode", "") == "clips"  # open_clip adds three of its own
    ends = 3 if own_ends else len(_ids(tokenizer, text, add_special_tokens=True)) - len(words)
    cut = max(0, len(words) + ends - context_length)
    left = getattr(tokenizer.tokenizer, "truncation_side", "right") == "left"
    return (words[cut:], words[:cut]) if left else (words[: len(words) - cut], words[len(words) - cut :])


def _ids(tokenizer: Any, text: str, *, add_special_tokens: bool) -> list[int]:
    """Tokens of the whole text by a Hugging Face tokenizer, after open_clip's cleaning."""
    from open_clip.tokenizer import basic_clean, canonicalize_text

    clean = getattr(tokenizer, "clean_fn", None) or (lambda text: canonicalize_text(basic_clean(text)))
    options = {"truncation": False, "padding": False, "verbose": False, "add_special_tokens": add_special_tokens}
    return list(tokenizer.tokenizer(clean(text), **options)["input_ids"])
