"""``/capture/v1/sources``: the other tools that may post, and how they are believed."""

import secrets
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.capture.domain.source import PRESETS, Source
from services.capture.domain.webhook import BadMapping, compiled
from services.capture.handlers.sources import add_source, change_source, remove_source
from services.capture.store.queries import every_source, find_source
from services.capture.store.unit import Capture
from shared.access import Principal, Role, allow
from shared.contracts.problems import Problem
from shared.runtime.paging import listing
from shared.runtime.unit import Transactions

Editor = Annotated[Principal, Depends(allow(Role.MARKETER, Role.ADMIN))]
Word = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
SourceId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,55}$")]
Host = Annotated[str, StringConstraints(pattern=r"^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]{0,250})$")]
Address = Annotated[str, StringConstraints(max_length=2000, pattern=r"^https?://[^\s\x00]+$")]
Expression = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")]
Secret = Annotated[str, StringConstraints(min_length=8, max_length=200, pattern=r"^[\x21-\x7e]+$")]
_HEADER: Final = r"^[A-Za-z0-9-]{1,64}$"


class BySecret(BaseModel):
    """A header holds the secret itself."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["secret"]
    header: Annotated[str, StringConstraints(pattern=_HEADER)] = "X-Webhook-Secret"
    prefix: Annotated[str, StringConstraints(max_length=20)] = ""
    """What stands before it, such as ``Bearer`` and a space."""


class ByHmac(BaseModel):
    """A header holds an HMAC of the body, made with the secret."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["hmac"]
    header: Annotated[str, StringConstraints(pattern=_HEADER)]
    algorithm: Literal["sha256", "sha512", "sha1"] = "sha256"
    prefix: Annotated[str, StringConstraints(max_length=20)] = ""
    encoding: Literal["hex", "base64"] = "hex"


class HubSpotIn(BaseModel):
    """Forms of a HubSpot portal, accepted without a key."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["hubspot"]
    source_id: SourceId | None = None
    name: Word
    active: bool = True
    portal_id: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,64}$")]
    form_ids: Annotated[list[Word], Field(max_length=200)] = []
    """The forms that are accepted; all of the portal's when there is none here."""
    allowed_hosts: Annotated[list[Host], Field(max_length=100)] = []
    """Hosts whose pages may post from a browser; any when there is none here."""
    mapping: Annotated[dict[Word, Word], Field(max_length=200)] = {}
    """HubSpot's name → ours, for what the synonyms do not understand."""
    purposes: Annotated[
        dict[Word, Annotated[str, StringConstraints(pattern=r"^[^\x00]{1,64}$")]],
        Field(max_length=100),
    ] = {}
    """Id of a subscription type → purpose of a consent."""
    inline_message: Annotated[str, StringConstraints(max_length=2000)] = (
        "Thanks for submitting the form."
    )
    redirect_uri: Address | None = None
    """Told instead of the message, when given."""


class WebToLeadIn(BaseModel):
    """Forms of a Salesforce organisation, accepted without a key."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["web_to_lead"]
    source_id: SourceId | None = None
    name: Word
    active: bool = True
    oid: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{15}([A-Za-z0-9]{3})?$")]
    allowed_hosts: Annotated[list[Host], Field(max_length=100)] = []
    """Hosts that ``retURL`` may send a browser to."""
    mapping: Annotated[dict[Word, Word], Field(max_length=200)] = {}
    """Salesforce's name → ours: ``{"00N5e00000AbCdE": "budget"}``."""


class WebhookIn(BaseModel):
    """A webhook of any tool, believed by a secret."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["webhook"]
    source_id: SourceId | None = None
    name: Word
    active: bool = True
    preset: Literal["typeform", "meta"] | None = None
    """A service whose shape and signature are known."""
    secret: Secret | None = None
    """The one the tool has; a new one is made, and told once, where it is left out."""
    verify_token: Secret | None = None
    """Meta's, for the challenge with which an address is verified."""
    verification: Annotated[BySecret | ByHmac, Field(discriminator="type")] | None = None
    """Where there is no preset; a secret in ``X-Webhook-Secret`` where it is left out."""
    mapping: Annotated[dict[Word, Expression], Field(max_length=200)] = {}
    """Field of ours → JMESPath. Without a preset and without a mapping the body is taken as a lead,
    by the synonyms; with a preset it adds to what that reads."""
    leads: Expression | None = None
    """JMESPath of a list of leads, where one body brings several."""
    idempotency: Expression | None = None
    """JMESPath of what names a submission, so that one sent twice counts once."""


