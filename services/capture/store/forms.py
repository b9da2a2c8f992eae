"""Hosted forms."""

from datetime import datetime
from typing import Any

from sqlalchemy import select

from services.capture.domain.form import HostedForm
from services.capture.store.tables import forms
from shared.db.engine import Database, insert


async def form(db: Database, form_id: str) -> HostedForm | None:
    """An active form, or None."""
    query = select(forms.c.document).where(forms.c.form_id == form_id, forms.c.active)
    async with db.read() as conn:
        document = (await conn.execute(query)).scalar_one_or_none()
    return HostedForm.of(form_id, document) if document is not None else None


async def add_form(db: Database, form_id: str, document: dict[str, Any], now: datetime) -> None:
    """Add a form; does nothing when there is one with this id."""
    row = {"form_id": form_id, "active": True, "document": document, "created_at": now}
    async with db.write() as conn:
        await conn.execute(insert(conn, forms).values(row).on_conflict_do_nothing())
