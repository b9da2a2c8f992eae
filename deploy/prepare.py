"""What must be there before a process can work: schemas, topics, starter data, an admin key."""

import asyncio
import logging

from deploy.compose import Product
from shared.access import Access, Role
from shared.db.revisions import pending
from shared.runtime.parts import NotYet
from shared.runtime.service import Service

log = logging.getLogger(__name__)


class SchemaBehind(NotYet):
    """The database lacks migrations; somebody may be running them just now."""


async def prepare(product: Product) -> str | None:
    """Migrate, seed, and make an admin key where there is none; returns that key, once.

    Raises what the database raises.
    """
    from shared.db.migrations import migrate  # Alembic is slow to import

    def each(service: Service) -> None:
        migrate(service.db, service.migrations)
        if service.seed is not None:
            service.seed()

    await product.access.refresh()
    for service in product.services:
        await asyncio.to_thread(each, service)
    return await first_admin_key(product.access)


async def first_admin_key(access: Access) -> str | None:
    """A new admin key if there is no active one. The plain key exists only in what is returned."""
    keys = [key for key in await access.list_keys() if key.expires_at is None]
    if any(key.role == Role.ADMIN and key.active for key in keys):
        return None
    _, key = await access.create_key(Role.ADMIN, label="first admin key")
    return key


async def schema_ready(service: Service) -> None:
    """Raises SchemaBehind while migrations are missing, and what the database raises."""
    missing = await asyncio.to_thread(pending, service.db, service.migrations)
    if missing:
        raise SchemaBehind(
            f"{service.name}: migrations {', '.join(missing)} are missing: leadloop migrate"
        )
