"""A policy's network for other runtimes: ONNX, and TorchScript, which torch alone writes."""

from __future__ import annotations

import io
import warnings
from typing import Any

import torch

from drac.errors import imported
from drac.games import OBS_SHAPE
from drac.networks import ActorCritic

INPUT, OUTPUTS = "images", ("logits", "values")


def converted(network: ActorCritic, kind: str, key: str, card: str) -> bytes:
    """Return the file of a network in evaluation mode, on the CPU.

    It maps `images` (B, 3, 64, 64), float32 in [0, 1], to `logits` (B, 15) and `values` (B,).

    Args:
        network: to be converted.
        kind: "onnx" or "torchscript".
        key: under which the card is in ONNX's metadata, or among TorchScript's extra files.
        card: JSON.

    Raises:
        ConfigError: if what writes ONNX is not installed.
    """
    network = network.cpu().eval()
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    example = torch.rand(2, *OBS_SHAPE, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of torch's exporters, about their own future
        if kind == "onnx":
            return _onnx(network, example, key, card)
        traced: Any = torch.jit.trace(network, (example,))
        file = io.BytesIO()
        torch.jit.save(traced, file, _extra_files={key: card})
        return file.getvalue()


def _onnx(network: ActorCritic, example: torch.Tensor, key: str, card: str) -> bytes:
    imported("onnxscript", "onnx", "--format onnx")
    program: Any = torch.onnx.export(
        network,
        (example,),
        input_names=[INPUT],
        output_names=[*OUTPUTS],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        dynamo=True,
        verbose=False,
    )
    model = program.model_proto
    entry = model.metadata_props.add()
    entry.key, entry.value = key, card
    content: bytes = model.SerializeToString()
    return content
