"""The JSON API of qualify, under ``/qualify/v1``."""

from fastapi import APIRouter

from services.qualify.computing import Analyse
from services.qualify.http.backtests import PastLeads, backtests_router
from services.qualify.http.definitions import definitions_router
from services.qualify.http.publishing import publishing_router
from services.qualify.http.replays import replays_router
from services.qualify.http.scores import scores_router
from services.qualify.store.unit import Qualify
from shared.runtime.unit import Transactions


def router(transactions: Transactions[Qualify], analyse: Analyse) -> APIRouter:
    """All routes. ``analyse`` computes what past and open leads say of a definition."""
    past = PastLeads(analyse, transactions.clock)
    routes = APIRouter(prefix="/qualify/v1")
    routes.include_router(definitions_router(transactions, past))
    routes.include_router(publishing_router(transactions, past))
    routes.include_router(backtests_router(transactions, analyse, past))
    routes.include_router(scores_router(transactions.db))
    routes.include_router(replays_router(transactions.db))
    return routes
