"""The pages that are marketers' alone."""

from pathlib import Path

from fastapi import APIRouter

from services.capture.store.unit import Capture
from services.capture.web.field_pages import add_field_pages
from shared.runtime.unit import Transactions
from shared.web.pages import templates


def marketing_router(transactions: Transactions[Capture]) -> APIRouter:
    """Fields: declared, seen, understood."""
    router = APIRouter(include_in_schema=False)
    add_field_pages(router, transactions, templates(Path(__file__).parent / "templates"))
    return router
