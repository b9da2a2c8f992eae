"""The JSON API of qualify, under ``/qualify/v1``."""

from fastapi import APIRouter

from services.qualify.http.definitions import definitions_router
from services.qualify.http.evidence import Evidence, NoEvidence
from services.qualify.http.publishing import publishing_router
from services.qualify.http.replays import replays_router
from services.qualify.http.scores import scores_router
from services.qualify.store.unit import Qualify
from shared.runtime.unit import Transactions


def router(transactions: Transactions[Qualify], evidence: Evidence | None = None) -> APIRouter:
    """All routes. ``evidence`` is what is known of definitions from past leads."""
    found = evidence or NoEvidence()
    routes = APIRouter(prefix="/qualify/v1")
    routes.include_router(definitions_router(transactions, found))
    routes.include_router(publishing_router(transactions, found))
    routes.include_router(scores_router(transactions.db))
    routes.include_router(replays_router(transactions.db))
    return routes
