"""Capture, put together: its table of contents."""

from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.routing import Route

from services.capture.domain.form import DEMO
from services.capture.http import PATH, LongWay, PostLeads, Shortcut, api_router, describe_post
from services.capture.reception import Reception
from services.capture.settings import Settings
from services.capture.store.catalogue import Catalogue
from services.capture.store.forms import add_form
from services.capture.store.work import CaptureUnitOfWork
from services.capture.web import pages_router
from shared.runtime.http import create_app
from shared.runtime.service import Infra, Service, standard_parts
from shared.runtime.unit_of_work import Transactions

MIGRATIONS = Path(__file__).parent / "migrations"


def build(settings: Settings, infra: Infra) -> Service:
    """Takes leads in; tells the others about each one, once."""
    catalogue = Catalogue(infra.db)

    def work(conn: AsyncConnection) -> CaptureUnitOfWork:
        return CaptureUnitOfWork(conn, infra.clock, catalogue)

    transactions = Transactions(infra.db, "capture", infra.clock, work)
    reception = Reception(infra.db, transactions, catalogue, infra.clock, **settings.model_dump())
    app = create_app(
        "capture",
        "capture",
        infra,
        description="Takes leads in, once each, and loses none.",
        parses_itself=[PATH],
    )
    post_leads = PostLeads(reception, infra.access)
    app.add_middleware(Shortcut, endpoint=post_leads)
    app.router.routes.insert(0, Route(PATH, LongWay(post_leads), methods=["POST"]))
    describe_post(app)
    app.include_router(api_router(infra, transactions, reception))
    app.include_router(pages_router(infra.db, reception))

    async def seed() -> None:
        await add_form(infra.db, "demo", DEMO, infra.clock.now())

    return Service(
        name="capture",
        app=app,
        db=infra.db,
        migrations=MIGRATIONS,
        parts=[*reception.parts(), *standard_parts(infra, transactions)],
        seed=seed,
    )
