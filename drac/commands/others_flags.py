"""Our flags in other trainers: Stable-Baselines3 and its Zoo, CleanRL, the code of UCB-DrAC."""

from __future__ import annotations

from collections.abc import Collection

_SAME = {
    "--algo": "--method",
    "--aug-type": "--augmentation",
    "--clip-coef": "--clip",
    "--clip-param": "--clip",
    "--clip-range": "--clip",
    "--cuda": "--device",
    "--distribution-mode": "--mode",
    "--ent-coef": "--entropy-coef",
    "--env": "--game",
    "--env-id": "--game",
    "--env-name": "--game",
    "--exp-name": "--experiment",
    "--log-dir": "--results",
    "--lr": "--learning-rate",
    "--n-envs": "--num-envs",
    "--n-epochs": "--epochs",
    "--n-eval-episodes": "--episodes",
    "--n-steps": "--num-steps",
    "--num-env-steps": "--steps",
    "--num-levels": "--levels",
    "--num-mini-batch": "--minibatches",
    "--num-minibatches": "--minibatches",
    "--num-processes": "--num-envs",
    "--n-timesteps": "--steps",
    "--ppo-epoch": "--epochs",
    "--start-level": "--levels",
    "--total-timesteps": "--steps",
    "--update-epochs": "--epochs",
    "--value-loss-coef": "--value-coef",
    "--vf-coef": "--value-coef",
}
_TRACKED = "TensorBoard files are written into the run's folder without being asked for"
_OTHERWISE = {
    "--resume": "the same command continues a run that was stopped",
    "--batch-size": "--minibatches says how many gradient steps a pass over the rollout has",
    "--capture-video": "drac watch makes a video of a run",
    "--tensorboard-log": _TRACKED,
    "--wandb-project-name": "WANDB_PROJECT names the project of --track wandb",
    "--wandb-entity": "WANDB_ENTITY names the team of --track wandb",
    "--anneal-lr": "the learning rate is constant, as in the paper",
    "--torch-deterministic": "the same seed and threads give the same bits on CPU",
}


def hint(flag: str, ours: Collection[str]) -> str:
    """Return " (here: --steps)" for a flag of another trainer; "" if a command has no such flag.

    Args:
        flag: what was given, such as "--total-timesteps".
        ours: the flags of the command; what is said in place of a flag belongs to training.
    """
    same = _SAME.get(flag, "")
    for known in (same, f"{same}s"):  # a sweep has --games
        if known in ours:
            return f" (here: {known})"
    return f" ({_OTHERWISE[flag]})" if flag in _OTHERWISE and "--learning-rate" in ours else ""
