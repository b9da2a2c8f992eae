"""Definitions in force, and what was proposed of them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.feedback.domain.evidence import Change
from services.feedback.domain.proposals import Earlier, Status
from services.feedback.store.tables import definitions, mqls, proposals
from shared.contracts.definition import DefinitionDocument
from shared.contracts.vocabulary import ReasonClass
from shared.db.engine import insert


class ProposalRepository:
    """The proposals of one transaction. Rare enough to be written one by one."""

    def __init__(self, conn: AsyncConnection) -> None:
        self._conn = conn

    async def publish(self, definition: DefinitionDocument, at: datetime) -> None:
        """From now on this version is the published one."""
        statement = insert(self._conn, definitions).values(
            version=definition.version,
            document=definition.model_dump(mode="json"),
            published_at=at,
            retired=False,
        )
        changed = {name: statement.excluded[name] for name in ("document", "published_at")}
        await self._conn.execute(
            statement.on_conflict_do_update(
                index_elements=["version"], set_={**changed, "retired": False}
            )
        )
        await self._conn.execute(
            update(definitions)
            .where(definitions.c.version != definition.version, definitions.c.published_at <= at)
            .values(retired=True)
        )

    async def retire(self, version: int) -> None:
        """This version scores no longer."""
        await self._conn.execute(
            update(definitions).where(definitions.c.version == version).values(retired=True)
        )

    async def in_force(self, *, lock: bool = False) -> DefinitionDocument | None:
        query = (
            select(definitions.c.document)
            .where(definitions.c.retired.is_(False))
            .order_by(definitions.c.published_at.desc(), definitions.c.version.desc())
            .limit(1)
        )
        found = await self._conn.execute(query.with_for_update() if lock else query)
        document = found.scalar_one_or_none()
        return DefinitionDocument.model_validate(document) if document is not None else None

    async def of(self, base_version: int) -> list[Earlier]:
        found = await self._conn.execute(
            select(proposals)
            .where(proposals.c.base_version == base_version)
            .order_by(proposals.c.proposed_at, proposals.c.proposal_id)
        )
        return [
            Earlier(
                row.proposal_id,
                Status(row.status),
                tuple(Change(**change) for change in row.changes),
                row.answers,
                row.made_from,
            )
            for row in found
        ]

    async def find(self, proposal_id: str) -> dict[str, Any] | None:
        """One proposal, or None."""
        found = await self._conn.execute(
            select(proposals).where(proposals.c.proposal_id == proposal_id)
        )
        row = found.first()
        return dict(row._mapping) if row is not None else None

    async def add(self, row: dict[str, Any]) -> None:
        """Write a new proposal."""
        await self._conn.execute(proposals.insert(), [row])

    async def refresh(
        self, proposal_id: str, evidence: dict[str, Any], answers: int, at: datetime
    ) -> None:
        """Give an open proposal the evidence of today."""
        await self._conn.execute(
            update(proposals)
            .where(proposals.c.proposal_id == proposal_id)
            .where(proposals.c.status == Status.OPEN.value)
            .values(evidence=evidence, answers=answers, evidence_at=at)
        )

    async def resolve(self, proposal_id: str, status: Status, at: datetime, **values: Any) -> None:
        """Give a proposal its next status."""
        await self._conn.execute(
            update(proposals)
            .where(proposals.c.proposal_id == proposal_id)
            .values(status=status.value, resolved_at=at, **values)
        )

    async def unresolved(self) -> list[tuple[str, Status, int]]:
        found = await self._conn.execute(
            select(proposals.c.proposal_id, proposals.c.status, proposals.c.base_version).where(
                proposals.c.status.in_([Status.OPEN.value, Status.APPROVED.value])
            )
        )
        return [(row.proposal_id, Status(row.status), row.base_version) for row in found]

    async def tally(self, version: int) -> list[tuple[Sequence[str], str, int]]:
        found = await self._conn.execute(
            select(mqls.c.criteria, mqls.c.answer, func.count().label("leads"))
            .where(mqls.c.definition_version == version, mqls.c.qualified_at.is_not(None))
            .where(
                or_(
                    mqls.c.answer == "accepted",
                    mqls.c.reason_class == ReasonClass.DEFINITIONAL.value,
                )
            )
            .group_by(mqls.c.criteria, mqls.c.answer)
        )
        return [(row.criteria, row.answer, row.leads) for row in found]
