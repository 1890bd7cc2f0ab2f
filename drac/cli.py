"""The command `drac`: parse, call, print."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import drac.names  # noqa: F401 - first: it ends here if others hide our packages
from drac.commands import flags
from drac.commands.augmentations import augmentations_command
from drac.commands.evaluate import evaluate_command
from drac.commands.export import export_command
from drac.commands.train import train_command
from drac.commands.watch import watch_command

USAGE = """
usage: drac COMMAND [OPTIONS]

Train and evaluate agents on Procgen games.

commands:
  train           train one agent, or continue where it stopped
  evaluate        play episodes with a trained agent, or measure its robustness
  export          write a trained agent to a file, with a card that describes it
  watch           make a video of a trained agent
  augmentations   list the augmentations, or draw them on frames of a game

examples:
  drac train --game bigfish --method ucb-drac --seed 0 --steps 25M
  drac train --method help
  drac evaluate results/runs/default/ppo/maze/seed0 --split test --episodes 100
  drac export results/runs/default/ppo/maze/seed0 --out policy.safetensors
  drac watch results/runs/default/ppo/maze/seed0 --split test --out clip.mp4
  drac augmentations show --game coinrun --out gallery.png

`drac COMMAND --help` lists the options. Many runs at once: `drac-bench --help`.
`drac --version` says which one this is; `drac --print-completion SHELL` prints how bash, zsh
or tcsh completes its command lines.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `drac`; returns the exit status."""
    commands = {
        "train": train_command,
        "evaluate": evaluate_command,
        "export": export_command,
        "watch": watch_command,
        "augmentations": augmentations_command,
    }
    return flags.run_command("drac", USAGE, commands, argv)


if __name__ == "__main__":
    sys.exit(main())
