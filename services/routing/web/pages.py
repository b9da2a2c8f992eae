"""The pages of routing."""

from pathlib import Path

from fastapi import APIRouter

from services.routing.open_links import OpenLinks
from services.routing.simulating import Simulate
from services.routing.store.unit import Routing
from services.routing.web.account_pages import add_account_pages
from services.routing.web.board_pages import add_board_pages
from services.routing.web.inbox_pages import add_inbox_pages
from services.routing.web.joining_pages import add_joining_pages
from services.routing.web.lead_pages import add_lead_pages
from services.routing.web.notification_pages import add_notification_pages
from services.routing.web.open_pages import add_open_pages
from services.routing.web.policy_pages import add_policy_pages
from services.routing.web.policy_trial import add_policy_trial
from services.routing.web.setup_pages import add_setup_pages
from shared.runtime.outgoing import Outgoing
from shared.runtime.peers import Peers
from shared.runtime.unit import Transactions
from shared.web.pages import templates


def pages_router(
    transactions: Transactions[Routing],
    peers: Peers,
    outgoing: Outgoing,
    links: OpenLinks,
    simulate: Simulate,
    *,
    mail: bool,
) -> APIRouter:
    """Routes of the pages under ``/routing/``."""
    router = APIRouter(include_in_schema=False)
    pages = templates(Path(__file__).parent / "templates")
    add_inbox_pages(router, transactions, pages, peers)
    add_lead_pages(router, transactions, pages, peers)
    add_board_pages(router, transactions, pages)
    add_policy_pages(router, transactions, pages)
    add_policy_trial(router, transactions, pages, simulate)
    add_setup_pages(router, transactions, pages)
    add_account_pages(router, transactions, pages)
    add_joining_pages(router, transactions, pages)
    add_notification_pages(router, transactions, pages, outgoing, mail=mail)
    add_open_pages(router, transactions, pages, links)
    return router
