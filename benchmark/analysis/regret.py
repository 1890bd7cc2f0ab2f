"""What choosing augmentations cost, if each one's return were that of its fixed runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.analysis.best_augmentation import fixed
from benchmark.analysis.histories import Histories
from benchmark.store.many_files import RUN

ALIKE = ("fidelity", "mode", "levels", "num_envs", "num_steps", "precision", "procgen_build")
"""Settings in which fixed runs agree with one that chooses; the number of steps may differ."""

COLUMNS = ("game", "label", "seed", "step", "arm", "best", "best_return", "chosen_return", "regret")
"""Of `regrets`."""


def static_regret(
    choices: Sequence[str], returns: Mapping[str, NDArray[np.float64]]
) -> pd.DataFrame:
    """Return the regret per update so far: of the best single arm in hindsight over those chosen.

    max_a mean_u R_a(u) - mean_u R_chosen(u)(u), the means over the updates so far that count: those
    where every curve has a return and the chosen arm has a curve. It is negative where changing
    arms was better than any one of them.

    Args:
        choices: the arm of each update.
        returns: arm -> the return at each update of its fixed runs, NaN where there is none.

    Returns:
        A row per update that counts: `update` (from 0), `arm`, `best` (arm), `best_return`,
        `chosen_return` (both means so far) and `regret`, their difference.
    """
    length = min(len(choices), *map(len, returns.values()))
    names = [*returns]
    curves = np.array([curve[:length] for curve in returns.values()])
    place = np.array([names.index(a) if a in returns else -1 for a in choices[:length]], np.intp)
    counts = np.flatnonzero((place >= 0) & np.isfinite(curves).all(axis=0))
    numbers = np.arange(1, len(counts) + 1)
    means = curves[:, counts].cumsum(axis=1) / numbers
    chosen = curves[place[counts], counts].cumsum() / numbers
    best = means.argmax(axis=0)
    top = means.max(axis=0, initial=-np.inf)
    return pd.DataFrame(
        {
            "update": counts,
            "arm": [choices[update] for update in counts],
            "best": [names[each] for each in best],
            "best_return": top,
            "chosen_return": chosen,
            "regret": top - chosen,
        }
    )


def regrets(histories: Histories) -> pd.DataFrame:
    """Return `COLUMNS`: `static_regret` of each run that chooses, where two arms have fixed runs.

    The fixed runs are those of the same game and of `ALIKE` settings; of several seeds their
    mean, as far as the shortest goes.
    """
    runs = histories.runs
    curves = {run: own.sort_values("update") for run, own in histories.progress.groupby(RUN)}
    steady = fixed(runs[runs["complete"]])
    rows = [pd.DataFrame(columns=[*COLUMNS])]
    chosen = histories.arms[histories.arms["selected"] == 1]
    for run, own in chosen.groupby(RUN):
        about = runs.loc[run]
        alike = [
            fixed_run
            for fixed_run, game, settings in zip(
                steady.index, steady["game"], steady["settings"], strict=True
            )
            if game == about["game"]
            and all(settings.get(name) == about["settings"].get(name) for name in ALIKE)
        ]
        returns = {
            str(arm): _mean(
                [curves[each]["train_return"].to_numpy(np.float64) for each in each_arm]
            )
            for arm, each_arm in steady.loc[alike].groupby("augmentation").groups.items()
        }
        if len(returns) < 2:
            continue
        own = own.sort_values("step")
        found = static_regret([str(arm) for arm in own["arm"]], returns)
        found["step"] = own["step"].to_numpy()[found["update"]]
        rows.append(
            found.assign(**{name: about[name] for name in ("game", "label", "seed")})[[*COLUMNS]]
        )
    return pd.concat([own for own in rows if len(own)] or rows, ignore_index=True)


def _mean(curves: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    length = min(map(len, curves))
    mean: NDArray[np.float64] = np.mean([curve[:length] for curve in curves], axis=0)
    return mean
