"""Checkpoints of format 1, torch's own: read for the runs that version 0.1 began, never written.

Such a file is a zip archive with a pickle. `torch.load(weights_only=True)` executes nothing of it,
but allocates what it declares: an entry of kilobytes that unpacks to gigabytes, a
`bytearray(10**12)`, or a tensor of 10**12 elements in a storage of four bytes, which torch then
enlarges. Here every size is compared with the bytes that are there before memory is taken for it.
"""

from __future__ import annotations

import io
import pickletools
import warnings
import zipfile
from collections import OrderedDict
from typing import Any

import torch

from drac.runs.checkpoint_format import Unreadable

MAGIC = b"PK\x03\x04"
"""What the file begins with."""

ENTRIES = 100_000
"""Files in an archive; ours have one for each tensor, some hundreds."""

PICKLE_LIMIT = 2**24
"""Bytes of the pickle, each of which may stand for an object of 64; ours have 400 KB."""

NODES, DEPTH = 2_000_000, 40
"""Values of a state, and how deep they are nested; ours have thousands, and a depth of ten."""

_STORAGES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_GLOBALS = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    *(f"torch {name}Storage" for name in _STORAGES),
}
"""All that torch refers to by name in a dict of tensors, numbers and texts."""

_OPCODES = {"GLOBAL"} | {
    *("PROTO", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BINPERSID", "REDUCE", "BUILD"),
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "BINGET", "LONG_BINGET"),
    *("BINPUT", "LONG_BINPUT", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1"),
    *("TUPLE2", "TUPLE3", "APPEND", "APPENDS", "SETITEM", "SETITEMS"),
}


def loads(content: bytes) -> dict[str, Any]:
    """Return the state, with its entry "format", its tensors on the CPU.

    Takes memory for a small multiple of the content's length at most, whatever it declares.

    Raises:
        Unreadable: if the bytes are no such file, or hold more than data.
    """
    try:
        archive = _rewritten(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, on what a damaged file looks like
            # On the meta device a tensor has a size and takes no memory: a rehearsal.
            declared = torch.load(io.BytesIO(archive), map_location="meta", weights_only=True)
            _Plain(len(archive)).of(declared)
            loaded = torch.load(io.BytesIO(archive), map_location="cpu", weights_only=True)
        state = _Plain(len(archive)).of(loaded)
    except Unreadable:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        what = str(error).partition("\n")[0].partition(". ")[0][:200]
        raise Unreadable(what or type(error).__name__) from None
    if not isinstance(state, dict):
        raise Unreadable("it holds no state of a run")
    return state


def _rewritten(content: bytes) -> bytes:
    """Return the archive anew, from entries whose sizes, checksums and pickle have been checked.

    torch then reads our archive, not one on which its reader and Python's may disagree.
    """
    if content.count(b"PK\1\2") > ENTRIES:  # before zipfile makes an object of each
        raise Unreadable("it has too many entries")
    result = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as archive,
        zipfile.ZipFile(result, "w", zipfile.ZIP_STORED) as copy,
    ):
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise Unreadable("it is compressed, as none of ours is")
        if sum(entry.file_size for entry in entries) > len(content):
            raise Unreadable("it declares more than it holds")
        if len({entry.filename for entry in entries}) < len(entries):
            raise Unreadable("it has several entries of one name")
        for entry in entries:
            data = archive.read(entry)  # checks the CRC-32
            if entry.filename.endswith("data.pkl"):
                _check_pickle(data)
            copy.writestr(zipfile.ZipInfo(entry.filename), data)
    return result.getvalue()


def _check_pickle(data: bytes) -> None:
    """Refuse a pickle that names anything but what tensors are made of. Nothing is built here."""
    if len(data) > PICKLE_LIMIT:
        raise Unreadable("its pickle is too long")
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name not in _OPCODES or (opcode.name == "GLOBAL" and argument not in _GLOBALS):
            raise Unreadable("it holds more than data")


class _Plain:
    """Copies a state into plain dicts, lists and tuples, and counts what it holds.

    Args:
        size: bytes of the archive.
    """

    def __init__(self, size: int) -> None:
        self._nodes = 0
        self._of_tensors = 2 * size  # twice: a state may hold a tensor in two places
        self._of_storages = size
        self._storages: set[int] = set()

    def of(self, value: Any, depth: int = 0) -> Any:
        """Return `value` as plain data; refuse other data, or more than the file can hold."""
        self._nodes += 1
        if self._nodes > NODES or depth > DEPTH:
            raise Unreadable("it has too many values, or is nested too deeply")
        kind = type(value)
        if kind in (dict, OrderedDict):
            # Not value.items(): an OrderedDict from a pickle may have attributes of its own.
            pairs = dict.items(value)
            return {self._key(key): self.of(item, depth + 1) for key, item in pairs}
        if kind is list:
            return [self.of(item, depth + 1) for item in value]
        if kind is tuple:
            return tuple(self.of(item, depth + 1) for item in value)
        if kind is torch.Tensor:
            return self._tensor(value)
        if kind is str:
            value.encode("utf-8")  # raises for half of a surrogate pair
        elif kind not in (int, float, bool, type(None)):
            raise Unreadable(f"it holds a {kind.__name__}")
        return value

    def _key(self, key: Any) -> Any:
        if type(key) not in (str, int):
            raise Unreadable(f"it has a key that is a {type(key).__name__}")
        return self.of(key)

    def _tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._storages:
            self._storages.add(storage._cdata)
            self._of_storages -= storage.nbytes()
        self._of_tensors -= tensor.numel() * tensor.element_size()
        if self._of_storages < 0 or self._of_tensors < 0:
            raise Unreadable("it declares tensors that are larger than the file")
        return tensor
