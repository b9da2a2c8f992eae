"""From a draft to what scores: publishing, the challenge, and the re-scoring that follows."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from services.qualify.computing import comparison_of
from services.qualify.domain.promotion import MIN_LABELLED, missing_evidence
from services.qualify.domain.versions import Version
from services.qualify.handlers.definitions import (
    Judged,
    challenge,
    delete_draft,
    publish_definition,
    withdraw,
)
from services.qualify.store.queries import find_rescore, find_version, list_rescores
from services.qualify.store.unit import Qualify
from services.qualify.web.analyst import LABELS, Analyst
from services.qualify.web.readers import Author, Reader, number, version_or_404
from shared.access import Principal, check_csrf
from shared.contracts.problems import Problem
from shared.runtime.unit import Transactions
from shared.scorecard.differences import differences
from shared.web.pages import Pages

REFRESH_SECONDS: Final = 2
"""How often the page of a running re-scoring is fetched again."""


class Publishing:
    """Answers the requests of the pages on which versions come and go."""

    def __init__(self, transactions: Transactions[Qualify], pages: Pages, analyst: Analyst) -> None:
        self._transactions = transactions
        self._db = transactions.db
        self._pages = pages
        self._analyst = analyst

    async def confirm(
        self, request: Request, version: int, trouble: Problem | None = None, **typed: str
    ) -> Response:
        """What publishing would change, before it does; with ``trouble`` it has just failed."""
        found = await version_or_404(self._db, version)
        published = await self._published()
        own = published is not None and published.version == found.version
        context: dict[str, Any] = {"impact": None, "evidence": None, "cautions": []}
        if not own:
            context["cautions"] = await self._analyst.cautions(found)
            context["impact"] = await self._analyst.impact(found, published)
            if found.on_trial and published is not None:
                context["evidence"] = await self._evidence(found, published, "accepted")
        return self._pages.render(
            request,
            "qualify/publish.html",
            status_code=200 if trouble is None else trouble.status,
            version=found,
            published=published,
            changes=_changes(published, found),
            trouble=trouble,
            typed={"reason": "", "override": "", **typed},
            **context,
        )

    async def publish(self, request: Request, author: Principal, version: int) -> Response:
        """Publish, unless another version was published since the page was read, or evidence is
        missing and nobody says why to do without."""
        form = await request.form()
        reason, override, seen = (
            str(form.get(name, "")).strip()[:2000] for name in ("reason", "override", "seen")
        )
        work = partial(
            publish_definition,
            version=version,
            instead_of=number(form.get("instead_of")) or None,
            by=author.key_id,
            reason=reason,
            seen=seen or None,
            judged=None if override else await self._judged(version),
            override=override,
        )
        try:
            await self._transactions.run(work)
        except Problem as problem:
            if problem.status not in (409, 412):
                raise
            return await self.confirm(request, version, problem, reason=reason, override=override)
        return _to(version, "published")

    async def challenger(self, request: Request, version: int, label: str) -> Response:
        """The challenger and the version that scores, on the same leads."""
        found = await version_or_404(self._db, version)
        published = await self._published()
        if found.status != "challenger" or published is None:
            return _to(version, "")
        evidence = await self._evidence(found, published, label)
        return self._pages.render(
            request,
            "qualify/challenger.html",
            version=found,
            published=published,
            evidence=evidence,
            needed=MIN_LABELLED,
            label=label,
            labels=LABELS,
            changes=_changes(published, found),
        )

    async def _evidence(self, found: Version, published: Version, label: str) -> Mapping[str, Any]:
        compared = await self._analyst.compare(found, published, label)
        if isinstance(compared, str):
            return {"trouble": compared, "found": None, "missing": [compared]}
        return {
            "trouble": "",
            "found": compared,
            "missing": missing_evidence(comparison_of(compared)),
        }

    async def _judged(self, version: int) -> Judged | None:
        """What the gate is told; None for what is not on trial."""
        found, published = await version_or_404(self._db, version), await self._published()
        if not found.on_trial or published is None:
            return None
        compared = await self._analyst.compare(found, published, "accepted")
        comparison = None if isinstance(compared, str) else comparison_of(compared)
        return Judged(published.version, comparison)

    async def _published(self) -> Version | None:
        return await self._db.read(lambda conn: find_version(conn, None))


def add_publishing(
    router: APIRouter, publishing: Publishing, transactions: Transactions[Qualify]
) -> None:
    """Routes of the pages and their buttons."""

    @router.get("/definitions/{version}/publish")
    async def confirm(request: Request, _: Author, version: int) -> Response:
        """What publishing would change, before it does."""
        return await publishing.confirm(request, version)

    @router.post("/definitions/{version}/publish", dependencies=[Depends(check_csrf)])
    async def publish(request: Request, author: Author, version: int) -> Response:
        """Let it score from now on."""
        return await publishing.publish(request, author, version)

    @router.get("/definitions/{version}/challenger")
    async def challenger(
        request: Request, _: Author, version: int, label: str = "accepted"
    ) -> Response:
        """How it does beside the version that scores."""
        known = label if label in dict(LABELS) else "accepted"
        return await publishing.challenger(request, version, known)

    @router.post("/definitions/{version}/challenge", dependencies=[Depends(check_csrf)])
    async def begin(_: Author, version: int) -> Response:
        """Let it shadow-score every lead."""
        await version_or_404(transactions.db, version)
        await transactions.run(lambda unit: challenge(unit, version))
        return _to(version, "challenges")

    @router.post("/definitions/{version}/withdraw", dependencies=[Depends(check_csrf)])
    async def end(_: Author, version: int) -> Response:
        """End its challenge."""
        await version_or_404(transactions.db, version)
        await transactions.run(lambda unit: withdraw(unit, version))
        return _to(version, "withdrawn")

    @router.post("/definitions/{version}/delete", dependencies=[Depends(check_csrf)])
    async def delete(request: Request, _: Author, version: int) -> Response:
        """Throw a draft away, unless somebody changed it since the page was read."""
        seen = str((await request.form()).get("seen", ""))
        await version_or_404(transactions.db, version)
        await transactions.run(lambda unit: delete_draft(unit, version, seen or None))
        return RedirectResponse(f"/qualify/?notice=deleted-{version}", status_code=303)


def add_rescoring(router: APIRouter, transactions: Transactions[Qualify], pages: Pages) -> None:
    """The page of a re-scoring, which is fetched again while that runs."""

    @router.get("/rescores/{rescore_id}")
    async def progress(request: Request, _: Reader, rescore_id: str) -> Response:
        """How far a new version has come with the open leads."""
        run, newest = await transactions.db.read(
            lambda conn: (find_rescore(conn, rescore_id), list_rescores(conn, None, 1))
        )
        if run is None:
            raise Problem(404, "No such run", "There is no re-scoring with this id.")
        again = {"Refresh": str(REFRESH_SECONDS)} if run.status == "running" else {}
        return pages.render(
            request,
            "qualify/rescore.html",
            headers=again,
            run=run,
            newest=newest[0] if newest else run,
        )


def _changes(published: Version | None, found: Version) -> list[Any]:
    if published is None or published.version == found.version:
        return []
    return differences(published.document, found.document)


def _to(version: int, notice: str) -> Response:
    to = f"/qualify/definitions/{version}" + (f"?notice={notice}" if notice else "")
    return RedirectResponse(to, status_code=303)
