"""`python -m benchmark.speed.worker`: a task comes in as a line of JSON, messages go out as such.

Messages: `{"part": name}` when a part of the work begins, `{"ready": name}` when it waits for a
line, `{"result": ...}` at the end.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from benchmark.engines.local import end_with_parent
from benchmark.speed.training import Task


def main() -> None:
    """Do the task on stdin."""
    end_with_parent()
    # What libraries print must not come between the messages: from here on it goes to the log.
    with os.fdopen(os.dup(1), "w", buffering=1) as channel:
        os.dup2(2, 1)

        def say(**message: Any) -> None:
            channel.write(json.dumps(message) + "\n")

        task = Task(**json.loads(sys.stdin.readline()))

        def begin(part: str) -> None:
            if task.in_step:
                say(ready=part)
                if not sys.stdin.readline():
                    raise SystemExit("the parent has gone")
            say(part=part)

        say(part="start")
        say(result=_measure(task, begin))


def _measure(task: Task, begin: Any) -> Any:
    if task.kind == "parity":
        from benchmark.speed.worker.parity import verdicts

        return verdicts(task, begin)
    from benchmark.speed.worker.measure import measure

    return measure(task, begin)


if __name__ == "__main__":
    main()
