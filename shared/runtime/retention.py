"""What is forgotten, and when: in small transactions that nobody waits for, along indexes."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from shared.bus.local import LocalBus
from shared.contracts.topics import TOPICS, Topic
from shared.db import inbox
from shared.db.database import Database
from shared.db.statements import Statement
from shared.runtime import failpoints
from shared.runtime.clock import Clock

INBOX_DAYS: Final = 45
"""Longer than any topic keeps a message, so that no repeat outlives its inbox row."""
CHUNK: Final = 500
"""Most rows that one transaction looks at."""
MARK: Final = "compaction"
"""The name under which the place of the last compaction is kept among the positions."""

_EXPIRED = Statement(
    "DELETE FROM outbox WHERE seq IN "
    "(SELECT seq FROM outbox WHERE topic = :topic ORDER BY seq LIMIT :chunk) "
    "AND created_at < :before AND seq < :read AND seq < (SELECT max(seq) FROM outbox)"
)
_NEXT_MARK = Statement(
    "SELECT max(seq) FROM (SELECT seq FROM outbox WHERE topic = :topic AND seq > :mark "
    "ORDER BY seq LIMIT :chunk)"
)
_SUPERSEDED = Statement(
    "DELETE FROM outbox WHERE seq IN (SELECT old.seq FROM outbox AS new JOIN outbox AS old "
    "ON old.topic = new.topic AND old.key = new.key AND old.seq < new.seq AND old.compacted "
    "WHERE new.topic = :topic AND new.seq > :mark AND new.seq <= :upto)"
)


class LogKeeper:
    """Keeps one service's part of the embedded log as its topics say: by age, but nothing that a
    reader has yet to read; of a compacted topic the newest message of each key. The newest row of
    all stays, because numbers go on from it."""

    def __init__(self, service: str, db: Database, bus: LocalBus, clock: Clock) -> None:
        self._service = service
        self._topics = [topic for topic in TOPICS.values() if topic.owner == service]
        self._db = db
        self._bus = bus
        self._clock = clock

    async def run(self) -> int:
        """Forget what may be forgotten; returns 0 when all of it is gone."""
        gone = 0
        for topic in self._topics:
            if topic.retention_ms is not None:
                gone += await self._db.write(self._expire(topic))
            if topic.compacted:
                gone += await self._db.write(partial(self._compact, topic))
        if not gone:
            await self._db.checkpoint()  # what was deleted is in no file any more
        return gone

    def _expire(self, topic: Topic) -> Callable[[Connection], int]:
        before = self._clock.now() - timedelta(milliseconds=topic.retention_ms or 0)
        read = self._bus.read_by_all(topic.name)

        def expire(conn: Connection) -> int:
            gone = _EXPIRED.run(conn, topic=topic.name, chunk=CHUNK, before=before, read=read)
            failpoints.reached("retention", self._service)
            return gone.rowcount

        return expire

    def _compact(self, topic: Topic, conn: Connection) -> int:
        """Only what has come since the last time can supersede anything. Returns how many rows were
        looked at."""
        place = (topic.name, 0)
        mark = inbox.positions(conn, MARK, [place])[place]
        upto = _NEXT_MARK.run(conn, topic=topic.name, mark=mark, chunk=CHUNK).scalar()
        if upto is None:
            return 0
        _SUPERSEDED.run(conn, topic=topic.name, mark=mark, upto=upto)
        inbox.advance(conn, MARK, {place: (mark, upto)})
        failpoints.reached("compaction", self._service)
        return 1


class InboxKeeper:
    """Forgets which events had their effect, once no topic keeps them any more."""

    def __init__(self, db: Database, consumer: str, clock: Clock) -> None:
        self._db = db
        self._consumer = consumer
        self._clock = clock

    async def run(self) -> int:
        """Forget some; returns 0 when all that is old is gone."""
        oldest = first_id_of(self._clock.now() - timedelta(days=INBOX_DAYS))
        return await self._db.write(lambda conn: inbox.prune(conn, self._consumer, oldest, CHUNK))


def first_id_of(moment: datetime) -> str:
    """The smallest UUIDv7 (RFC 9562: milliseconds in its first 48 bits) of a time's second."""
    return str(UUID(int=(int(moment.timestamp()) * 1000) << 80))
