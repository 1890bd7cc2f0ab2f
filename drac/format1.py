"""Checkpoints of format 1, torch's own: read for the runs that version 0.1 began, never written.

Such a file is a zip archive with a pickle. Before torch unpickles it, with `weights_only=True`, it
is looked at: archive and pickle may hold nothing but what our own files held, and no size that is
declared anywhere may exceed the file's.
"""

from __future__ import annotations

import io
import pickletools
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any

import torch

from drac.container import Unreadable

MAGIC = b"PK\x03\x04"
"""What the file begins with."""

_KNOWN = {"collections OrderedDict", "torch._utils _rebuild_tensor_v2"}


def loads(content: bytes) -> dict[str, Any]:
    """Return the state, with its entry "format", its tensors on the CPU.

    Raises:
        Unreadable: if the bytes are no such file, or hold more than data.
    """
    try:
        _check_archive(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, on what a damaged file looks like
            declared = torch.load(io.BytesIO(content), map_location="meta", weights_only=True)
            if sum(map(_size, _tensors(declared))) > 2 * len(content):
                raise Unreadable("it declares tensors that are larger than the file")
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Unreadable:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        what = str(error).partition("\n")[0].partition(". ")[0][:200]
        raise Unreadable(what or type(error).__name__) from None
    if not isinstance(state, dict):
        raise Unreadable("it holds no state of a run")
    return state


def _check_archive(content: bytes) -> None:
    """Refuse compressed entries, which may be bombs, and pickles that name what ours did not."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise Unreadable("it is compressed, as none of ours is")
        if sum(entry.file_size for entry in entries) > len(content):
            raise Unreadable("it declares more than it holds")
        (pickled,) = (entry for entry in entries if entry.filename.endswith("/data.pkl"))
        for code, argument, _ in pickletools.genops(archive.read(pickled)):
            if code.name in ("GLOBAL", "INST") and not _harmless(str(argument)):
                raise Unreadable("it holds more than data")
            if code.name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4"):  # not in torch's protocol 2
                raise Unreadable("it holds more than data")


def _harmless(name: str) -> bool:
    module, _, member = name.partition(" ")
    storage = module == "torch" and member.isidentifier() and member.endswith("Storage")
    return storage or name in _KNOWN


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def _size(tensor: torch.Tensor) -> int:
    return max(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())