SourceIn = Annotated[HubSpotIn | WebToLeadIn | WebhookIn, Field(discriminator="kind")]


def add_sources(router: APIRouter, transactions: Transactions[Capture]) -> None:
    """Add the routes."""
    db = transactions.db

    @router.get("/sources", tags=["sources"])
    async def get_sources(_: Editor) -> dict[str, Any]:
        """The tools that may post, without their secrets."""
        return listing([_told(one) for one in await db.read(every_source)], None)

    @router.post("/sources", status_code=201, tags=["sources"])
    async def post_source(_: Editor, source: SourceIn) -> dict[str, Any]:
        """Set up a tool. A webhook's ``secret`` is told here, and never again."""
        source_id = source.source_id or f"{source.kind.replace('_', '-')}-{secrets.token_hex(4)}"
        secret = _secret(source)
        if isinstance(source, WebhookIn) and not secret:
            secret = secrets.token_urlsafe(32)
        document = _document(source)
        added = await transactions.run(
            lambda unit: add_source(
                unit, source_id, source.kind, active=source.active, document=document,
                secret=secret or "",
            )
        )  # fmt: skip
        return {**_told(added), **({"secret": added.secret} if added.secret else {})}

    @router.get("/sources/{source_id}", tags=["sources"])
    async def get_source(_: Editor, source_id: str) -> dict[str, Any]:
        """A tool, without its secret."""
        found = await db.read(lambda conn: find_source(conn, source_id[:64]))
        if found is None:
            raise Problem(404, "Unknown source", "No source has this id.")
        return _told(found)

    @router.put("/sources/{source_id}", tags=["sources"])
    async def put_source(_: Editor, source_id: str, source: SourceIn) -> dict[str, Any]:
        """Change a tool. A secret that is left out stays."""
        document, secret = _document(source), _secret(source)
        changed = await transactions.run(
            lambda unit: change_source(
                unit, source_id, source.kind, active=source.active, document=document, secret=secret
            )
        )
        return _told(changed)

    @router.delete("/sources/{source_id}", status_code=204, tags=["sources"])
    async def delete_source(_: Editor, source_id: str) -> Response:
        """Remove a tool: what it posts is refused from now on."""
        await transactions.run(lambda unit: remove_source(unit, source_id))
        return Response(status_code=204)


def _secret(source: BaseModel) -> str | None:
    return source.secret if isinstance(source, WebhookIn) else None


def _document(source: HubSpotIn | WebToLeadIn | WebhookIn) -> dict[str, Any]:
    """What is stored. Raises Problem 422 for expressions that are none."""
    document = source.model_dump(exclude={"kind", "source_id", "active", "secret"})
    if isinstance(source, WebhookIn):
        if source.preset and source.verification:
            raise _wrong("/verification", "is the preset's: leave one of them out")
        if source.verify_token and source.preset != "meta":
            raise _wrong("/verify_token", "is for the preset meta alone")
        if source.preset is None and source.verification is None:
            document["verification"] = BySecret(type="secret").model_dump()
        places = {f"/mapping/{field}": text for field, text in source.mapping.items()}
        more = {"/leads": source.leads, "/idempotency": source.idempotency}
        for place, text in {**places, **more}.items():
            if text is not None:
                try:
                    compiled(text)
                except BadMapping as error:
                    raise _wrong(place, str(error)) from None
    return document


def _wrong(pointer: str, detail: str) -> Problem:
    return Problem(
        422,
        "The source can't be used",
        f"{pointer[1:]} {detail}.",
        errors=[{"pointer": pointer, "detail": detail}],
    )


def _told(source: Source) -> dict[str, Any]:
    preset = source.document.get("preset")
    shown = {k: v for k, v in source.document.items() if k != "verify_token"}
    if preset:
        shown["verification"] = {"type": "hmac", **PRESETS[preset]}
    posts = {
        "hubspot": f"/capture/v1/hubspot/{source.document.get('portal_id')}/{{form_id}}",
        "web_to_lead": "/capture/v1/web-to-lead",
        "webhook": f"/capture/v1/hooks/{source.source_id}",
    }
    return {
        "source_id": source.source_id,
        "kind": source.kind,
        "active": source.active,
        **shown,
        "has_secret": bool(source.secret),
        "posts_to": posts[source.kind],
        "created_at": source.created_at,
        "updated_at": source.updated_at,
    }
