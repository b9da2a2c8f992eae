"""Feedback's JSON interface: parse, call, answer."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from fastapi import APIRouter

from services.feedback.http.events import add_events
from services.feedback.http.figures import add_figures
from services.feedback.http.leads import add_leads
from services.feedback.http.learning import add_learning
from services.feedback.http.outcomes import add_outcomes
from services.feedback.http.proposals import add_proposals
from services.feedback.http.webhooks import add_webhooks
from services.feedback.store.unit import Feedback
from services.feedback.tail import Tail
from shared.contracts.vocabulary import Stage
from shared.runtime.outgoing import Outgoing
from shared.runtime.peers import Peers
from shared.runtime.unit import Transactions


def router(
    transactions: Transactions[Feedback],
    stuck_after: Mapping[Stage, timedelta],
    look: Callable[[], None],
    peers: Peers,
    tail: Tail,
    outgoing: Outgoing,
) -> APIRouter:
    """All routes under ``/feedback/v1``; a lead may stay in a stage for ``stuck_after``, and
    ``look`` has what was asked for seen to at once; ``peers`` are the other
    services, and ``tail`` tells of new events; ``outgoing`` calls webhooks."""
    api = APIRouter(prefix="/feedback/v1")
    add_outcomes(api, transactions, peers)
    add_events(api, transactions, tail)
    add_webhooks(api, transactions, outgoing)
    add_figures(api, transactions, stuck_after)
    add_leads(api, transactions)
    add_learning(api, transactions, look)
    add_proposals(api, transactions)
    return api
