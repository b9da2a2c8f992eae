"""``leadloop replay``: identical, or every difference by name."""

from typing import Any

SAME: dict[str, Any] = {"differences": []}
BY_A_REP: dict[str, Any] = {"skipped": True, "differences": []}
OTHER: dict[str, Any] = {
    "decision_id": "d-7",
    "lead_id": "lead-7",
    "definition_version": 3,
    "decided_at": "2026-11-23T09:30:00Z",
    "differences": [{"what": "points of senior", "stored": 30, "replayed": 25}],
}


def test_identical_decisions_are_counted(leadloop: Any, product: Any) -> None:
    product.decisions = [SAME, BY_A_REP, SAME]
    ended = leadloop("replay", "qualify", **product.settings)
    assert ended.returncode == 0
    assert ended.stdout.strip() == ("2 decisions, identical (1 by reps, which are no evaluations)")


def test_each_difference_is_named_and_the_status_is_1(leadloop: Any, product: Any) -> None:
    product.decisions = [SAME, OTHER]
    ended = leadloop("replay", "qualify", **product.settings)
    assert ended.returncode == 1
    assert "d-7  lead lead-7  version 3" in ended.stdout
    assert "points of senior: 30 stored, 25 replayed" in ended.stdout
    assert "2 decisions, 1 come out otherwise" in ended.stdout


def test_a_window_is_in_utc_and_none_at_all_is_fine(leadloop: Any, product: Any) -> None:
    window = ("--since", "2026-11-01", "--until", "2026-11-02T12:00:00+0100")
    ended = leadloop("replay", "qualify", *window, **product.settings)
    assert (ended.returncode, ended.stdout.strip()) == (0, "0 decisions, identical")
    asked = product.windows[-1]
    assert asked["since"] == "2026-11-01T00:00:00+00:00"
    assert asked["until"] == "2026-11-02T12:00:00+01:00"
    assert leadloop("replay", "qualify", "--since", "soon", **product.settings).returncode == 2


def test_routing_is_replayed_as_well(leadloop: Any, product: Any) -> None:
    window = ("--from", "2026-11-01", "--to", "2026-11-02")
    product.decisions = [SAME, BY_A_REP, SAME]
    ended = leadloop("replay", "routing", *window, **product.settings)
    assert ended.returncode == 0
    told = "2 decisions, identical (1 from before what they rest on was kept)"
    assert ended.stdout.strip() == told
    asked = product.windows[-1]
    assert (asked["service"], asked["since"]) == ("routing", "2026-11-01T00:00:00+00:00")
    owner = {"what": "owner", "stored": "rep-ana", "replayed": "rep-ben"}
    plain = {name: value for name, value in OTHER.items() if name != "definition_version"}
    product.decisions = [SAME, {**plain, "policy_version": 5, "differences": [owner]}]
    ended = leadloop("replay", "routing", **product.settings)
    assert ended.returncode == 1
    assert "d-7  lead lead-7  version 5" in ended.stdout
    assert "owner: rep-ana stored, rep-ben replayed" in ended.stdout
