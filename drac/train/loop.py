"""Training, from top to bottom: collect, returns, select, update, log, evaluate, checkpoint."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from augmentations.errors import told
from drac import hardware, methods
from drac.arms.build import build_augmentations
from drac.arms.trial import try_augmentations, verdicts
from drac.config import TrainConfig
from drac.config.quantities import number_of
from drac.errors import ConfigError, Interrupted, NonFinite
from drac.files import atomic, run_folder
from drac.files.lock import owned, set_aside
from drac.files.retry import Retry
from drac.methods import published
from drac.policy.initial import initial_network
from drac.returns import explained_variance
from drac.runs import checkpoint, provenance, trackers
from drac.runs.signals import stop_requested
from drac.stats import ArmStats, Report
from drac.train import failures
from drac.train.collect import collect, estimate_returns
from drac.train.session import Session, Stopped, TrainResult
from drac.train.state import Begun, Training
from drac.train.watcher import Watcher


def train(
    config: TrainConfig,
    run_dir: Path | str,
    watcher: Watcher | None = None,
    fresh: bool = False,
    finish: bool = False,
    accept_changed_code: bool = False,
    track: str = "none",
) -> TrainResult:
    """Train a run, or continue it, in its folder.

    A folder that holds the same config, with other steps, is continued from its last checkpoint.

    Args:
        config: what to train; "auto" is resolved here.
        run_dir: made if needed.
        watcher: is told of everything as it happens.
        fresh: begin anew; a run that the folder holds keeps all its files in a renamed folder.
        finish: complete the run at the step that it has reached, whatever `config.steps` says.
        accept_changed_code: continue although a plug-in's source is another than before.
        track: beside TensorBoard, one of `drac.runs.trackers.NAMES`; not in the config, as no
            result depends on it.

    Raises:
        ConfigError: before anything is written: the folder holds another config, or cannot be
            written, or the device or what is to track is absent.
        Interrupted: after a signal; the state was saved and the same call continues.
        NonFinite: naming the update, if its loss is NaN or infinite; nothing of it is logged, and
            the minibatch is left in nan_report.npz.
        DiskError: if the disk was full, or read-only, for longer than `disk_wait`.
        MemoryError: if memory was used up; what was saved stays.
        OthersCodeError: if the code of others, such as the user's augmentation, failed. What was
            saved stays; its traceback is in train.log, and the error's cause.
    """
    run_dir, watcher = Path(run_dir), watcher or Watcher()
    trackers.require(track)
    config = prepare(config, run_dir, fresh, finish, watcher.message)
    hardware.use(config)
    if fresh and (aside := set_aside(run_dir)):
        watcher.message(f"{run_dir} is now {aside}")
    with (
        owned(run_dir, watcher.message) as require_ours,
        stop_requested(watcher.message) as stopping,
    ):
        for folder in (run_dir, checkpoint.folder(run_dir)):
            atomic.remove_temporary(folder)
        retry = Retry(config.disk_wait, watcher.message, stopping, require_ours)
        session = _begin(config, run_dir, watcher, stopping, accept_changed_code, retry, track)
        try:
            path = run_dir / "config.json"  # only now: a refusal must not leave another config
            retry(path, lambda: atomic.write_text(path, config.to_json()))
            if session.finished():
                steps = number_of(session.training.step, "step")
                watcher.message(f"{run_dir} is complete: {steps} and both evaluations")
            session.evaluate_and_save_when_due()
            for report in iterate(session.training, session.progress):
                session.log(report)
                if stopping():
                    session.save()
                    raise Interrupted(f"saved at step {report.step}; the same command continues")
                session.evaluate_and_save_when_due()
            return session.finish()
        except Stopped:
            session.save()
            where = f"in the auxiliary phase after step {session.training.step}"
            raise Interrupted(f"saved {where}; the same command continues") from None
        except Exception as error:
            if (better := failures.explained(error, session.training, run_dir)) is error:
                raise
            raise better from better.__cause__
        finally:
            session.close()


def _begin(
    config: TrainConfig,
    run_dir: Path,
    watcher: Watcher,
    stopping: Callable[[], bool],
    accept_changed_code: bool,
    retry: Retry,
    track: str,
) -> Session:
    """Make the run's state and session; what does not fit into memory is a ConfigError."""
    try:
        own = (stopping, accept_changed_code, retry, track)
        return Session(Training(config), run_dir, watcher, *own)
    except (ConfigError, OSError, Interrupted):
        raise
    except Exception as error:
        if hardware.out_of_memory(error):
            raise ConfigError(
                f"the run does not fit into the memory of {config.device} ({told(error)}); choose"
                f" fewer --num-envs or --num-steps"
            ) from None
        if methods.get(config.method) in published.ALL:
            raise
        text = f"method {config.method!r} cannot be made: {told(error)}"
        raise ConfigError(text) from error


