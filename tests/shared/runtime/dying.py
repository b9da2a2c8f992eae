"""A program that passes every place at which a process can be told to die: for test_failpoints.

Run with a folder; prints ``ended`` when nothing has stopped it.
"""

import asyncio
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from shared.bus.api import Message
from shared.runtime.clock import FixedClock
from shared.runtime.group_commit import GroupCommit
from shared.runtime.relay import Relay
from shared.runtime.retention import LogKeeper
from tests.shared.runtime.checks import Recorder
from tests.shared.toy.embedded import EmbeddedLog
from tests.shared.toy.service import NOW, captured, message, toy_on


async def main(folder: Path) -> None:
    """Consume, relay, keep a log, commit in groups: once each."""
    async with toy_on(f"sqlite:{folder}") as toy:
        bus = EmbeddedLog(folder / "log", toy.db)
        await bus.start()
        await bus.publish([message(captured(f"lead-{n}", n)) for n in range(6)])
        consumer = toy.consumer(bus)
        await consumer.step()
        await consumer.close()

        relay = Relay("qualify", toy.db, _broker())
        await relay.step()
        await relay.close()

        published = [Message("definition.published", "1", b"{}", {}) for _ in range(2)]
        await bus.publish(published)
        keeper = LogKeeper("qualify", toy.db, bus, FixedClock(NOW + timedelta(days=99)))
        await keeper.run()

        async def commit(items: Sequence[int]) -> Sequence[int | Exception]:
            return items

        writer = GroupCommit("qualify.writer", commit)
        await writer.start()
        await writer.submit(1)
        await writer.stop()
        await bus.stop()
    print("ended", flush=True)


def _broker() -> Any:
    return Recorder()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
