"""The commands `drac-bench figures` and `plot`: parse, load, draw, print."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from augmentations import plugins
from benchmark.commands.choices import chosen, experiments, listed, require_picture
from benchmark.figures import catalogue
from drac.commands import flags
from drac.commands.output import fitted, progress
from drac.config.quantities import number_of
from drac.errors import ConfigError
from drac.files import run_folder

if TYPE_CHECKING:
    from benchmark.analysis.histories import Histories
    from benchmark.figures.drawing import Drawing, Style
    from benchmark.store.store import Store

STYLES = ("screen", "paper")
FORMATS = ("png", "pdf", "svg")

HELP = """Draw figures of an experiment's runs, finished or not, and write them below
RESULTS/figures: each picture with its numbers (.csv) and its caption (.txt) beside it.

figures:
{figures}

examples: drac-bench figures --experiment demo
          drac-bench figures --figure intervals profiles --style paper"""


@dataclass
class FiguresFlags:
    """Flags of `drac-bench figures`."""

    experiment: tuple[str, ...] = flags.option(
        (), "experiments to draw together (default: each on its own)"
    )
    figure: tuple[str, ...] = flags.option((), "which figures (default: all)")
    style: str = flags.option(
        "screen",
        "screen: PNG with titles; paper: PDF of a column's or a page's width (3.25 or 6.75 in)",
    )
    format: str = flags.option("", "png, pdf or svg (default: the style's)")
    results: Path = flags.option(Path("results"), "root of all results")
    out: Path | None = flags.option(
        None, "folder of the pictures (default: RESULTS/figures/EXPERIMENT)"
    )


def figures_command(argv: Sequence[str]) -> int:
    """`drac-bench figures`."""
    from benchmark.store.store import Store

    figures = catalogue.known()
    about = HELP.format(figures=listed({name: one.title for name, one in figures.items()}))
    given: FiguresFlags = flags.parse(FiguresFlags, argv, "drac-bench figures", about)
    wanted = chosen("figure", given.figure, figures) or tuple(figures)
    chosen("style", (given.style,), STYLES)
    chosen("format", (given.format,) if given.format else (), FORMATS)
    store = Store(given.results)
    found = experiments(store, given.experiment)
    if not found:
        raise ConfigError(f"there are no runs below {store.runs}; begin with drac-bench run")
    groups = [found] if given.experiment else [(name,) for name in found]
    if given.out and len(groups) > 1:
        raise ConfigError(
            f"--out {given.out} is one folder for {len(groups)} experiments: add --experiment,"
            f" with one of them or with all"
        )
    folders = [given.out or store.root / "figures" / "+".join(group) for group in groups]
    for folder in folders:
        run_folder.require_writable(folder)

    from benchmark.figures.drawing import STYLES as styles

    for group, folder in zip(groups, folders, strict=True):
        _draw(store, group, folder, wanted, styles[given.style], given.format)
    return 0


def _draw(
    store: Store,
    group: Sequence[str],
    folder: Path,
    names: Sequence[str],
    style: Style,
    form: str,
) -> None:
    histories = _load(store, group)
    if histories.runs.empty:
        said = f"{' + '.join(group)}: no run can be drawn yet. {' '.join(histories.notes)}"
        print(fitted(said))
        return
    folder.mkdir(parents=True, exist_ok=True)
    absent, notes = [], []
    for name in names:
        draw = partial(catalogue.known()[name], histories, style)
        try:
            paths = plugins.called(catalogue.KIND, name, partial(_saved, draw, folder, form))
        except plugins.PluginError as error:
            notes.append(f"no figure {name}: {error}")
            continue
        for path in paths:
            print(f"  {path}", flush=True)
        absent += [] if paths else [name]
    if absent:
        notes.append(f"not drawn, for these runs have nothing of the kind: {', '.join(absent)}")
    written = f"written to {folder}, each with its numbers (.csv) and its caption (.txt)"
    for line in (*notes, *histories.notes, written):
        print(fitted(line))


def _saved(draw: Callable[[], list[Drawing]], folder: Path, form: str) -> list[Path]:
    return [drawing.save(folder, form) for drawing in draw()]


def _load(store: Store, group: Sequence[str]) -> Histories:
    from benchmark.analysis import histories
    from benchmark.scores import curves

    specs = [spec for name in group for spec in store.specs(name)]
    print(f"{' + '.join(group)}: {number_of(len(specs), 'run')}", flush=True)
    with progress("reading runs", len(specs)) as on_run:
        runs = store.load(specs, on_run)
    return histories.load(runs, curves.every(store.root))


PLOT_HELP = """Draw the training return of runs over their steps, with every evaluation on the
training levels and on the full distribution.

example:
  drac-bench plot results/runs/default/ppo/starpilot/seed0 --out curve.png"""


@dataclass
class PlotFlags:
    """Flags of `drac-bench plot`."""

    run: tuple[Path, ...] = flags.positional("folders of runs", "RUN")
    out: Path = flags.option(Path("curves.png"), "the picture: .png, .pdf or .svg")


def plot_command(argv: Sequence[str]) -> int:
    """`drac-bench plot`."""
    given: PlotFlags = flags.parse(PlotFlags, argv, "drac-bench plot", PLOT_HELP)
    if not given.run:
        raise ConfigError("say which runs to draw: drac-bench plot RUN [RUN ...]")
    for run_dir in given.run:
        run_folder.require_run(run_dir)
    require_picture(given.out)
    from benchmark.figures.run_curves import learning_curves
    from benchmark.store.run_files import DamagedError

    try:
        learning_curves(given.run, given.out)
    except DamagedError as error:
        raise ConfigError(str(error)) from None
    print(f"written to {given.out}")
    return 0
