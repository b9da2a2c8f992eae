"""How pages call leads and facts."""

from services.feedback.store.names import Told, facts_seen, leads_told
from shared.contracts.vocabulary import RejectReason
from tests.services.feedback.lives import Feedback, Life, published


async def test_leads_by_company_with_the_last_answer(feedback: Feedback) -> None:
    facts = {"company": "Acme", "job_title": "CEO", "employees": 12}
    taken = Life(facts=facts).captured().qualified().assigned().accepted()
    passed_on = Life(facts={"company_domain": "acme.example"}).captured().qualified().assigned()
    passed_on.rejected(RejectReason.WRONG_TERRITORY).assigned("other")
    passed_on.rejected(RejectReason.NOT_A_BUYER)
    below = Life().captured().nurtured()
    lives = (taken, passed_on, below)
    await feedback.read([published(), *(event for one in lives for event in one.events)])
    ids = [one.lead_id for one in lives]
    told = await feedback.ask(leads_told, [*ids, "nobody"])
    assert told == {
        ids[0]: Told(ids[0], "Acme", "CEO", "accepted", None),
        ids[1]: Told(ids[1], "acme.example", None, "rejected", "NOT_A_BUYER"),
        ids[2]: Told(ids[2], None, None, None, None),
    }
    assert await feedback.ask(leads_told, []) == {}
    seen = await feedback.ask(facts_seen)
    assert seen[:2] == ["utm_campaign", "utm_source"]
    assert set(seen[2:]) == {"company", "company_domain", "employees", "job_title"}
