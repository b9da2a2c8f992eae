"""Reads declared fields anew on the leads that came before, a few hundred at a time."""

from typing import Final

from services.capture.handlers.fields import read_some_again
from services.capture.store.seen import is_to_be_reread
from services.capture.store.unit import Capture
from shared.runtime.parts import Part, Timer
from shared.runtime.unit import Transactions

EVERY: Final = 5.0
"""Seconds between two looks for something to do."""


class Rereading:
    """Works off what ``declare_fields`` and ``understand_names`` leave to be read anew; submissions
    go between two batches."""

    def __init__(self, transactions: Transactions[Capture]) -> None:
        self._transactions = transactions

    def parts(self) -> list[Part]:
        """What has to run."""
        return [Timer("capture.reread", every=EVERY, run=self.run)]

    async def run(self) -> int:
        """One batch; 0 when nothing is due."""
        if not await self._transactions.db.read(is_to_be_reread):
            return 0
        return int(await self._transactions.run(read_some_again))
