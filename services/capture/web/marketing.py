"""What stands behind marketing's own forms and pages: fields, and forms of Salesforce."""

from pathlib import Path

from fastapi import APIRouter

from services.capture.intake.reception import Reception
from services.capture.store.unit import Capture
from services.capture.web.field_pages import add_field_pages
from services.capture.web.web_to_lead import web_to_lead_router
from shared.access import Access
from shared.runtime.unit import Transactions
from shared.web.pages import templates


def marketing_router(
    access: Access, transactions: Transactions[Capture], reception: Reception
) -> APIRouter:
    """Fields: declared, seen, understood; and what a web-to-lead form posts to."""
    pages = templates(Path(__file__).parent / "templates")
    hidden = APIRouter(include_in_schema=False)
    add_field_pages(hidden, transactions, pages)
    router = APIRouter()
    router.include_router(hidden)
    router.include_router(web_to_lead_router(access, transactions.db, reception, pages))
    return router
