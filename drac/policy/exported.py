"""A trained policy as one file for others: weights in safetensors, and a card that says what it is.

The card is JSON in the file's header; beside it lie the same JSON and a page in Markdown. The file
holds numbers and text, and nothing of it is executed, allocated or believed unchecked. For other
runtimes the network is also written as ONNX or TorchScript, which nothing here reads.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from augmentations.arguments import unknown
from drac.config import TrainConfig
from drac.errors import ConfigError, shown
from drac.files import atomic, run_folder, untrusted
from drac.networks import ActorCritic
from drac.policy import card as policy_card
from drac.policy.agent import load_agent, of_method
from drac.policy.deployed import converted

FORMAT = 1
KIND = "procgen-drac policy"
SUFFIXES = {"safetensors": ".safetensors", "onnx": ".onnx", "torchscript": ".pt"}
"""Of the file, by its format."""
LIMIT = 2**30
"""Bytes of a policy that is read; the paper's have 2.5 MB."""
HEADER_LIMIT = 2**20
_KEY = "procgen-drac"  # of the header's metadata
_MARK = f"<!-- {KIND}, written by drac export -->"


@dataclass(frozen=True)
class Policy:
    """A policy that was read: the network in evaluation mode, and what its card says.

    Attributes:
        network: maps images (B, 3, 64, 64) in [0, 1] to logits (B, 15) and values (B,).
        config: of the run it was trained in.
        step: environment steps it was trained for.
        card: see `drac.policy.card`.
    """

    network: ActorCritic
    config: TrainConfig
    step: int
    card: dict[str, Any]


def export(run_dir: Path | str, out: Path | str, kind: str = "safetensors") -> Policy:
    """Write the policy of a run's newest checkpoint to `out`, its card to .json and .md beside it.

    Args:
        run_dir: the run's folder.
        out: ends as SUFFIXES says; policies that an earlier export wrote there are replaced.
        kind: "safetensors", or for other runtimes "onnx" or "torchscript": their card is in the
            file and beside it: see `card_path`.

    Returns:
        What `load(out)` gives of safetensors.

    Raises:
        ConfigError: before anything is written: there is no run, or no checkpoint that fits it,
            or one of the files is there and is not of an earlier export, or what writes ONNX is
            not installed.
    """
    run_dir, out = Path(run_dir), Path(out)
    require_free(out, kind)
    run_folder.require_plain(run_dir)
    run_folder.require_run(run_dir)
    run_folder.require_writable(out.parent)
    config = TrainConfig.from_json(run_dir / "config.json")
    if config.recurrent and kind != "safetensors":
        raise ConfigError(
            f"format {kind!r} maps single images to actions, and method {config.method!r} here is"
            f" recurrent: export it as safetensors"
        )
    network, step = load_agent(run_dir, config)
    tensors = {name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}
    card = {"kind": KIND, "format": FORMAT, **policy_card.card(run_dir, config, step, tensors)}
    text = json.dumps(card, ensure_ascii=True)
    readable = kind == "safetensors"
    content = save(tensors, {_KEY: text}) if readable else converted(network, kind, _KEY, text)
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(card_path(out), json.dumps(card, indent=2) + "\n")
    if readable:
        page = policy_card.markdown(card, out.name)
        atomic.write_text(out.with_suffix(".md"), f"{_MARK}\n{page}")
    with atomic.replacing(out) as file:
        file.write(content)
    return load(out) if readable else Policy(network, config, step, card)


def card_path(out: Path) -> Path:
    """Return where a policy's card is: policy.json, or of other formats policy.pt.json."""
    return out.with_suffix(
        ".json" if out.suffix == SUFFIXES["safetensors"] else f"{out.suffix}.json"
    )


def require_free(out: Path, kind: str = "safetensors") -> None:
    """Check that a policy may be written to `out`: nothing is there but an earlier export.

    Raises:
        ConfigError: otherwise.
    """
    if kind not in SUFFIXES:
        raise ConfigError(unknown("format", kind, SUFFIXES))
    if out.suffix != SUFFIXES[kind]:
        raise ConfigError(f"{out} must end in {SUFFIXES[kind]}; the card goes beside it")
    page = [out.with_suffix(".md")] if kind == "safetensors" else []
    for path in (out, card_path(out), *page):
        if path.is_symlink() or path.exists():
            try:
                ours = _is_ours(path)
            except (OSError, ValueError, ConfigError):
                ours = False
            if not ours:
                raise ConfigError(f"{path} exists and is not of drac export; choose another --out")


