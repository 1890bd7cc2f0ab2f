"""A run's record as texts and bytes, and back: what the index keeps of a run.

Records of one sweep share most of it: the config but for the seed, and where each column lies. Both
are read once, and a column's values only when they are asked for.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.store.run_record import Final, RunRecord
from drac.config import FORMAT as CONFIG_FORMAT
from drac.config import TrainConfig

_TABLES = ("updates", "latest", "arms", "episodes", "robustness")
_WIDTHS = {f"<i{size}": 2 ** (8 * size - 1) for size in (1, 2, 4, 8)}
_KINDS = (*_WIDTHS, "|i1", "<f8")


def packed(record: RunRecord, config: TrainConfig) -> tuple[str, str, str, bytes]:
    """Return what `Unpacker` takes: the config without its seed, the layout, facts, and bytes."""
    columns: list[tuple[str, str, str, int, list[str] | None]] = []
    parts: list[bytes] = []
    for table in _TABLES:
        for name, values in getattr(record, table).items():
            words = None
            if values.dtype == object:
                words = sorted(set(values.tolist()))
                places = {word: place for place, word in enumerate(words)}
                values = np.array([places[word] for word in values.tolist()], dtype=np.int64)
            if values.dtype == np.int64:
                values = values.astype(_narrow(values))
            columns.append((table, name, values.dtype.str, len(values), words))
            parts.append(values.tobytes())
    facts = {
        "seed": config.seed,
        "meta": record.meta,
        "problems": record.problems,
        "damage": record.damage,
        "robustness_problem": record.robustness_problem,
        "final": None if record.problems else record.final,
    }
    return (
        _without_seed(config.model_copy(update={"seed": 0})),
        json.dumps(columns),
        json.dumps(facts),
        b"".join(parts),
    )


class Unpacker:
    """Returns the records of what `packed` returned; many share their config and layout."""

    def __init__(self) -> None:
        self._configs: dict[str, TrainConfig] = {}
        self._layouts: dict[str, _Layout] = {}

    def __call__(self, shared: str, layout: str, facts: str, arrays: bytes) -> RunRecord:
        """Return a record.

        Raises:
            ValueError, KeyError, TypeError: if these are none that `packed` has returned.
        """
        said = json.loads(facts)
        if shared not in self._configs:
            self._configs[shared] = TrainConfig.from_data(json.loads(shared), "the index")
        if layout not in self._layouts:
            self._layouts[layout] = _Layout.of(layout)
        record = RunRecord(
            config=self._configs[shared].model_copy(update={"seed": said["seed"]}),
            meta=said["meta"],
            problems=tuple(said["problems"]),
            damage=tuple(said["damage"]),
            robustness_problem=said["robustness_problem"],
            **self._layouts[layout].tables(arrays),
        )
        if said["final"] is not None:
            vars(record)["final"] = Final(*said["final"])  # it need not be computed again
        return record


@dataclass(frozen=True)
class _Column:
    """Where a column lies among a run's bytes: its numbers, or which of `words` they are."""

    kind: np.dtype[Any]
    count: int
    offset: int
    words: NDArray[Any] | None

    def read(self, arrays: bytes) -> NDArray[Any]:
        values = np.frombuffer(arrays, self.kind, self.count, self.offset)
        if self.words is not None:
            return self.words.take(values, mode="clip")  # ours are all within
        return values if self.kind == np.float64 else values.astype(np.int64)


@dataclass(frozen=True)
class _Layout:
    columns: Mapping[str, dict[str, _Column]]
    size: int

    @classmethod
    def of(cls, text: str) -> _Layout:
        columns: dict[str, dict[str, _Column]] = {table: {} for table in _TABLES}
        offset = 0
        for table, name, kind, count, words in json.loads(text):
            if (
                kind not in _KINDS
                or not isinstance(count, int)
                or count < 0
                or (count and words == [])
            ):
                raise ValueError(f"no column of ours: {kind!r}, {count!r}")
            known = None if words is None else np.array(words, dtype=object)
            columns[table][name] = _Column(np.dtype(kind), count, offset, known)
            offset += count * np.dtype(kind).itemsize
        return cls(columns, offset)

    def tables(self, arrays: bytes) -> dict[str, Any]:
        if len(arrays) != self.size:
            raise ValueError(f"{len(arrays)} bytes of {self.size}")
        return {table: _Lazy(columns, arrays) for table, columns in self.columns.items()}


class _Lazy(Mapping[str, NDArray[Any]]):
    """Columns whose values are read when they are asked for."""

    __slots__ = ("_arrays", "_columns")

    def __init__(self, columns: Mapping[str, _Column], arrays: bytes) -> None:
        self._columns, self._arrays = columns, arrays

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._columns[name].read(self._arrays)

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


@functools.lru_cache(maxsize=1024)
def _without_seed(config: TrainConfig) -> str:
    return json.dumps({"format": CONFIG_FORMAT, **config.model_dump(mode="json")})


def _narrow(values: NDArray[Any]) -> str:
    """Return the narrowest type that holds these integers."""
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    return next(kind for kind, limit in _WIDTHS.items() if -limit <= low and high < limit)
