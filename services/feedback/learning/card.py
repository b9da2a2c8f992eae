"""A scorecard from the answers of some leads: candidates, weights, points, threshold, document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from services.feedback.learning import disqualify, names, points, reps, threshold, today
from services.feedback.learning.binning import Answers, Rows, levels_of
from services.feedback.learning.candidates import Candidate
from services.feedback.learning.data import MOST_STANDS_FOR, Settings
from services.feedback.learning.facts import Codes, Floats
from services.feedback.learning.material import Material
from services.feedback.learning.weigh import Weights, choose, weigh
from services.feedback.learning.words import words_of
from shared.scorecard.definition import compile_definition
from shared.scorecard.table_scoring import Scored, scores

STRENGTH: Final = 20.0
"""The L2 penalty of a level's log-odds: as if they were spread round none by 0.22, so that weak
criteria from few answers are near nothing; among strong ones from many, it hardly shows."""
REP_ANSWERS: Final = 5
"""A rep of fewer answers has no offset of his own."""
CALIBRATED_BY: Final = 45.0
"""Half-life in days of the answers that say how often a score is accepted now."""


@dataclass(frozen=True, eq=False)
class Card:
    """A learned definition; ``log_odds`` is what its weights say of every lead, ``reps`` the reps'
    offsets."""

    document: dict[str, Any]
    weights: Weights
    log_odds: Floats
    reps: reps.Reps
    half_life: float | None


@dataclass(frozen=True, eq=False)
class Learner:
    """What all fits of one run share. ``unusable`` are facts that may not be used: a marketer's,
    leaks, and those that stopped arriving."""

    material: Material
    base: Mapping[str, Any]
    settings: Settings
    unusable: frozenset[str]
    base_scored: Scored
    known: tuple[Candidate, ...]
    fixed: Candidate | None

    @classmethod
    def of(
        cls,
        material: Material,
        base: Mapping[str, Any],
        settings: Settings,
        unusable: frozenset[str],
    ) -> "Learner":
        """Raises InvalidDefinition when the base can't be compiled."""
        scored = scores(compile_definition(1, base), material.table)
        kept = [one for one in base["criteria"] if one["id"] in settings.fixed]
        known = [
            one
            for one in today.candidates_of(base, material.columns, material.table)
            if one.today is not None
            and one.today["id"] not in settings.fixed
            and not any(barred(name, unusable) for name in today.fields_of(one.today))
        ]
        fixed = None
        if kept:
            share = today.points_before(kept, material.table)
            fixed = Candidate("fixed", "", "fit", share=share)
        return cls(material, base, settings, unusable, scored, tuple(known), fixed)

    def answers(self, rows: Rows, half_life: float | None) -> Answers:
        """The labelled rows to learn from, recent ones counting more when there is a half-life.

        Weights are scaled so that they add up to the number of answers they are worth (Kish), and
        no test takes an explored lead for fifty.
        """
        weights = np.minimum(self.material.weights[rows], MOST_STANDS_FOR)
        if half_life is not None and len(rows):
            weights *= 0.5 ** (
                (self.material.days[rows[-1]] - self.material.days[rows]) / half_life
            )
        if len(rows):
            weights *= weights.sum() / np.square(weights).sum()
        return Answers(rows, self.material.labels[rows], weights)

    def candidates(self, answers: Answers) -> list[Candidate]:
        """Today's criteria, and every usable fact as levels and words."""
        made: list[Candidate] = list(self.known)
        for name, column in self.material.columns.items():
            if barred(name, self.unusable):
                continue
            levels = levels_of(column, answers)
            made += [] if levels is None else [levels]
            made += words_of(column, answers)
        return [one for one in made if _tells(one, answers)]

    def weights(self, rows: Rows, half_life: float | None) -> tuple[Weights, Answers, Codes]:
        """Criteria chosen and weighed on some answers."""
        answers = self.answers(rows, half_life)
        codes = self._rep_codes(rows)
        limit = self.settings.max_criteria - len(self.settings.fixed)
        forced = [] if self.fixed is None else [self.fixed]
        chosen = choose(
            self.candidates(answers), forced, answers, codes, max(limit, 0) + len(forced)
        )
        return weigh(chosen, answers, codes, STRENGTH), answers, codes

    def _rep_codes(self, rows: Rows) -> Codes:
        codes = self.material.reps[rows]
        often = np.bincount(codes, minlength=len(self.material.rep_names) + 1) >= REP_ANSWERS
        often[0] = False
        return np.where(often[codes], codes, 0)

    def rep_offsets(self, rows: Rows, log_odds: Floats) -> reps.Reps:
        """The reps' offsets, given what criteria say of every lead."""
        material = self.material
        return reps.estimate(
            log_odds[rows],
            material.labels[rows],
            np.ones(len(rows)),
            material.reps[rows],
            len(material.rep_names),
        )

    def card(self, rows: Rows, before: Rows, half_life: float | None) -> Card | None:
        """A definition from the answers ``rows``; its threshold from all leads ``before`` now.
        None when nothing tells good leads from others."""
        weights, answers, codes = self.weights(rows, half_life)
        found = self.rep_offsets(rows, weights.log_odds(len(self.material.samples)))
        weights = weigh(weights.candidates, answers, codes, STRENGTH, found.penalty)
        log_odds = weights.log_odds(len(self.material.samples))
        found = self.rep_offsets(rows, log_odds)
        settings = self.settings
        scale = points.scale_of(weights, self.fixed, settings.signs, settings.max_points)
        drafts = points.drafts_of(weights, self.fixed, settings.signs, scale, settings.max_points)
        if not drafts:
            return None
        document = self._document(drafts, scale, rows, before, found)
        return Card(document, weights, log_odds, found, half_life)

    def _document(
        self,
        drafts: Sequence[points.Draft],
        scale: float,
        rows: Rows,
        before: Rows,
        found: reps.Reps,
    ) -> dict[str, Any]:
        material, base = self.material, self.base
        kept = self._kept(drafts, rows)
        totals = np.sum([draft.totals() for draft in drafts], axis=0)
        totals = totals + today.points_before(kept, material.table)
        ended = disqualify.found(material, base, self.settings, self.unusable, rows)
        chances = self._chances(totals / scale, rows, found)
        recent, weeks = threshold.recent(material.days, before)
        population = threshold.Population(
            recent,
            weeks,
            self.base_scored.mql[recent],
            ~(self.base_scored.disqualified | disqualify.holds(ended, material.table))[recent],
        )
        at = threshold.place(totals[recent], chances[recent], population, self.settings.target)
        goal = points.settle(drafts, at, base["threshold"], self.settings.max_points)
        ids = names.Names(base)
        ids.take(one["id"] for one in kept)
        ids.take(d.candidate.today["id"] for d in drafts if d.candidate.today is not None)
        made = [points.criterion_of(draft, ids.of(draft.candidate)) for draft in drafts]
        return names.in_order(base, [*map(dict, kept), *made], goal, ended)

    def _kept(self, drafts: Sequence[points.Draft], rows: Rows) -> list[Mapping[str, Any]]:
        """Criteria of today that keep their points: locked ones, and those which the answers can't
        judge and nothing learned takes the place of."""
        learned = [draft.candidate for draft in drafts]
        again = {one.today["id"] for one in learned if one.today is not None}
        as_levels = {one.field for one in learned if one.key == one.field}
        untold = {
            one.today["id"]
            for one in self.known
            if one.today is not None and one.field not in as_levels and today.untested(one, rows)
        }
        keep = (untold - again) | self.settings.fixed
        return [one for one in self.base["criteria"] if one["id"] in keep]

    def _chances(self, log_odds: Floats, rows: Rows, found: reps.Reps) -> Floats:
        """How often each lead would be accepted now, by an average rep (Platt 1999)."""
        material = self.material
        age = material.known[rows].max(initial=0.0) - material.known[rows]
        weights = material.weights[rows] * 0.5 ** (age / CALIBRATED_BY)
        weights = weights * reps.trust(found, log_odds[rows], material.reps[rows])
        labels = material.labels[rows]
        if len(np.unique(labels)) < 2:
            return np.full(len(log_odds), float(labels.mean()) if len(labels) else 0.5)
        model = LogisticRegression(C=10.0, solver="newton-cholesky")
        model.fit(log_odds[rows, None], labels, sample_weight=weights)
        return np.asarray(model.predict_proba(log_odds[:, None])[:, 1])


def barred(name: str, unusable: frozenset[str]) -> bool:
    """Whether a fact may not be used; an activity's name stands for its age, too."""
    return name in unusable or name.removesuffix(".days_ago") in unusable


def _tells(candidate: Candidate, answers: Answers) -> bool:
    """Whether enough answered leads differ in it."""
    if candidate.codes is None:
        assert candidate.share is not None
        return bool(np.ptp(candidate.share[answers.rows]) > 0)
    counts: NDArray[np.intp] = np.bincount(candidate.codes[answers.rows])
    return int((counts > 0).sum()) > 1
