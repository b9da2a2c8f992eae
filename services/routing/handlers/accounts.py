"""Accounts: who looks after which company."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from services.routing.domain.accounts import Account, Domain, plain_domain
from services.routing.domain.reps import readable_id
from services.routing.store.unit import Routing
from shared.contracts.ids import new_id
from shared.contracts.problems import Problem

MOST_DOMAINS: Final = 100
_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An account as somebody wants it; ``place`` is where they said so, as a JSON pointer."""

    name: str
    domains: Sequence[str] = ()
    owner_id: str | None = None
    stand_in_id: str | None = None
    account_id: str | None = None
    place: str = ""


def put_accounts(unit: Routing, wanted: Iterable[Wanted]) -> list[tuple[Account, list[str]]]:
    """Add accounts, or put them in the place of those with their ids: all of them, or none.

    Raises Problem 422 for reps there are not, texts that are no domains, and domains of others.
    """
    unit.pool()
    wanted = list(wanted)
    known = {one.account_id: one for one in unit.accounts.all()}
    owners = {one.domain: one.account_id for one in unit.domains.all()}
    newest = unit.newest_account()
    # Later than every change before, whatever the clock says: that is how others see there is one.
    at = unit.now if newest is None else max(unit.now, newest + _TICK)
    errors: list[tuple[str, str]] = []
    done: list[tuple[Account, list[str]]] = []
    for one in wanted:
        account_id = one.account_id or readable_id(one.name, known) or f"account-{new_id()}"
        before = known.get(account_id)
        made_at = at if before is None else before.created_at
        account = Account(account_id, one.name, one.owner_id, one.stand_in_id, made_at, at)
        domains = list(_domains(one, errors))
        errors += _faults(unit, one)
        for domain, owner in [(name, owners.get(name)) for name in domains]:
            if owner is not None and owner != account_id:
                detail = f"{domain} belongs to the account {owner}: take it from there first"
                errors.append((f"{one.place}/domains", detail))
        known[account_id] = account
        for name in [name for name, owner in owners.items() if owner == account_id]:
            if name not in domains:
                del owners[name]
                unit.domains.remove(Domain(name, account_id))
        for name in domains:
            if owners.get(name) is None:
                owners[name] = account_id
                unit.domains.put(Domain(name, account_id))
        unit.accounts.put(account)
        done.append((account, domains))
    if errors:
        raise _invalid(errors)
    return done


def remove_account(unit: Routing, account_id: str) -> None:
    """Remove an account: its leads go by the rules from now on. Raises Problem 404."""
    unit.pool()
    account = unit.accounts.fetch(account_id)
    if account is None:
        raise _not_there()
    for domain in [one for one in unit.domains.all() if one.account_id == account_id]:
        unit.domains.remove(domain)
    unit.accounts.remove(account)
    # Others see by the newest change that there is one; what is removed has none.
    others = [one for one in unit.accounts.all() if one.account_id != account_id]
    if others:
        newest = max(one.updated_at for one in (account, *others))
        unit.accounts.put(replace(others[0], updated_at=max(unit.now, newest + _TICK)))


def change_account(
    unit: Routing, account_id: str, changes: Mapping[str, Any]
) -> tuple[Account, list[str]]:
    """Change an account; what is left out stays. Raises Problem 404, 422."""
    unit.pool()
    before = unit.accounts.fetch(account_id)
    if before is None:
        raise _not_there()
    domains = [one.domain for one in unit.domains.all() if one.account_id == account_id]
    wanted = Wanted(before.name, domains, before.owner_id, before.stand_in_id, account_id)
    return put_accounts(unit, [replace(wanted, **changes)])[0]


def _not_there() -> Problem:
    return Problem(404, "No such account", "There is no account with this id.")


def _domains(wanted: Wanted, errors: list[tuple[str, str]]) -> Iterable[str]:
    found: dict[str, None] = {}
    for index, text in enumerate(wanted.domains):
        domain = plain_domain(text)
        if domain is None:
            detail = f"no domain: “{text[:60]}”; write it like acme.example"
            errors.append((f"{wanted.place}/domains/{index}", detail))
        else:
            found[domain] = None
    if len(found) > MOST_DOMAINS:
        errors.append((f"{wanted.place}/domains", f"at most {MOST_DOMAINS} domains"))
    return found


def _faults(unit: Routing, wanted: Wanted) -> Iterable[tuple[str, str]]:
    for name in ("owner_id", "stand_in_id"):
        rep_id = getattr(wanted, name)
        if rep_id is not None and unit.reps.get(rep_id) is None:
            yield f"{wanted.place}/{name}", "no such rep"
    if wanted.owner_id is not None and wanted.owner_id == wanted.stand_in_id:
        yield f"{wanted.place}/stand_in_id", "somebody else has to stand in for the owner"


def _invalid(errors: Sequence[tuple[str, str]]) -> Problem:
    return Problem(
        422,
        "This can't be used",
        f"Nothing was changed. {errors[0][0]}: {errors[0][1]}.",
        errors=[{"pointer": pointer, "detail": detail} for pointer, detail in errors[:100]],
    )
