"""Errors of clipspace. Every message says what, what was expected, what came, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from reprlib import Repr


class ClipspaceError(Exception):
    """Base of every error raised on purpose; its message is fit to print without a traceback."""


class InputError(ClipspaceError, ValueError):
    """An argument or a file is not what the operation needs."""


class ImageError(InputError):
    """What is not, or no longer, an image. ``reason`` says in two words why."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"read_image: {message}")
        self.reason = reason


class SpaceMismatchError(ClipspaceError, ValueError):
    """Points of one embedding space were used as points of another."""


class CapabilityError(ClipspaceError):
    """The space, or the installation, lacks a part (decoder, prior, package) that the operation needs."""


class CheckpointError(ClipspaceError):
    """A model folder is incomplete, corrupt or of another kind."""


class PrecisionError(ClipspaceError, ArithmeticError):
    """A network overflowed the floating-point type that it runs in; the message names it, and what to use."""


class OutOfMemoryError(ClipspaceError, MemoryError):
    """A model and its batch did not fit; the message names what to lower."""


class RecallError(ClipspaceError):
    """An index finds fewer of the true nearest neighbours than required."""


class ConvergenceWarning(UserWarning):
    """An iteration ended without reaching the required accuracy; the message says where and what to do."""


class ClippingWarning(UserWarning):
    """A decoder's own sampler clips x_0, which has no inverse; the message says from which timestep on nothing is clipped."""


class UnfamiliarWarning(UserWarning):
    """Images lie far from what a decoder draws, so what it draws of them says little of their embeddings."""


class SampleWarning(UserWarning):
    """A sample is too small, or too degenerate, for a number to be read as it stands; the message says why."""


class OldStampWarning(UserWarning):
    """A file holds a stamp of clipspace 0.1, which says less of its space than one does now."""


def shortened(values: Iterable, most: int = 10) -> str:
    """``values`` as a list for a message: the first ``most``, each cut to a line, and how many more there are.

    >>> shortened(range(1000), 3)
    '[0, 1, 2, and 997 more]'
    """
    values, line = list(values), Repr()
    line.maxstring = line.maxother = 80
    shown = [line.repr(str(value) if isinstance(value, str) else value) for value in values[:most]]
    more = [f"and {len(values) - most:,} more"] if len(values) > most else []
    return f"[{', '.join(shown + more)}]"


def check_count(name: str, value: int, *, least: int = 1) -> None:
    """Raise `InputError` unless ``value`` is an integer of at least ``least``."""
    if not isinstance(value, Integral) or value < least:
        raise InputError(f"{name}: expected an integer of at least {least}, got {value!r}")
