"""Conditions for a part of the leads, on each of the tables that figures are counted from."""

from typing import Any, Final

from sqlalchemy import ColumnElement, and_, select

from services.feedback.domain.slices import By, Slice
from services.feedback.store.tables import attempts, lead_stages, mqls

LAST_REP: Final = (
    select(attempts.c.rep_id)
    .where(attempts.c.lead_id == mqls.c.lead_id, attempts.c.cycle == mqls.c.cycle)
    .order_by(attempts.c.attempt.desc())
    .limit(1)
    .scalar_subquery()
)
"""Whose an MQL is: the rep of its last attempt, who gave the answer if there is one."""
_OF_MQLS: Final = and_(mqls.c.lead_id == attempts.c.lead_id, mqls.c.cycle == attempts.c.cycle)


def leads_in(part: Slice) -> list[ColumnElement[bool]]:
    """Leads that were captured in the period."""
    c = lead_stages.c
    return [*_period(part, c.captured_at), *_same(part, c.source, c.campaign, c.rep_id)] + (
        [] if part.version is None else [c.definition_version == part.version]
    )


def mqls_in(part: Slice) -> list[ColumnElement[bool]]:
    """MQLs that were given to a rep in the period."""
    c = mqls.c
    return [
        c.assigned_at.is_not(None),
        *_period(part, c.assigned_at),
        *_same(part, c.source, c.campaign, LAST_REP),
        *([] if part.version is None else [c.definition_version == part.version]),
    ]


def turns(part: Slice, by: By | None = None) -> Any:
    """Where reps' turns are read from: source and campaign of those who have not answered stand
    with their MQL."""
    told = part.source is not None or part.campaign is not None
    if not told and by not in (By.SOURCE, By.CAMPAIGN):
        return attempts
    return attempts.outerjoin(mqls, _OF_MQLS)


def turns_in(part: Slice, time: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    """Reps' turns with this time in the period."""
    c = attempts.c
    return [
        *_period(part, time),
        *_same(part, mqls.c.source, mqls.c.campaign, c.rep_id),
        *([] if part.version is None else [c.definition_version == part.version]),
    ]


def slice_sql(dialect: str, time: str) -> str:
    """The same for leads, as SQL for a constant statement with ``params_of``."""

    def given(name: str, kind: str) -> str:
        return f":{name}" if dialect == "sqlite" else f"CAST(:{name} AS {kind})"

    conditions = [
        (f"{time} >=", given("since", "timestamptz")),
        (f"{time} <", given("until", "timestamptz")),
        ("source =", given("source", "text")),
        ("campaign =", given("campaign", "text")),
        ("definition_version =", given("version", "integer")),
        ("rep_id =", given("rep_id", "text")),
    ]
    return " AND ".join(f"({value} IS NULL OR {what} {value})" for what, value in conditions)


def params_of(part: Slice) -> dict[str, Any]:
    """The parameters of ``slice_sql``."""
    return {
        "since": part.since,
        "until": part.until,
        "source": part.source,
        "campaign": part.campaign,
        "version": part.version,
        "rep_id": part.rep_id,
    }


def _period(part: Slice, time: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    since = [] if part.since is None else [time >= part.since]
    return since + ([] if part.until is None else [time < part.until])


def _same(
    part: Slice,
    source: ColumnElement[Any],
    campaign: ColumnElement[Any],
    rep: ColumnElement[Any],
) -> list[ColumnElement[bool]]:
    wanted = ((source, part.source), (campaign, part.campaign), (rep, part.rep_id))
    return [column == value for column, value in wanted if value is not None]
