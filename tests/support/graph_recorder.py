"""What stands in for the recording of a CUDA graph where there is no GPU."""

from __future__ import annotations

from collections.abc import Callable

import torch

from drac.cuda_graphs import Replay, Tensors


class Recorder:
    """As a CUDA graph: recording runs nothing that lasts, a replay fills the same tensors anew."""

    def __init__(self) -> None:
        self.recordings = self.replays = 0

    def __call__(self, function: Callable[[], Tensors]) -> tuple[Tensors, Replay]:
        self.recordings += 1
        outputs: Tensors = {}

        def replay() -> None:
            self.replays += 1
            for name, value in function().items():
                outputs.setdefault(name, torch.empty_like(value)).copy_(value)

        return outputs, replay