def _is_ours(path: Path) -> bool:
    if path.is_symlink():
        return False
    if path.suffix == SUFFIXES["safetensors"]:
        return bool(read_card(path))
    if path.suffix in SUFFIXES.values():
        return KIND.encode() in untrusted.read(path, LIMIT)
    if path.suffix == ".md":
        return untrusted.read(path, untrusted.JSON_LIMIT).startswith(_MARK.encode())
    data = untrusted.read_json(path)
    return isinstance(data, dict) and data.get("kind") == KIND


def read_card(path: Path) -> dict[str, Any]:
    """Return the card in a policy's header, having read nothing else.

    Raises:
        ConfigError: if the file is missing, damaged, not one of ours or of a later format.
    """
    try:
        size = int.from_bytes(untrusted.read(path, LIMIT, first=8), "little")
        if size > HEADER_LIMIT:
            raise ValueError(f"its header has {size:,} bytes, more than the {HEADER_LIMIT:,}")
        with safe_open(path, "pt") as opened:
            text = (opened.metadata() or {}).get(_KEY)
        card = None if text is None else untrusted.parse_json(text)
    except (OSError, ValueError, SafetensorError) as error:
        raise ConfigError(f"{path} cannot be read as a policy ({_one_line(error)})") from None
    if not isinstance(card, dict) or card.get("kind") != KIND:
        raise ConfigError(f"{path} is no policy of drac export: its header has no card")
    version = card.get("format")
    if type(version) is not int or version != FORMAT:
        known = f"this version reads format {FORMAT}"
        raise ConfigError(f"{path} has format {shown(version)}; {known}")
    return card


def load(path: Path | str, device: torch.device | str | None = None) -> Policy:
    """Read a policy that `export` wrote.

    Names, shapes and types of the weights are compared with the network's before any is read.

    Args:
        path: the .safetensors file.
        device: where the network goes; None: CUDA if there is one.

    Raises:
        ConfigError: if the file is missing, damaged, not one of ours, or does not fit the network
            of the config in its card.
    """
    path = Path(path)
    card = read_card(path)
    config = TrainConfig.from_data(card.get("config"), f"the card of {path}")
    step = card.get("step")
    if type(step) is not int or not 0 <= step <= 2**53:
        raise ConfigError(f"the card of {path} has no step")
    network = of_method(config)
    expected = network.state_dict()
    try:
        with safe_open(path, "pt") as opened:
            _check_weights(path, opened, expected)
            weights = {name: opened.get_tensor(name) for name in expected}
    except ConfigError:
        raise
    except (OSError, ValueError, SafetensorError) as error:
        raise ConfigError(f"{path} cannot be read as a policy ({_one_line(error)})") from None
    if spoiled := [name for name, w in weights.items() if not w.isfinite().all()]:
        raise ConfigError(f"{path}: {shown(spoiled[0])} holds values that are NaN or infinite")
    network.load_state_dict(weights)
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return Policy(network.to(where).eval(), config, step, card)


def _check_weights(path: Path, opened: Any, expected: dict[str, torch.Tensor]) -> None:
    names = set(opened.keys())
    if differing := sorted(names ^ set(expected)):
        which = "more" if differing[0] in names else "fewer"
        raise ConfigError(
            f"{path} does not fit the network of its config: it has {which} weights than that,"
            f" such as {shown(differing[0])}"
        )
    for name, tensor in expected.items():
        weights = opened.get_slice(name)
        shape, kind = tuple(weights.get_shape()), weights.get_dtype()
        if shape != tuple(tensor.shape) or kind != _DTYPES.get(tensor.dtype):
            raise ConfigError(
                f"{path} does not fit the network of its config: {name} is {shown(shape)} of"
                f" {kind} there and {tuple(tensor.shape)} of {_DTYPES.get(tensor.dtype)} here"
            )


_DTYPES = {
    torch.float32: "F32",
    torch.float64: "F64",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""What safetensors calls the types that weights and buffers of networks have."""


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
