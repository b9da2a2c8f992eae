"""The definition that an empty database starts with."""

from typing import Final

from services.qualify.handlers.definitions import create_definition, publish_definition
from services.qualify.store.unit import Qualify
from shared.contracts.definition import Criterion, DefinitionBody, Disqualifier, Grade
from shared.runtime.unit import Transactions

SENIOR: Final = [
    *("chief", "ceo", "cmo", "cto", "cfo", "coo", "vp", "vice president", "president"),
    *("head", "director", "founder", "owner"),
]

STARTER: Final = DefinitionBody(
    name="Starter definition",
    note="A sensible beginning for selling to companies. Copy it and make it yours.",
    threshold=50,
    criteria=[
        Criterion(
            id="senior_title",
            group="fit",
            field="job_title",
            operator="matches_word",
            value=SENIOR,
            points=25,
        ),
        Criterion(
            id="manager_title",
            group="fit",
            field="job_title",
            operator="matches_word",
            value=["manager", "lead"],
            points=10,
        ),
        Criterion(
            id="learner",
            group="fit",
            field="job_title",
            operator="matches_word",
            value=["student", "intern"],
            points=-20,
        ),
        Criterion(
            id="mid_size", group="fit", field="employees", operator="at_least", value=50, points=15
        ),
        Criterion(
            id="large", group="fit", field="employees", operator="at_least", value=500, points=10
        ),
        Criterion(
            id="home_market",
            group="fit",
            field="country",
            operator="in",
            value=["US", "CA", "GB", "IE", "DE", "AT", "CH", "FR", "NL", "BE", "SE", "DK"],
            points=10,
        ),
        Criterion(
            id="business_email",
            group="fit",
            field="email_type",
            operator="equals",
            value="business",
            points=15,
        ),
        Criterion(
            id="free_email",
            group="fit",
            field="email_type",
            operator="equals",
            value="free",
            points=-10,
        ),
        Criterion(id="left_phone", group="fit", field="has_phone", operator="is_true", points=5),
        Criterion(
            id="wrote_message",
            group="engagement",
            field="has_message",
            operator="is_true",
            points=5,
            half_life_days=60,
        ),
        Criterion(
            id="came_back",
            group="engagement",
            field="activity.form_submitted",
            operator="at_least",
            value=2,
            points=15,
            half_life_days=30,
        ),
        Criterion(
            id="webinar",
            group="engagement",
            field="activity.webinar_attended",
            operator="at_least",
            value=1,
            points=20,
            half_life_days=30,
        ),
        Criterion(
            id="clicked_mail",
            group="engagement",
            field="activity.email_clicked",
            operator="at_least",
            value=1,
            points=10,
            half_life_days=14,
        ),
    ],
    disqualifiers=[
        Disqualifier(
            id="closed_industry", field="industry", operator="in", value=["Gambling", "Tobacco"]
        ),
    ],
    grades=[
        Grade(grade="A", min_score=75),
        Grade(grade="B", min_score=50),
        Grade(grade="C", min_score=25),
        Grade(grade="D", min_score=0),
    ],
    cool_off_days=30,
)


def seed(transactions: Transactions[Qualify]) -> None:
    """Publish the starter definition where there is none at all. Safe to call by several
    processes at once."""

    def start(unit: Qualify) -> None:
        unit.lock(["seed"])
        if not unit.definitions.all():
            made = create_definition(unit, STARTER)
            publish_definition(unit, made.version)

    transactions.run_here(start)
