"""Forms by API."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path
from pydantic import Field

from services.capture.form_documents import FORM_ID, FormIn, form_view
from services.capture.handlers.forms import close_form, save_form
from services.capture.store.queries import list_forms, stored_form, versions_of
from services.capture.store.unit import Capture
from shared.access import Principal, Role, allow
from shared.contracts.problems import Problem
from shared.runtime.paging import listing
from shared.runtime.unit import Transactions

Editor = Annotated[Principal, Depends(allow(Role.MARKETER, Role.ADMIN))]
FormId = Annotated[str, Path(pattern=FORM_ID)]


class NewForm(FormIn):
    """A form with its id."""

    form_id: Annotated[str, Field(pattern=FORM_ID)]


def add_forms(router: APIRouter, transactions: Transactions[Capture]) -> None:
    """Add the routes."""
    db = transactions.db

    @router.get("/forms", tags=["forms"])
    async def get_forms(_: Editor) -> dict[str, Any]:
        """Every form, by id."""
        found = await db.read(list_forms)
        return listing([form_view(one) for one in found], None)

    @router.post("/forms", status_code=201, tags=["forms"])
    async def post_form(caller: Editor, body: NewForm) -> dict[str, Any]:
        """Make a form. 409 where there is one with this id."""
        document = body.model_dump(mode="json", exclude={"form_id"})

        def make(unit: Capture) -> Any:
            if unit.forms.fetch(body.form_id) is not None:
                raise Problem(409, "There is such a form", "Change it by PUT, or name it another.")
            return save_form(unit, body.form_id, document, caller.key_id)

        return form_view(await transactions.run(make))

    @router.get("/forms/{form_id}", tags=["forms"])
    async def get_form(_: Editor, form_id: FormId) -> dict[str, Any]:
        """One form."""
        found = await db.read(lambda conn: stored_form(conn, form_id))
        if found is None:
            raise Problem(404, "No such form", "There is no form with this id.")
        return form_view(found)

    @router.put("/forms/{form_id}", tags=["forms"])
    async def put_form(
        caller: Editor,
        form_id: FormId,
        body: FormIn,
        if_match: Annotated[str | None, Header(max_length=20)] = None,
    ) -> dict[str, Any]:
        """The form's next version; also opens one that was closed. ``If-Match: "<version>"``:
        only if it is still that version."""
        based_on = _version(if_match)
        return form_view(
            await transactions.run(
                lambda unit: save_form(
                    unit, form_id, body.document(), caller.key_id, based_on=based_on
                )
            )
        )

    @router.delete("/forms/{form_id}", tags=["forms"])
    async def delete_form(_: Editor, form_id: FormId) -> dict[str, Any]:
        """Take no more leads by it. Its leads and its versions stay."""
        return form_view(await transactions.run(lambda unit: close_form(unit, form_id)))

    @router.get("/forms/{form_id}/versions", tags=["forms"])
    async def get_versions(_: Editor, form_id: FormId) -> dict[str, Any]:
        """What it has been, newest first: which words a consent was given to."""
        found = await db.read(lambda conn: versions_of(conn, form_id))
        return listing(
            [
                {**one.document, "form_id": form_id, "version": one.version,
                 "created_at": one.created_at, "created_by": one.created_by}
                for one in found
            ],
            None,
        )  # fmt: skip


def _version(if_match: str | None) -> int | None:
    if if_match is None:
        return None
    tag = if_match.strip().strip('"')
    if not tag.isdecimal():
        raise Problem(400, "Unknown If-Match", 'Send the version, for example If-Match: "2".')
    return int(tag)
