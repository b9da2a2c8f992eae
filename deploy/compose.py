"""Builds the chosen services on the parts that the settings name: the composition root."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from deploy.settings import Settings
from deploy.web import app as web
from shared.access import Access
from shared.access.openid import OpenId
from shared.bus.api import Bus
from shared.bus.open import open_bus
from shared.contracts.topics import SERVICES
from shared.db.database import Database
from shared.runtime.clock import SystemClock
from shared.runtime.peers import Peers
from shared.runtime.service import Infra, Service
from shared.web.links import Links


@dataclass(slots=True)
class Product:
    """What one process runs."""

    settings: Settings
    services: list[Service]
    access: Access
    bus: Bus
    databases: dict[str, Database]
    app: ASGIApp
    peers: Peers

    def close(self) -> None:
        """Close every database."""
        self.access.close()
        for db in self.databases.values():
            db.close()


def build(settings: Settings, names: Sequence[str] = SERVICES) -> Product:
    """Services, access, bus and the application that serves them all; nothing is started.

    Raises ValueError for an unknown service or URL.
    """
    unknown = sorted(set(names) - set(SERVICES))
    if unknown:
        raise ValueError(f"no such service: {', '.join(unknown)}; there are {', '.join(SERVICES)}")
    access = Access.open(settings.databases, admin_key=settings.admin_key or None)
    databases: dict[str, Database] = {}

    def database(name: str) -> Database:
        """One a service, however many ask: SQLite has one writer."""
        if name not in databases:
            databases[name] = Database.open(settings.databases, name)
        return databases[name]

    bus = open_bus(settings.broker_url, settings.topic_prefix, database)
    links = Links.parse(settings.service_urls)
    peers = Peers(Links.parse(settings.peer_urls or settings.service_urls))
    shared = partial(
        Infra,
        bus=bus,
        access=access,
        clock=SystemClock(),
        links=links,
        peers=peers,
        outward=settings.outward,
    )
    services = [_service(name, shared(db=database(name))) for name in names]
    apps: dict[str, ASGIApp] = {service.name: service.app for service in services}
    peers.runs_here(apps)
    folders = {service.name: service.migrations.parent for service in services}
    openid = OpenId(settings.openid) if settings.openid else None
    app = Dispatcher(apps, web.build(access, links, folders, peers, openid))
    return Product(settings, services, access, bus, databases, app, peers)


def _service(name: str, infra: Infra) -> Service:
    module: Any = importlib.import_module(f"services.{name}.service")
    typed: Any = importlib.import_module(f"services.{name}.settings")
    service: Service = module.build(typed.Settings(), infra)
    service.app.state.parts = service.parts
    return service


class Dispatcher:
    """Gives each request to the service that its first path segment names, the rest to the front.

    A lookup instead of a router of routers: it costs nothing on the path of a posted lead.
    """

    def __init__(self, apps: dict[str, ASGIApp], front: ASGIApp) -> None:
        self._apps = apps
        self._front = front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "/")
        name = path[1 : path.find("/", 1)] if path.count("/") > 1 else path[1:]
        await self._apps.get(name, self._front)(scope, receive, send)