def prepare(
    config: TrainConfig,
    run_dir: Path,
    fresh: bool = False,
    finish: bool = False,
    notify: Callable[[str], None] = lambda text: None,
) -> TrainConfig:
    """Resolve "auto" and check, without writing, that the config may run in the folder.

    With `fresh` it does not matter which run the folder holds; with `finish` it must hold one,
    whose steps are then those that it has reached. `notify` is told of augmentations that can be
    trained with, but hardly were meant, and whether wrapped functions keep the contract.

    Raises:
        ConfigError: see `train`.
    """
    run_folder.require_writable(run_dir)
    run_folder.require_plain(run_dir)
    reached = checkpoint.newest_step(run_dir)
    if finish and not reached:
        raise ConfigError(f"{run_dir} has no checkpoint yet: there is nothing to finish")
    if finish:
        config = config.model_copy(update={"steps": reached})
    if (run_dir / "config.json").exists() and not fresh:
        saved = TrainConfig.from_json(run_dir / "config.json")
        config = config.continue_from(saved, run_dir, reached)
        provenance.require(config, run_dir)
    methods.get(config.method).require_parts()
    if fresh or not reached:
        initial_network(config)  # what it begins with must be there; a run that goes on has its own
    made = build_augmentations(config)  # only their classes know which arguments they take
    config = hardware.resolve(config)
    hardware.require_memory(config)
    for warning in try_augmentations(made, config):
        notify(f"warning: {warning}")
    for verdict in verdicts(made):
        notify(verdict)
    return config


def iterate(
    training: Training, on_progress: Callable[[float], None] = lambda step: None
) -> Iterator[Report]:
    """Train until `config.num_updates`, yielding a report after every update.

    Between two reports the state may be saved, and evaluations made: they share no random stream.

    Args:
        training: continued from its current update.
        on_progress: called with the (fractional) environment step that the work done amounts to.

    Raises:
        NonFinite: naming the update in which a loss, or the policy, is NaN or infinite.
    """
    config, learner, selector = training.config, training.learner, training.selector
    while training.update < config.num_updates:
        tick = _ticker(training, on_progress)
        with _naming(training):
            begun = training.begun = training.begun or _begin_update(training, tick)
            assert training.arm is not None
            augmentation = training.view.in_update(training.augmentations[training.arm])
            stats = learner.update(training.rollout, augmentation, tick, arm=training.arm)
        training.update += 1
        training.begun = None
        training.skipped_steps += learner.skipped
        counts, means = selector.counts(), selector.means()
        returns, lengths = zip(*training.recent, strict=True) if training.recent else ((), ())
        yield Report(
            step=training.step,
            update=training.update,
            arm=training.arm,
            arms=tuple(
                ArmStats(arm, int(counts[arm]), means[arm], begun.scores[arm])
                for arm in selector.arms
            ),
            bandit_reward=begun.reward,
            train_return=float(np.mean(returns)) if returns else None,
            train_length=float(np.mean(lengths)) if lengths else None,
            episodes=training.episodes,
            stats=stats,
            skipped_steps=training.skipped_steps,
            train_episodes=len(returns),
            envs_ended=float(training.ended.mean()),
            explained_variance=begun.explained_variance,
        )


def _begin_update(training: Training, tick: Callable[[], None]) -> Begun:
    """Play a rollout and select the augmentation of the gradient steps on it."""
    selector, rollout = training.selector, training.rollout
    collect(training, tick)
    reward = estimate_returns(training)
    explained = explained_variance(rollout.values, rollout.returns)
    training.levels.update(rollout)
    if training.arm is not None:
        selector.update(training.arm, reward)
    scores = dict(selector.scores())
    training.arm = selector.select()
    return Begun(reward, explained, scores)


@contextlib.contextmanager
def _naming(training: Training) -> Iterator[None]:
    """Add the update to the message of a NonFinite."""
    try:
        yield
    except NonFinite as error:
        which = f"update {training.update + 1}, begun at step {training.step:,},"
        text = f"{which} failed and is neither logged nor saved: {error}"
        raise NonFinite(text, error.evidence) from None


def _ticker(training: Training, on_progress: Callable[[float], None]) -> Callable[[], None]:
    """Return what to call after each collected step, then after each gradient step, of an update.

    Each call reports the environment steps that the work done so far amounts to.
    """
    step, config = training.step, training.config
    share = 0.1  # of an update's time, collecting takes roughly this
    collected = training.begun is not None
    phases = (
        (share, 0 if collected else config.num_steps),
        (1 - share, training.learner.num_gradient_steps),
    )
    parts = iter([share / number for share, number in phases for _ in range(number)])
    done = share if collected else 0.0

    def tick() -> None:
        nonlocal done
        done += next(parts)
        on_progress(step + config.rollout_size * done)

    return tick
