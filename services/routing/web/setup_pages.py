"""The page on which an admin looks after reps and the policy."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from starlette.responses import Response

from services.routing.handlers import setting_up
from services.routing.store import queries
from services.routing.store.unit import Routing
from services.routing.web.forms import PolicyForm, RepForm
from services.routing.web.notices import NOTICES
from shared.access import Principal, Role, check_csrf, page_principal
from shared.contracts.problems import Problem
from shared.runtime.unit import Transactions
from shared.web.pages import Pages

MINUTES = ("sla_minutes", "accept_minutes")
Admin = Annotated[Principal, Depends(page_principal(Role.ADMIN))]


def add_setup_pages(router: APIRouter, transactions: Transactions[Routing], pages: Pages) -> None:
    """Add the routes of the set-up page."""

    async def show(request: Request, status: int = 200, **more: Any) -> Response:
        loads, policy, unrouted = await transactions.db.read(
            lambda conn: (queries.loads(conn), queries.policy(conn), queries.count_unrouted(conn))
        )
        rules = orjson.dumps(policy["rules"], option=orjson.OPT_INDENT_2).decode()
        context: dict[str, Any] = {
            "loads": loads,
            "policy": {**policy, **{name: f"{policy[name]:g}" for name in MINUTES}},
            "rules": rules,
            "unrouted": unrouted,
            "errors": [],
            "typed": {},
            "typed_for": "",
            "notice": None,
        }
        return pages.render(request, "setup.html", status_code=status, **{**context, **more})

    @router.get("/routing/")
    async def setup(request: Request, _: Admin, notice: str = "") -> Response:
        """Reps and policy."""
        return await show(request, notice=NOTICES.get(notice))

    @router.post("/routing/reps", dependencies=[Depends(check_csrf)])
    async def save_rep(request: Request, _: Admin) -> Response:
        """Add a rep, or change one."""
        typed = _typed(await request.form())
        rep_id = typed.get("rep_id", "")
        try:
            values = RepForm.model_validate(typed).model_dump()
            await transactions.run(
                lambda unit: (
                    setting_up.change_rep(unit, rep_id, values)
                    if rep_id
                    else setting_up.add_rep(unit, values)
                )
            )
        except (ValidationError, Problem) as error:
            errors, place = _errors(error), rep_id or "new"
            return await show(request, 422, errors=errors, typed=typed, typed_for=place)
        return RedirectResponse("/routing/?notice=saved", status_code=303)

    @router.post("/routing/policy", dependencies=[Depends(check_csrf)])
    async def save_policy(request: Request, _: Admin) -> Response:
        """Put the next version of the policy in force."""
        typed = _typed(await request.form())
        try:
            known = {name: typed[name] for name in PolicyForm.model_fields if name in typed}
            document = PolicyForm.model_validate(known).model_dump(exclude={"version"})
            await transactions.run(lambda unit: setting_up.put_policy(unit, document))
        except (ValidationError, Problem) as error:
            errors = _errors(error)
            return await show(request, 422, errors=errors, typed=typed, typed_for="policy")
        return RedirectResponse("/routing/?notice=policy", status_code=303)


def _typed(form: Any) -> dict[str, str]:
    return {key: value for key, value in form.items() if isinstance(value, str)}


def _errors(error: ValidationError | Problem) -> list[tuple[str, str]]:
    """Pairs of a field's name (or nothing) and what is wrong with it."""
    if isinstance(error, ValidationError):
        return [
            ("", f"{'/'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ')}")
            for e in error.errors(include_url=False, include_input=False)
        ]
    listed = error.extra.get("errors") or [{"pointer": "", "detail": error.detail}]
    return [("", f"{e['pointer']}: {e['detail']}".removeprefix(": ")) for e in listed]
