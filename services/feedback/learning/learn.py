"""One look: is there a definition that does better on leads it has not seen?

Pure: the same samples, base, settings, looks and moment give the same finding, in whatever order
the samples come. See docs/adr/0015 for why it is done this way.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np

from services.feedback.learning import drift, evidence, leaks, reps
from services.feedback.learning.card import Card, Learner
from services.feedback.learning.changes import changes
from services.feedback.learning.data import Sample, Settings, usable
from services.feedback.learning.finding import Finding, Nothing, Proposal
from services.feedback.learning.judge import Compared, Fold, Unseen, compare, unseen
from services.feedback.learning.looks import Looks, one_sided
from services.feedback.learning.material import Material
from services.feedback.learning.recency import half_life
from services.feedback.learning.retarget import chances, retarget
from shared.scorecard.definition import compile_definition
from shared.scorecard.table_scoring import scores

OF_A_KIND: Final = 15
"""Accepted answers, and rejected ones, that it takes at least."""


def learn(
    samples: Sequence[Sample],
    base: Mapping[str, Any],
    settings: Settings,
    looks: Looks,
    now: datetime | None = None,
    learned_at: datetime | None = None,
) -> Finding:
    """Look once, when a look is due. ``base`` is the body of the definition in force, ``now`` the
    moment of the look, else that of the newest answer or lead. ``learned_at`` is when the base was
    learned itself, if it was: it is not judged on answers that it knew.

    The looks to keep for next time are in the finding. Raises InvalidDefinition when the base can't
    be compiled, and ValueError for settings out of range.
    """
    settings.check()
    compile_definition(1, base)
    leads = usable(samples)
    if not leads:
        return Nothing("no_answers", "There are no leads yet.", looks, missing_answers=None)
    moment = now or max(one.answered_at or one.at for one in leads)
    looks = looks.at(moment)
    material = Material.of(leads)
    early = _too_early(material, settings, looks, moment)
    if early is not None:
        return early
    warned = [*leaks.leaks(material), *leaks.stopped(material)]
    unusable = settings.never | {one.field for one in warned} - settings.trusted
    learner = Learner.of(material, base, settings, frozenset(unusable))
    return _look(learner, looks, moment, [one.text for one in warned], material.day(learned_at))


def _too_early(
    material: Material, settings: Settings, looks: Looks, now: datetime
) -> Nothing | None:
    """Why there is no look now; it costs nothing to ask."""
    answered = material.answered
    answers, accepted = len(answered), int(material.labels[answered].sum())
    status = evidence.status(material, {})
    missing = looks.missing(answers, now, settings.min_answers)

    def nothing(reason: str, text: str, more: int | None = None) -> Nothing:
        return Nothing(reason, text, looks, missing_answers=more, status=status)

    if not answers:
        text = f"No lead has an answer yet; {settings.min_answers} are needed."
        return nothing("no_answers", text, settings.min_answers)
    if missing and not looks.taken:
        return nothing("few_answers", f"{_more(missing)} needed.", missing)
    if missing:
        text = f"Looked at {looks.taken[-1].answers} answers; {_more(missing)} until the next look."
        return nothing("not_due", text, missing)
    if accepted in (0, answers):
        which = "accepted" if accepted else "rejected"
        text = f"All answers are equal ({answers} {which}): there is nothing to tell apart."
        return nothing("equal_answers", text)
    least = min(accepted, answers - accepted)
    if least < OF_A_KIND:
        which = "accepted" if accepted == least else "rejected"
        text = f"Only {least} {which} leads; {OF_A_KIND - least} more of them are needed."
        return nothing("few_of_a_kind", text)
    if looks.proposals >= settings.proposals_per_year:
        text = f"{looks.proposals} proposals were made within a year: that is enough change."
        return nothing("proposed_enough", text)
    return None


def _more(number: int) -> str:
    return f"{number} more answered {'lead' if number == 1 else 'leads'}"


def _look(
    learner: Learner, looks: Looks, now: datetime, warnings: list[str], base_knew: float
) -> Finding:
    material, settings = learner.material, learner.settings
    alpha = looks.allowed(settings.alpha)
    looks = looks.with_look(now, len(material.answered), alpha)
    # With a target there are two ways to be wrong: the criteria, and the threshold alone.
    tests = 1 if settings.target.acceptance is None and settings.target.per_week is None else 2
    alpha /= tests
    found = unseen(learner, lambda fold: _learned(learner, fold), base_knew)
    compared = None if found is None else compare(found, material)
    if found is None or compared is None:
        text = "The leads are too close in time: none could be kept aside to judge by."
        status = evidence.status(material, {"warnings": warnings})
        return Nothing("no_unseen", text, looks, True, status=status)
    if compared.convinces(alpha, settings.margin):
        everything = Fold(
            material.answered, np.arange(len(material.days)), np.arange(0), np.zeros(0, bool)
        )
        card = _learned(learner, everything)
        if card is not None:
            return _proposal(learner, card, found, compared, looks, alpha, warnings)
    moved = retarget(learner, one_sided(alpha))
    told = evidence.evidence(found, compared, material, settings, alpha)
    status = _status(learner, found, None, warnings)
    if moved is not None:
        return _retargeted(learner, moved.document, moved.text, told, looks, status)
    return Nothing(
        "no_better",
        _no_better(compared, settings.margin, alpha),
        looks,
        True,
        missing_answers=looks.missing(len(material.answered), now, settings.min_answers),
        status=status,
        evidence=told,
    )


def _learned(learner: Learner, fold: Fold) -> Card | None:
    return learner.card(fold.trained, fold.before, half_life(learner, fold.trained))


def _no_better(compared: Compared, margin: float, alpha: float) -> str:
    if compared.difference < margin:
        return (
            f"The best that could be learned is better by {compared.difference:.3f} AUC on unseen "
            f"leads; a margin of {margin:g} is asked for."
            if compared.difference > 0
            else "Nothing that could be learned does better on unseen leads than what is in force."
        )
    better = f"Better by {compared.difference:.3f} AUC on unseen leads, but "
    if compared.chance > alpha:
        return (
            f"{better}that may be chance (probability {compared.chance:.2g}; {alpha:.2g} is "
            "allowed). More answers will tell."
        )
    return f"{better}it is not sure enough yet that this is a gain. More answers will tell."


def _proposal(
    learner: Learner,
    card: Card,
    found: Unseen,
    compared: Compared,
    looks: Looks,
    alpha: float,
    warnings: list[str],
) -> Proposal:
    material, base = learner.material, learner.base
    after = scores(compile_definition(1, card.document), material.table)
    note = (
        f"Learned from {len(material.answered)} answers. On unseen leads the AUC was "
        f"{_area(compared.after)} instead of {_area(compared.before)}."
    )
    definition = card.document | {"note": note}
    return Proposal(
        definition=definition,
        changes=changes(base, definition, material),
        evidence=evidence.evidence(found, compared, material, learner.settings, alpha),
        flips=evidence.flips(learner.base_scored, after, material),
        looks=looks.with_proposal(),
        status=_status(learner, found, card, warnings),
    )


def _area(one: Any) -> str:
    return "not known" if one.interval is None else f"{one.interval.estimate:.3f}"


def _retargeted(
    learner: Learner,
    document: dict[str, Any],
    text: str,
    told: dict[str, Any],
    looks: Looks,
    status: Mapping[str, Any],
) -> Proposal:
    after = scores(compile_definition(1, document), learner.material.table)
    definition = document | {"note": text}
    listed = [
        one | ({"why": text} if one["what"] == "Threshold" else {})
        for one in changes(learner.base, definition, learner.material)
    ]
    return Proposal(
        definition=definition,
        changes=listed,
        evidence=told,
        flips=evidence.flips(learner.base_scored, after, learner.material),
        looks=looks.with_proposal(),
        retarget=True,
        status=status,
    )


def _status(
    learner: Learner, found: Unseen, card: Card | None, warnings: list[str]
) -> dict[str, Any]:
    """Reps, drift and warnings, for the page."""
    material = learner.material
    rows = material.answered
    newest = card
    log_odds = newest.log_odds if newest is not None else _base_log_odds(learner)
    offsets = learner.rep_offsets(rows, log_odds)
    fields = set(compile_definition(1, learner.base).fields)
    half = card.half_life if card is not None else (found.half_lives or (None,))[-1]
    if card is not None:
        fields |= set(compile_definition(1, card.document).fields)
    return evidence.status(
        material,
        {
            "warnings": warnings,
            "reps": reps.document(
                offsets, material.rep_names, material.labels[rows], material.reps[rows]
            ),
            "drift": drift.report(material, learner.base_scored, sorted(fields), half),
        },
    )


def _base_log_odds(learner: Learner) -> Any:
    """What the base's score says of each lead, by how often it was accepted."""
    found = np.clip(chances(learner), 1e-6, 1 - 1e-6)
    return np.log(found / (1 - found))
