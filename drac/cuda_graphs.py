"""Work that a CUDA device records once and then replays, with nothing left for Python to do.

A gradient step of this small network is some five hundred kernels; launched one by one they leave
a fast GPU waiting. Recorded as a CUDA graph they are one launch.
"""

from __future__ import annotations

import functools
import gc
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

Tensors = dict[str, Tensor]
Function = Callable[[Tensors], Tensors]
Replay = Callable[[], None]
Recorder = Callable[[Callable[[], Tensors]], tuple[Tensors, Replay]]
"""Records what a function does; returns the tensors that each replay fills anew, and the replay."""

WARMUP_CALLS = 3
"""Calls that run as they are before the recording, so that libraries have set themselves up."""

_logger = logging.getLogger(__name__)

_broken: set[Recorder] = set()
"""Recorders that have failed in this process: torch's generator stays as in a recording then, and
whatever is recorded later fails too."""


def record_cuda_graph(function: Callable[[], Tensors]) -> tuple[Tensors, Replay]:
    """Record a function's kernels as a CUDA graph; nothing is executed yet."""
    graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
    try:
        with _no_garbage_collection(), torch.cuda.graph(graph):
            outputs = function()
    finally:
        torch.cuda.set_stream(current)  # a recording that fails leaves its own as the current one
    return outputs, graph.replay


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Keep the collector from freeing an older graph meanwhile: CUDA forbids it in a recording."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@functools.cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    """Return the stream of all warm-up calls: each stream holds the memory that was used on it."""
    return torch.cuda.Stream(device)


@dataclass(frozen=True)
class _Recording:
    inputs: Tensors
    outputs: Tensors
    replay: Replay


class Captured:
    """A function of tensors on a CUDA device, recorded once for each set of input shapes.

    The function must launch the same work on every call: fixed shapes, no random numbers, no look
    at a tensor's values. It may change tensors that stay where they are, such as weights. A call
    returns copies, so that the next one does not overwrite them.

    If the recording fails, this and all later calls run the function as it is, and the reason is
    logged; so does whatever else the same recorder would have recorded from then on.

    Args:
        function: maps tensors by name to tensors by name.
        record: makes the recording; tests pass one that needs no GPU.

    Attributes:
        reason: why nothing is recorded; empty if no recording has failed.
    """

    def __init__(self, function: Function, record: Recorder = record_cuda_graph) -> None:
        self._function, self._record = function, record
        self._calls: dict[object, int] = {}
        self._recordings: dict[object, _Recording] = {}
        self.reason = ""

    @property
    def holds(self) -> bool:
        """Whether there is a recording, and none has failed."""
        return bool(self._recordings) and not self.reason

    def clear(self) -> None:
        """Forget the recordings: tensors that they wrote to have been replaced."""
        self._calls.clear()
        self._recordings.clear()

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensors:
        """Run the function on `inputs`."""
        inputs = dict(inputs)
        key = tuple((name, value.shape, value.dtype) for name, value in sorted(inputs.items()))
        calls = self._calls[key] = self._calls.get(key, 0) + 1
        if self.reason:
            return self._function(inputs)
        if calls <= WARMUP_CALLS:
            return self._run_aside(inputs)
        if key not in self._recordings and not self._capture(key, inputs):
            return self._function(inputs)
        recording = self._recordings[key]
        for name, value in inputs.items():
            recording.inputs[name].copy_(value)
        recording.replay()
        return {name: value.clone() for name, value in recording.outputs.items()}

    def _run_aside(self, inputs: Tensors) -> Tensors:
        """Run as it is, on another stream as the recording will: required of warm-up calls."""
        on_cuda = [value.device for value in inputs.values() if value.is_cuda]
        if not on_cuda:
            return self._function(inputs)
        stream, current = _side_stream(on_cuda[0]), torch.cuda.current_stream()
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            outputs = self._function(inputs)
        current.wait_stream(stream)
        for value in outputs.values():
            value.record_stream(current)
        return outputs

    def _capture(self, key: object, inputs: Tensors) -> bool:
        """Record the function on tensors of its own; return whether that went well."""
        if self._record in _broken:
            return self._give_up("an earlier recording of this process failed")
        inference = torch.is_inference_mode_enabled()

        def function() -> Tensors:
            with torch.inference_mode(inference):
                return self._function(fixed)

        try:
            # torch keeps what it makes for its generator in the first recording; before 2.11 it
            # would be a tensor of inference mode, which no later recording may change.
            with torch.inference_mode(False):
                fixed = {
                    name: torch.empty_like(value).copy_(value) for name, value in inputs.items()
                }
                outputs, replay = self._record(function)
        except RuntimeError as error:  # what torch raises for work that cannot be recorded
            _broken.add(self._record)
            return self._give_up(str(_first(error)).partition("\n")[0])
        self._recordings[key] = _Recording(fixed, outputs, replay)
        return True

    def _give_up(self, reason: str) -> bool:
        self.reason = reason
        self.clear()
        _logger.warning("CUDA graph not used, every kernel is launched singly: %s", reason)
        return False


def _first(error: BaseException) -> BaseException:
    """Return what began it: the end of a recording that failed raises an error of its own."""
    while error.__context__ is not None:
        error = error.__context__
    return error
