"""What a policy's card says: where the weights come from, what they score, how to use them."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from drac import methods
from drac.config import FORMAT as CONFIG_FORMAT
from drac.config import TrainConfig
from drac.files import untrusted
from drac.games import RANGED_MODES, normalize_score
from drac.runs import logs
from drac.runs.foreign_code import CODE
from drac.runs.meta import read_meta

_EVAL_LIMIT = 2**28  # bytes of eval.csv
_TEXT = 200  # characters of a text from meta.json

CITATION = (
    "Cobbe et al. 2020, Leveraging Procedural Generation to Benchmark Reinforcement Learning"
    " (Procgen)"
)


def card(
    run_dir: Path, config: TrainConfig, step: int, tensors: Mapping[str, Tensor]
) -> dict[str, Any]:
    """Return the card of a run's policy, as JSON.

    Args:
        run_dir: the run's folder, whose meta.json and eval.csv are read.
        config: of the run.
        step: of the checkpoint.
        tensors: the network's state.
    """
    meta = read_meta(run_dir)
    versions, code = meta.get("versions"), meta.get(CODE)
    method = methods.get(config.method)
    return {
        "game": config.game,
        "method": config.method,
        "summary": method.summary,
        "seed": config.seed,
        "step": step,
        "scores": scores(run_dir, config, step),
        "network": {
            "function": method.network,
            "numbers": sum(tensor.numel() for tensor in tensors.values()),
            "observation": "RGB image (3, 64, 64), float32 in [0, 1]",
            "actions": "15, Procgen's; drawn from the logits",
        },
        "trained_with": {
            "versions": {
                plain(name): plain(version)
                for name, version in (versions if isinstance(versions, dict) else {}).items()
            },
            "procgen_build": plain(meta.get("procgen_build", "unknown")),
            "commit": plain(meta.get("commit") or "not recorded"),
            "code": {
                plain(name): plain(digest)
                for name, digest in (code if isinstance(code, dict) else {}).items()
            },
        },
        "license": "MIT, as procgen-drac; whoever publishes the weights may say otherwise",
        "citation": [method.source, CITATION],
        "config": {"format": CONFIG_FORMAT, **config.model_dump(mode="json")},
    }


def plain(value: Any) -> str:
    """Return a text from a file of anybody's as one short line without markup."""
    kept = (c if c.isprintable() and c not in "<>|`[]*\\" else "?" for c in str(value)[:_TEXT])
    return "".join(kept)


def scores(run_dir: Path, config: TrainConfig, step: int) -> dict[str, dict[str, float | int]]:
    """Return mean, standard error and number of the episodes that eval.csv has of this step.

    A split without any is left out, and so are all if the file is absent or damaged.
    """
    returns: dict[str, list[float]] = {split: [] for split in logs.SPLITS}
    try:
        text = untrusted.read(run_dir / "eval.csv", _EVAL_LIMIT, run_dir).decode("utf-8")
        rows = csv.DictReader(io.StringIO(text))
        untrusted.check_columns(rows.fieldnames or ())
        for row in rows:
            if row["step"] == str(step) and row["split"] in returns:
                value = float(row["return"])
                if not math.isfinite(value):
                    return {}
                returns[row["split"]].append(value)
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return {}
    return {split: _summary(config, found) for split, found in returns.items() if found}


def _summary(config: TrainConfig, returns: list[float]) -> dict[str, float | int]:
    mean, number = statistics.fmean(returns), len(returns)
    summary: dict[str, float | int] = {"episodes": number, "mean": mean}
    if number > 1:
        summary["standard_error"] = statistics.stdev(returns) / number**0.5
    if config.mode in RANGED_MODES:
        summary["normalized"] = normalize_score(mean, config.game, config.mode)
    return summary


def markdown(card: Mapping[str, Any], name: str) -> str:
    """Return the card as a page; `name` is what the policy's file is called."""
    rows = [
        f"| {split} | {_number(score['mean'])} +- {_number(score.get('standard_error'))}"
        f" | {_number(score.get('normalized'))} | {score['episodes']} |"
        for split, score in card["scores"].items()
    ]
    scored = (
        ["| split | mean return | normalized | episodes |", "| --- | --- | --- | --- |", *rows]
        if rows
        else ["The run was not evaluated at this step."]
    )
    trained = card["trained_with"]
    versions = ", ".join(f"{name} {version}" for name, version in trained["versions"].items())
    settings = [f"| {key} | `{_setting(value)}` |" for key, value in card["config"].items()]
    return "\n".join(
        [
            f"# {card['method']} on {card['game']}",
            "",
            f"A policy for the Procgen game {card['game']}: {plain(card['summary'])}.",
            f"Trained for {card['step']:,} environment steps, seed {card['seed']}, on the levels",
            f"{card['config']['levels']} ({card['config']['mode']}).",
            "",
            "## Scores",
            "",
            *scored,
            "",
            "`train` is the run's own levels, `test` the full distribution; +- is the standard",
            "error over episodes. One policy is one seed: it says little of its method.",
            "",
            "## Use",
            "",
            "With procgen-drac installed:",
            "",
            "```",
            f"drac evaluate {plain(name)} --split test --episodes 100",
            "```",
            "",
            "or, in Python, `drac.api.load_policy(path).network`.",
            "",
            "## Origin",
            "",
            f"- versions: {versions or 'unknown'}",
            f"- Procgen: {trained['procgen_build']}",
            f"- commit: {trained['commit']}",
            *(f"- SHA-256 of {name}: {digest}" for name, digest in trained["code"].items()),
            f"- licence: {card['license']}",
            *(f"- cite: {source}" for source in card["citation"]),
            "",
            "## Configuration",
            "",
            "| option | value |",
            "| --- | --- |",
            *settings,
            "",
        ]
    )


def _number(value: Any) -> str:
    return "?" if value is None else f"{value:.3f}"


def _setting(value: Any) -> str:
    return plain(", ".join(map(str, value)) if isinstance(value, list) else value)
