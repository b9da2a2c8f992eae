"""A brake on guessing keys at the login page."""

import time
from collections import OrderedDict
from collections.abc import Callable

MOST_FAILURES = 10
WINDOW_SECONDS = 60.0
MOST_CLIENTS = 10_000


class Attempts:
    """Counts failed logins per client, in this process's memory.

    Keys hold 256 random bits, so this is no defence the keys need: it keeps a broken or hostile
    client from using the login page as a load generator. Forgetting on a restart is fine.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait(self, client: str) -> int:
        """Whole seconds this client must wait before the next try; 0 if it need not."""
        began, count = self._current(client)
        if count < MOST_FAILURES:
            return 0
        return max(1, int(began + WINDOW_SECONDS - self._monotonic()) + 1)

    def failed(self, client: str) -> None:
        """Count one failed try."""
        began, count = self._current(client)
        self._failures[client] = (began, count + 1)
        self._failures.move_to_end(client)
        while len(self._failures) > MOST_CLIENTS:
            self._failures.popitem(last=False)

    def succeeded(self, client: str) -> None:
        """Forget the failures of somebody who got in."""
        self._failures.pop(client, None)

    def _current(self, client: str) -> tuple[float, int]:
        now = self._monotonic()
        began, count = self._failures.get(client, (now, 0))
        return (now, 0) if now - began >= WINDOW_SECONDS else (began, count)
