"""States as bytes: what goes in comes out, and nothing else is accepted."""

from __future__ import annotations

import collections
import hashlib
import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from same_state import same

from drac.runs import checkpoint_format, checkpoint_format1
from drac.runs.checkpoint_format import Unreadable

STATE: dict[str, Any] = {
    "weights": {"conv": torch.arange(24.0).reshape(2, 3, 2, 2), "bytes": torch.tensor([1, 255])},
    "optimizer": {0: {"step": torch.tensor(3.0)}, 1: {}},
    "bf16": torch.ones(3, dtype=torch.bfloat16),
    "empty": torch.zeros(0, 3),
    "floats": [0.1 * number for number in range(40)],
    "integers": list(range(-20, 20)),
    "large": [2**127 + 1] * 20,
    "mixed": [1, 2.5, "text", None, True, [1], {"x": (1, 2)}, 'ü"\\'],
}


def sealed(tree: Any, **tensors: torch.Tensor) -> bytes:
    """Return what somebody may write by hand: any JSON and tensors, with a right checksum."""
    numbers = {"f": torch.zeros(0, dtype=torch.float64), "i": torch.zeros(0, dtype=torch.int64)}
    text = tree if isinstance(tree, str) else json.dumps(tree)
    metadata = {"format": "2", "sha256": "0" * 64, "state": text}
    return seal(safetensors.torch.save({**numbers, **tensors}, metadata))


def seal(content: bytes) -> bytes:
    blank = b'"sha256":"' + b"0" * 64
    digest = hashlib.sha256(content).hexdigest().encode()
    return content.replace(blank, blank[:10] + digest)


def test_what_is_written_is_read() -> None:
    content = checkpoint_format.dumps(STATE)
    assert same(checkpoint_format.loads(content), STATE)
    assert checkpoint_format.dumps(checkpoint_format.loads(content)) == content


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=4),
        st.lists(st.floats(), min_size=15, max_size=18),
        st.lists(st.integers(-(2**64), 2**64), min_size=15, max_size=18),
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=3), json_like, max_size=4))
def test_any_data_comes_back(state: dict[str, Any]) -> None:
    assert same(checkpoint_format.loads(checkpoint_format.dumps(state)), state)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 3, 1, 5), (3, 4), (0, 2), ()])
def test_the_layout_in_memory_comes_back(shape: tuple[int, ...]) -> None:
    tensor = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    layouts = [tensor, tensor.permute(list(reversed(range(tensor.dim()))))]
    if tensor.dim() == 4:
        layouts.append(tensor.to(memory_format=torch.channels_last))
    for layout in layouts:
        found = checkpoint_format.loads(checkpoint_format.dumps({"x": layout}))["x"]
        assert torch.equal(found, layout)
        assert found.is_contiguous() == layout.is_contiguous()
        if min(shape, default=2) > 1:  # a dimension of one has any stride
            assert found.stride() == layout.stride()


def test_views_become_tensors_of_their_own() -> None:
    base = torch.arange(6.0)
    found = checkpoint_format.loads(checkpoint_format.dumps({"a": base[::2], "b": base, "c": base}))
    assert found["a"].tolist() == [0, 2, 4]
    assert torch.equal(found["b"], found["c"])


@pytest.mark.parametrize("value", [object(), b"bytes", {1, 2}, np.int64(3), {(1, 2): 3}, {2.0: 1}])
def test_what_is_no_data_is_named(value: Any) -> None:
    with pytest.raises(TypeError, match="it holds (more than data: an object|a key) of the type"):
        checkpoint_format.dumps({"deep": [{"x": value}]})


def test_any_tool_can_look_inside() -> None:
    tensors = safetensors.torch.load(checkpoint_format.dumps({"x": torch.arange(3)}))
    assert tensors["0"].tolist() == [0, 1, 2]


def test_every_flipped_bit_is_found() -> None:
    content = checkpoint_format.dumps({"a": torch.arange(3), "b": 1.5, "c": "x"})
    for place in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            with pytest.raises(Unreadable):
                checkpoint_format.loads(bytes(damaged))


def test_every_cut_and_every_addition_is_found() -> None:
    content = checkpoint_format.dumps({"a": torch.arange(3)})
    for end in range(len(content)):
        with pytest.raises(Unreadable):
            checkpoint_format.loads(content[:end])
    for more in (b"\0", b"x" * 100, content):
        with pytest.raises(Unreadable, match="checksum"):
            checkpoint_format.loads(content + more)


