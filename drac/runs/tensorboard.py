"""TensorBoard's event files, written piece by piece.

tensorboard's own writer has a thread that dies with the first error, say a full disk, and takes
along what it had not written. The format is the same.
"""

from __future__ import annotations

import io
import os
import socket
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drac.files import atomic
from drac.files.atomic import Appender
from drac.files.retry import Retry


class EventLog:
    """Scalars of one session of a run; each session has a file of its own.

    Args:
        folder: existing.
        step: the session begins here: TensorBoard hides what earlier files have beyond it.
        retry: of each write.
    """

    def __init__(self, folder: Path, step: int = 0, retry: Retry | None = None) -> None:
        with warnings.catch_warnings():  # tensorboard's imports warn of their dependencies
            warnings.simplefilter("ignore")
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.record_writer import RecordWriter
        self._proto: Any = event_pb2
        self._summary: Any = summary_pb2.Summary
        self._records: Any = RecordWriter
        earlier = any(folder.glob("events.out.tfevents.*"))
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
        path = atomic.unused(folder / name)
        self._file = Appender(path, 0, retry or Retry())
        self._append(file_version="brain.Event:2")
        if earlier:
            log = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            self._append(step=step + 1, session_log=log)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Write named values of one step."""
        scalars = [self._summary.Value(tag=name, simple_value=v) for name, v in values.items()]
        self._append(step=step, summary=self._summary(value=scalars))

    def hparams(self, settings: Mapping[str, Any]) -> None:
        """Write a run's options, for the table of TensorBoard's HParams."""
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        plain = {k: v if isinstance(v, int | float | str) else str(v) for k, v in settings.items()}
        self._append(summary=hparams_pb(plain))

    def _append(self, **content: Any) -> None:
        event = self._proto.Event(wall_time=time.time(), **content)
        record = io.BytesIO()
        self._records(record).write(event.SerializeToString())
        self._file.append(record.getvalue())

    def close(self) -> None:
        """Close the file."""
        self._file.close()
