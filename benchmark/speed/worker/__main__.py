"""`python -m benchmark.speed.worker`: a task comes in as a line of JSON, messages go out as such.

Messages: `{"part": name}` before a part of the work, which begins when a line comes in, and
`{"result": ...}` at the end.
"""

from __future__ import annotations

import json
import os
import sys

from benchmark.engines.process import end_with_parent
from benchmark.speed.records import Task


def main() -> None:
    """Do the task on stdin."""
    end_with_parent()
    # What libraries print must not come between the messages: from here on it goes to the log.
    with os.fdopen(os.dup(1), "w", buffering=1) as channel:
        os.dup2(2, 1)

        def begin(part: str) -> None:
            channel.write(json.dumps({"part": part}) + "\n")
            if not sys.stdin.readline():
                raise SystemExit("the parent has gone")

        task = Task.model_validate_json(sys.stdin.readline())
        begin("start")
        if task.how == "parity":
            from benchmark.speed.worker.parity import verdicts

            found = [verdict.model_dump() for verdict in verdicts(task.config, begin)]
            channel.write(json.dumps({"result": found}) + "\n")
        else:
            from benchmark.speed.worker.measure import measure

            channel.write(json.dumps({"result": measure(task, begin).model_dump()}) + "\n")


if __name__ == "__main__":
    main()
