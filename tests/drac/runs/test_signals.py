"""Signals: the first asks, a second Ctrl-C insists."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from drac.runs.signals import CAUGHT, stop_requested


def test_what_schedulers_send_before_they_kill_is_caught() -> None:
    """Slurm, submitit (USR2), LSF and Grid Engine (USR1, USR2, XCPU), a terminal that closes."""
    names = {"SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU"}
    assert names <= {number.name for number in CAUGHT}


@pytest.mark.parametrize("number", CAUGHT)
def test_the_first_signal_sets_the_flag_and_says_so_once(number: signal.Signals) -> None:
    said: list[str] = []
    with stop_requested(said.append) as stopping:
        assert not stopping()
        signal.raise_signal(number)
        assert stopping()
        if number != signal.SIGINT:
            signal.raise_signal(number)  # schedulers repeat themselves
        assert stopping()
    assert len(said) == 1
    assert said[0].startswith(f"{number.name} received: saving after this update")


@pytest.mark.parametrize("first", CAUGHT)
def test_ctrl_c_after_a_signal_stops_at_once(first: signal.Signals) -> None:
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt), stop_requested(said.append):  # noqa: PT012
        signal.raise_signal(first)
        signal.raise_signal(signal.SIGINT)
    assert len(said) == 1


@pytest.mark.parametrize("error", [RuntimeError("reentrant call"), BrokenPipeError()])
def test_the_run_is_saved_even_if_nobody_can_be_told(error: Exception) -> None:
    def fail(text: str) -> None:
        raise error

    with stop_requested(fail) as stopping:
        signal.raise_signal(signal.SIGTERM)
        assert stopping()


@pytest.mark.parametrize("fails", [False, True])
def test_the_handlers_are_put_back(fails: bool) -> None:
    before = [signal.getsignal(number) for number in CAUGHT]
    try:
        with stop_requested(lambda text: None):
            assert [signal.getsignal(number) for number in CAUGHT] != before
            if fails:
                raise ValueError
    except ValueError:
        pass
    assert [signal.getsignal(number) for number in CAUGHT] == before


def test_other_threads_are_never_stopped() -> None:
    before = [signal.getsignal(number) for number in CAUGHT]
    answers: list[bool] = []

    def work() -> None:
        with stop_requested(lambda text: None) as stopping:
            answers.append(stopping())
            answers.append([signal.getsignal(number) for number in CAUGHT] == before)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [False, True]


def test_what_is_ignored_stays_ignored() -> None:
    """As nohup and a script's background jobs want it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_requested(lambda text: None) as stopping:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stopping()
    finally:
        signal.signal(signal.SIGHUP, before)
