"""Work that a CUDA device records once and then replays, with nothing left for Python to do.

A gradient step of this small network is some five hundred kernels; launched one by one they leave
a fast GPU waiting. Recorded as a CUDA graph they are one launch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
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


def record_cuda_graph(function: Callable[[], Tensors]) -> tuple[Tensors, Replay]:
    """Record a function's kernels as a CUDA graph; nothing is executed yet."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = function()
    return outputs, graph.replay


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
    logged.

    Args:
        function: maps tensors by name to tensors by name.
        record: makes the recording; tests pass one that needs no GPU.
    """

    def __init__(self, function: Function, record: Recorder = record_cuda_graph) -> None:
        self._function, self._record = function, record
        self._calls: dict[object, int] = {}
        self._recordings: dict[object, _Recording] = {}
        self.failed = False

    def clear(self) -> None:
        """Forget the recordings: tensors that they wrote to have been replaced."""
        self._calls.clear()
        self._recordings.clear()

    def __call__(self, inputs: Mapping[str, Tensor]) -> Tensors:
        """Run the function on `inputs`."""
        inputs = dict(inputs)
        key = tuple((name, value.shape, value.dtype) for name, value in sorted(inputs.items()))
        calls = self._calls[key] = self._calls.get(key, 0) + 1
        if self.failed:
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
        if not any(value.is_cuda for value in inputs.values()):
            return self._function(inputs)
        stream, current = torch.cuda.Stream(), torch.cuda.current_stream()
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            outputs = self._function(inputs)
        current.wait_stream(stream)
        for value in outputs.values():
            value.record_stream(current)
        return outputs

    def _capture(self, key: object, inputs: Tensors) -> bool:
        """Record the function on tensors of its own; return whether that went well."""
        fixed = {name: torch.empty_like(value).copy_(value) for name, value in inputs.items()}
        try:
            outputs, replay = self._record(lambda: self._function(fixed))
        except RuntimeError as error:  # what torch raises for work that cannot be recorded
            self.failed = True
            self.clear()
            reason = str(error).partition("\n")[0]
            _logger.warning("CUDA graph not used, every kernel is launched singly: %s", reason)
            return False
        self._recordings[key] = _Recording(fixed, outputs, replay)
        return True
