"""A job that takes its time: what a look that is broken off looks like from outside."""

import time
from typing import Any

from shared.runtime.jobs import answer_request


def handle(_: Any) -> None:
    time.sleep(120)


if __name__ == "__main__":
    answer_request(handle)