HOSTILE = {
    "no dict": [1],
    "unknown tag": {"z": 1},
    "two tags": {"d": [], "t": []},
    "no pairs": {"d": [1]},
    "more numbers than there are": {"d": [["a", {"f": 10**12}]]},
    "fewer than none": {"d": [["a", {"i": -1}]]},
    "an absent tensor": {"d": [["a", {"x": 7}]]},
    "an impossible order": {"d": [["a", {"x": 0, "order": [0, 0]}]]},
    "an order of strings": {"d": [["a", {"x": 0, "order": "ab"}]]},
    "an unknown field": {"d": [["a", {"x": 0, "y": 1}]]},
    "a key that is a list": {"d": [[[], 1]]},
    "deeply nested": "[" * 100_000 + "]" * 100_000,
    "a very long number": "1" * 10_000,
    "no JSON": "{",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_somebody_wrote_by_hand_is_refused(name: str) -> None:
    with pytest.raises(Unreadable) as caught:
        checkpoint_format.loads(sealed(HOSTILE[name], **{"0": torch.zeros(2)}))
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_a_header_that_is_too_large_is_neither_read_nor_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = checkpoint_format.dumps({"a": "x" * 1000})
    monkeypatch.setattr(checkpoint_format, "MAX_HEADER", 1000)
    with pytest.raises(Unreadable, match="its header claims"):
        checkpoint_format.loads(content)
    with pytest.raises(ValueError, match="more than 1,000 bytes beside its tensors"):
        checkpoint_format.dumps({"a": "x" * 1000})


def test_declared_sizes_are_those_of_the_file() -> None:
    content = bytearray(sealed({"d": []}, **{"0": torch.zeros(2)}))
    for old, new in ((b'"shape":[2]', b'"shape":[9]'), (b'"shape":[2]', b'"shape":[10000000000]')):
        header = content[8 : 8 + int.from_bytes(content[:8], "little")].replace(old, new)
        mark = header.index(b'"sha256":"') + 10
        header[mark : mark + 64] = b"0" * 64
        changed = len(header).to_bytes(8, "little") + header + content[-8:]
        with pytest.raises(Unreadable):
            checkpoint_format.loads(seal(bytes(changed)))


# Format 1


def of_format1(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save({"format": 1, "x": value}, buffer)
    return buffer.getvalue()


class Declares:
    """A tensor of a size of one's choice, on a storage of one number."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __reduce__(self) -> Any:
        storage = torch.zeros(1)._typed_storage()
        hooks: Any = collections.OrderedDict()
        arguments = (storage, 0, (self.size,), (1,), False, hooks)
        return torch._utils._rebuild_tensor_v2, arguments


def test_format_1_is_read() -> None:
    state = {**STATE, "weights": dict(STATE["weights"])}
    assert same(checkpoint_format1.loads(of_format1(state)), {"format": 1, "x": state})


@pytest.mark.parametrize(
    "value",
    [
        Declares(10**12),
        Declares(10**6),
        torch.zeros(1).expand(10**12),
        [torch.ones(2), Declares(9**9)],
    ],
    ids=["a terabyte", "megabytes", "a view", "in a list"],
)
def test_no_tensor_is_larger_than_its_file(value: Any) -> None:
    with pytest.raises(Unreadable, match="declares tensors that are larger than the file"):
        checkpoint_format1.loads(of_format1(value))


class Calls:
    """Calls something harmless that our files never call."""

    def __reduce__(self) -> Any:
        return bytearray, (10**12,)


def test_only_what_our_files_named_may_be_named() -> None:
    with pytest.raises(Unreadable, match="it holds more than data"):
        checkpoint_format1.loads(of_format1(Calls()))


def test_a_zip_bomb_is_refused() -> None:
    bomb = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(of_format1(torch.zeros(9)))) as archive,
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in archive.namelist():
            more = b"\0" * 10**7 if "/data/" in name else b""
            packed.writestr(name, archive.read(name) + more)
    with pytest.raises(Unreadable, match="it is compressed"):
        checkpoint_format1.loads(bomb.getvalue())
    assert len(bomb.getvalue()) < 10**5
