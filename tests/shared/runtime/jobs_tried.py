"""A process of its own that does what the request names: the child of ``test_jobs``."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from shared.runtime.jobs import answer_request


def handle(request: Any) -> Any:
    match request["do"]:
        case "tell":
            return {
                "pid": os.getpid(),
                "nice": os.nice(0),
                "threads": os.environ["OMP_NUM_THREADS"],
                "arguments": Path("/proc/self/cmdline").read_text(),
                "echo": request["echo"],
            }
        case "sleep":
            Path(request["file"]).write_text(str(os.getpid()))
            time.sleep(60)
        case "fail":
            raise ValueError(request["secret"])
        case "shout":
            sys.stdout.write("no JSON")
    return {}


if __name__ == "__main__":
    answer_request(handle)
