"""The command `drac export`: parse, call, print."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drac.commands import flags
from drac.commands.playing import title
from drac.config.quantities import number_of

EXPORT_HELP = """Write the policy of a run's newest checkpoint to a file of its own, for others:
weights in safetensors, and a card of game, method, settings, scores and versions in its header, in
a .json and in a .md file beside it. Nothing in it can be executed. For other runtimes it writes
ONNX or TorchScript, which drac itself does not read.

examples:
  drac export results/runs/default/ppo/bigfish/seed0 --out policy.safetensors
  drac export results/runs/default/ppo/bigfish/seed0 --format onnx"""


@dataclass
class ExportFlags:
    """Flags of `drac export`."""

    run: Path = flags.positional("a run's folder", "RUN")
    out: Path | None = flags.option(
        None, "the file to write, ending in .safetensors (default: RUN/policy.safetensors)"
    )
    format: str = flags.option(
        "safetensors", "or for other runtimes onnx, torchscript", "{safetensors,onnx,torchscript}"
    )


def export_command(argv: Sequence[str]) -> int:
    """`drac export`."""
    given: ExportFlags = flags.parse(ExportFlags, argv, "drac export", EXPORT_HELP)
    from drac import policy

    out = given.out or given.run / f"policy{policy.SUFFIXES.get(given.format, '')}"
    exported = policy.export(given.run, out, given.format)
    config, scores = exported.config, exported.card["scores"]
    said = ", ".join(
        f"{split} {score['mean']:.2f} ({number_of(score['episodes'], 'episode')})"
        for split, score in scores.items()
    )
    readable = given.format == "safetensors"
    following = f"next: drac evaluate --split test -- {shlex.quote(str(out))}"
    print(
        f"{title(config, exported.step)}:"
        f" {said or 'not evaluated at this step'}\n"
        f"{out} ({out.stat().st_size:,} bytes), its card in {policy.card_path(out).name}"
        + (f" and {out.with_suffix('.md').name}\n{following}" if readable else "")
    )
    return 0
