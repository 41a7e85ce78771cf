"""Arrays in files: .npy, members of .npz, tensors of .safetensors and of .pt, mapped into memory where the format allows it."""

from __future__ import annotations

import json
import math
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipspace.errors import InputError
from clipspace.points.interchange.paths import KINDS, kind_of, one_of

if TYPE_CHECKING:
    import torch

_NUMPY_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "BOOL": "?",
}  # fmt: skip
"""Types of safetensors that NumPy has. bfloat16, which it lacks, is read as float32."""


def array_at(file: Path, name: str | None = None) -> np.ndarray:
    """An array of a file: read-only and mapped into memory, but for a compressed member of .npz and for bfloat16.

    ``name`` is that of the array in an .npz, .safetensors or .pt file, and need not be given where there is one.
    Raises `InputError` for a file that cannot be read, and for Python objects, which could run code.
    """
    readers = {".npz": _member, ".safetensors": _tensor, ".pt": _torch_tensor, ".pth": _torch_tensor}
    if not file.is_file():
        raise InputError(f"expected {KINDS}, got {str(file)!r}, which is not a file; check the path")
    try:
        return readers.get(kind_of(file), _whole_file)(file, name)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a broken zip file or pickle raises what it likes
        raise _unreadable(file, error) from None


def vectors_at(file: Path, name: str | None = None) -> np.ndarray:
    """Real vectors (n, d), at least one, of a file of arrays. Raises `InputError` for anything else."""
    array = array_at(file, name)
    expectation = f"{str(file)!r}: expected real vectors of shape (n, d)"
    if np.iscomplexobj(array) or not np.issubdtype(array.dtype, np.number):
        raise InputError(f"{expectation}, got values of type {array.dtype}; save them as float32")
    if array.ndim != 2:
        cure = "one vector is x[None]" if array.ndim == 1 else "x.reshape(len(x), -1) makes one vector a row"
        raise InputError(f"{expectation}, got an array of shape {array.shape}; {cure}")
    if 0 in array.shape:
        raise InputError(f"{expectation}, at least one, got shape {array.shape}; check how the file was made")
    return array


def _whole_file(file: Path, name: str | None) -> np.ndarray:
    with file.open("rb") as opened:
        if opened.read(6) != b"\x93NUMPY":
            raise InputError(f"expected {KINDS}, got {str(file)!r}, which is none of them")
    return np.load(file, mmap_mode="r", allow_pickle=False)


def _member(file: Path, name: str | None) -> np.ndarray:
    with np.load(file, allow_pickle=False) as opened:
        name = one_of(file, opened.files, name, "array")
        mapped = _mapped_member(file, f"{name}.npy")
        if mapped is None:
            _check_size(file, f"{name}.npy")
        return opened[name] if mapped is None else mapped


def _check_size(file: Path, entry: str) -> None:
    """Raise `ValueError` where the head of a member tells of more values than it has: room for them is made before they are read."""
    with zipfile.ZipFile(file) as archive, archive.open(entry) as member:
        version = np.lib.format.read_magic(member)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(member)
        if math.prod(shape) * dtype.itemsize > archive.getinfo(entry).file_size:
            raise ValueError(f"its head tells of {shape} values of type {dtype}, and it has fewer")


def _mapped_member(file: Path, entry: str) -> np.ndarray | None:
    """A member of an .npz file that `numpy.savez` wrote, which is not compressed; None for others."""
    with zipfile.ZipFile(file) as archive:
        listed = next((info for info in archive.infolist() if info.filename == entry), None)
    if listed is None or listed.compress_type != zipfile.ZIP_STORED:
        return None
    with file.open("rb") as opened:
        opened.seek(listed.header_offset)
        name_length, extra_length = struct.unpack("<26x2H", opened.read(30))
        opened.seek(name_length + extra_length, 1)
        if np.lib.format.read_magic(opened) != (1, 0):
            return None
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(opened)
        if fortran or dtype.hasobject or 0 in shape:
            return None
        return np.memmap(file, dtype, mode="r", offset=opened.tell(), shape=shape)


def _tensor(file: Path, name: str | None) -> np.ndarray:
    from safetensors import safe_open

    with safe_open(file, framework="numpy") as opened:  # which checks the header
        name = one_of(file, list(opened.keys()), name, "tensor")
    with file.open("rb") as opened:
        (size,) = struct.unpack("<Q", opened.read(8))
        entry = json.loads(opened.read(size))[name]
    shape, place = tuple(entry["shape"]), {"mode": "r", "offset": 8 + size + entry["data_offsets"][0]}
    if 0 in shape:
        return np.empty(shape, np.float32)
    if entry["dtype"] == "BF16":  # the upper half of a float32
        return (np.memmap(file, "<u2", shape=shape, **place).astype("<u4") << 16).view("<f4")
    if entry["dtype"] not in _NUMPY_TYPES:
        raise InputError(
            f"{str(file)!r}: expected numbers of 8 bits or more, got {entry['dtype']}; save them as float32"
        )
    return np.memmap(file, _NUMPY_TYPES[entry["dtype"]], shape=shape, **place)


def _torch_tensor(file: Path, name: str | None) -> np.ndarray:
    import torch

    with file.open("rb") as opened:
        is_zip = opened.read(2) == b"PK"  # torch.save before 1.6 wrote another format, which cannot be mapped
    loaded: Any = torch.load(file, map_location="cpu", weights_only=True, mmap=is_zip)
    if isinstance(loaded, Mapping):
        tensors = {str(key): value for key, value in loaded.items() if isinstance(value, torch.Tensor)}
        loaded = tensors[one_of(file, list(tensors), name, "tensor")]
    if not isinstance(loaded, torch.Tensor):
        raise InputError(f"{str(file)!r}: expected a tensor (n, d), got {type(loaded).__name__}; save torch.stack(x)")
    return numpy_of(loaded)


def numpy_of(tensor: torch.Tensor) -> np.ndarray:
    """The values of a tensor, not copied where NumPy has its type and can reach it; bfloat16 becomes float32."""
    plain = tensor.detach().cpu()
    return (plain.float() if str(plain.dtype) == "torch.bfloat16" else plain).numpy()


def _unreadable(file: Path, error: Exception) -> InputError:
    if "Object arrays" in str(error) or "weights_only" in str(error):
        return InputError(
            f"{str(file)!r}: expected an array of numbers or texts, got one of Python objects, which can run code when read; "
            "save np.stack(x), x.astype(str), or a plain tensor"
        )
    message = " ".join(str(error).split())[:200]
    return InputError(f"{str(file)!r}: cannot be read as an array ({message}); get a whole copy, or save it again")
