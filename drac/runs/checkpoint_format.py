"""States as bytes: a safetensors file whose header holds a checksum of all of it.

Tensors are safetensors' own. What is no tensor stands as JSON in the metadata, and long lists of
numbers become tensors too. So nothing is executed on reading, nothing is allocated that is larger
than the file, and any tool that reads safetensors can look inside.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

FORMAT = 2
"""Version of the layout."""

MAX_HEADER = 16 * 2**20
"""Bytes of the header: names and shapes, and the JSON. A run's are some tens of kilobytes."""

_LONG = 16  # numbers in a list from which on they are kept as a tensor
_MARK = b'"sha256":"'  # a key of the metadata: inside of strings JSON escapes the quotes
_BLANK = b"0" * 64
_NUMBERS = {"f": (float, torch.float64), "i": (int, torch.int64)}


class Unreadable(ValueError):
    """Bytes that are no state, or not any more. The message completes "the file cannot be read"."""


def dumps(state: dict[str, Any]) -> bytes:
    """Return a state as bytes, with its checksum.

    Args:
        state: tensors, numbers, strings, None, and lists, tuples and dicts of them. The keys of
            dicts are strings or integers.

    Raises:
        TypeError: naming the type, for anything else.
        ValueError: if what is no tensor is larger than a header may be.
    """
    writer = _Writer()
    tree = json.dumps(writer.encode(state), separators=(",", ":"))
    metadata = {"format": str(FORMAT), "sha256": _BLANK.decode(), "state": tree}
    content = _in_order(safetensors.torch.save(writer.all_tensors(), metadata))
    if int.from_bytes(content[:8], "little") > MAX_HEADER:
        raise ValueError(f"the state has more than {MAX_HEADER:,} bytes beside its tensors")
    place = content.index(_MARK) + len(_MARK)
    digest = hashlib.sha256(content).hexdigest().encode()
    return content[:place] + digest + content[place + len(digest) :]


def _in_order(content: bytes) -> bytes:
    """Sort a header's entries, which safetensors leaves to chance: the same state, the same bytes.

    The header's size stays a multiple of 8, so that tensors are aligned in memory.
    """
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[end:]


def loads(content: bytes) -> dict[str, Any]:
    """Return the state that `dumps` was given, bit for bit, the tensors on the CPU.

    Raises:
        Unreadable: if the bytes are not exactly what `dumps` returned.
    """
    header = _checked_header(content)
    try:
        metadata = json.loads(header)["__metadata__"]
        if metadata.get("format") != str(FORMAT):
            raise Unreadable(f"it has format {str(metadata.get('format'))[:20]!r}")
        tensors = safetensors.torch.load(content)
        state = _Reader(tensors).decode(json.loads(metadata["state"]))
    except Unreadable:
        raise
    except (safetensors.SafetensorError, RecursionError, MemoryError) as error:
        raise Unreadable(_first_line(error)) from None
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise Unreadable(_first_line(error)) from None
    if not isinstance(state, dict):
        raise Unreadable("it holds no state of a run")
    return state


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200] or type(error).__name__


def _checked_header(content: bytes) -> bytes:
    """Return the JSON of the header once the checksum has been found to be right."""
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > len(content) - 8:
        raise Unreadable("it is cut off, or no file of ours")
    if size > MAX_HEADER:
        raise Unreadable(f"its header claims {size:,} bytes")
    header = content[8 : 8 + size]
    if header.count(_MARK) != 1:
        raise Unreadable("it has no checksum")
    begin = 8 + header.index(_MARK) + len(_MARK)
    end = begin + len(_BLANK)
    digest = hashlib.sha256(content[:begin])
    digest.update(_BLANK)
    digest.update(memoryview(content)[end:])
    if digest.hexdigest().encode() != content[begin:end]:
        raise Unreadable("its checksum is wrong: it was damaged or changed")
    return header


class _Writer:
    """Turns a state into JSON, and collects its tensors and numbers."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.numbers: dict[str, list[Any]] = {kind: [] for kind in _NUMBERS}

    def encode(self, value: Any) -> Any:
        """Return the JSON of a value; lists stay lists, all else that is no scalar is tagged."""
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, dict):
            return {"d": [[self._key(key), self.encode(item)] for key, item in value.items()]}
        if isinstance(value, tuple):
            return {"t": [self.encode(item) for item in value]}
        if isinstance(value, list):
            for kind, (number, _) in _NUMBERS.items():
                if len(value) >= _LONG and all(type(item) is number for item in value):
                    if kind == "i" and not all(-(2**63) <= item < 2**63 for item in value):
                        break
                    self.numbers[kind] += value
                    return {kind: len(value)}
            return [self.encode(item) for item in value]
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, int | float):  # numpy's float64 is one; its bits are kept
            return int(value) if isinstance(value, int) else float(value)
        raise TypeError(f"it holds more than data: an object of the type {type(value).__name__}")

    @staticmethod
    def _key(key: Any) -> str | int:
        if isinstance(key, str | int) and type(key) in (str, int):
            return key
        raise TypeError(f"it holds a key of the type {type(key).__name__}")

    def _tensor(self, tensor: Tensor) -> dict[str, Any]:
        tensor = tensor.detach()
        tag: dict[str, Any] = {"x": len(self.tensors)}
        if not tensor.is_contiguous():
            # The order of dimensions in memory is kept: it decides which kernels Adam runs.
            strides = tensor.stride()
            order = sorted(range(tensor.dim()), key=lambda dim: -strides[dim])
            if tensor.permute(order).is_contiguous():
                tensor, tag["order"] = tensor.permute(order), order
        self.tensors.append(tensor.to("cpu", copy=True).contiguous())
        return tag

    def all_tensors(self) -> dict[str, Tensor]:
        """Return the tensors by name."""
        named = {str(number): tensor for number, tensor in enumerate(self.tensors)}
        for kind, (_, dtype) in _NUMBERS.items():
            named[kind] = torch.tensor(self.numbers[kind], dtype=dtype)
        return named


class _Reader:
    """Undoes what `_Writer` does. Each number is used once, so that lists are no larger than it."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self._tensors = tensors
        self._numbers: dict[str, Iterator[Any]] = {}
        self._left: dict[str, int] = {}
        for kind, (_, dtype) in _NUMBERS.items():
            numbers = tensors[kind]
            if numbers.dtype != dtype:
                raise Unreadable("its lists of numbers are of another type")
            self._numbers[kind], self._left[kind] = iter(numbers.tolist()), len(numbers)

    def decode(self, value: Any) -> Any:
        """Return the value whose JSON this is."""
        if isinstance(value, list):
            return [self.decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "x" in value:
            return self._tensor(**value)
        ((tag, item),) = value.items()
        if tag == "d":
            return {key: self.decode(inner) for key, inner in item}
        if tag == "t":
            return tuple(self.decode(inner) for inner in item)
        if not 0 <= item <= self._left[tag]:
            raise Unreadable("its lists of numbers are cut off")
        self._left[tag] -= item
        return [next(self._numbers[tag]) for _ in range(item)]

    def _tensor(self, x: int, order: list[int] | None = None) -> Tensor:
        tensor = self._tensors[str(x)]
        if order is None:
            return tensor
        back = [order.index(dim) for dim in range(len(order))]
        return tensor.permute(back)
