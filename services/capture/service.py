"""Capture, put together: its table of contents."""

from functools import partial
from pathlib import Path

from starlette.routing import Route

from services.capture.http import (
    PATH,
    LongWay,
    PostLeads,
    Shortcut,
    api_router,
    describe_post,
    hubspot_router,
)
from services.capture.intake.reception import Reception
from services.capture.intake.rereading import Rereading
from services.capture.seed import seed
from services.capture.settings import Settings
from services.capture.store.catalogue import Catalogue
from services.capture.store.unit import Capture
from services.capture.web import form_pages_router, marketing_router, pages_router
from shared.runtime.http import create_app
from shared.runtime.service import Infra, Service, standard_parts
from shared.runtime.unit import Transactions

NAME = "capture"
MIGRATIONS = Path(__file__).parent / "migrations"


def build(settings: Settings, infra: Infra) -> Service:
    """Takes leads in; tells the others about each one, once."""
    catalogue = Catalogue()
    transactions = Transactions(infra.db, infra.clock, partial(Capture, catalogue=catalogue))
    reception = Reception(transactions, catalogue, **settings.model_dump())
    app = create_app(
        NAME,
        "capture",
        infra,
        description="Takes leads in, once each, and loses none.",
        parses_itself=[PATH],
    )
    post_leads = PostLeads(reception, infra.access)
    app.router.routes.insert(0, Route(PATH, LongWay(post_leads), methods=["POST"]))
    describe_post(app)
    app.include_router(api_router(transactions, reception))
    app.include_router(hubspot_router(infra.access, infra.db, reception))
    app.include_router(pages_router(infra.db, reception))
    app.include_router(form_pages_router(transactions, catalogue))
    app.include_router(marketing_router(infra.access, transactions, reception))
    app.middleware_stack = Shortcut(app.build_middleware_stack(), post_leads)
    return Service(
        name=NAME,
        app=app,
        db=infra.db,
        migrations=MIGRATIONS,
        parts=[
            *reception.parts(),
            *Rereading(transactions).parts(),
            *standard_parts(infra, NAME, transactions),
        ],
        seed=lambda: seed(transactions),
    )
