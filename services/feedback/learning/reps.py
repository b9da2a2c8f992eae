"""How much each rep differs from the others on leads that are alike.

A rep's offset is a shift of the log-odds that a lead is accepted. Offsets come from one normal
distribution round none; how wide it is, the answers say (empirical Bayes by EM). So a rep of few
answers is taken for an average one, and one who rejects everything gets an offset that explains it,
in place of the criteria of the leads that were his.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from services.feedback.learning.facts import Codes, Floats

ROUNDS: Final = 30
NARROWEST, WIDEST = 0.05, 3.0
"""Bounds of the spread of reps, in log-odds."""
FAR: Final = 1.5
"""A rep whose interval lies wholly beyond this many log-odds rejects far above his peers."""
_Z95: Final = 1.959963984540054


@dataclass(frozen=True, eq=False)
class Reps:
    """Offset and standard error of each rep, by code from 1 (index 0 is nobody); ``spread`` is the
    standard deviation between reps."""

    offsets: Floats
    errors: Floats
    spread: float

    @property
    def penalty(self) -> float:
        """The spread as an L2 penalty."""
        return 1.0 / self.spread**2


def estimate(log_odds: Floats, labels: Floats, weights: Floats, reps: Codes, number: int) -> Reps:
    """Offsets of ``number`` reps, given what the leads' criteria say."""
    offsets: Floats = np.zeros(number + 1)
    variance: Floats = np.ones(number + 1)
    spread = 0.7
    seen = np.bincount(reps, minlength=number + 1) > 0
    seen[0] = False
    middle = 0.0
    for _ in range(ROUNDS):
        chance = _chance(log_odds + middle + offsets[reps])
        slope = np.bincount(reps, weights * (labels - chance), minlength=number + 1)
        curve = np.bincount(reps, weights * chance * (1 - chance), minlength=number + 1)
        middle += float(np.clip(slope.sum() / max(curve.sum(), 1e-9), -1, 1))
        prior = 1.0 / spread**2
        step = np.clip((slope - prior * offsets) / (curve + prior), -1, 1)
        offsets = np.where(seen, offsets + step, 0.0).astype(float)
        variance = np.asarray(1.0 / (curve + prior), float)
        if seen.sum() > 1:
            offsets[seen] -= float(
                np.median(offsets[seen])
            )  # peers are the middle, not the outlier
            square = float(np.mean(offsets[seen] ** 2 + variance[seen]))
            spread = float(np.clip(np.sqrt(square), NARROWEST, WIDEST))
    return Reps(offsets, np.sqrt(variance), spread)


def trust(found: Reps, log_odds: Floats, reps: Codes) -> Floats:
    """How much an answer tells, 0 to 1, against that of an average rep on the same lead: one who
    rejects nearly everything says little by rejecting this one."""
    far = found.offsets + _Z95 * found.errors < -FAR
    average, own = _chance(log_odds), _chance(log_odds + found.offsets[reps])
    ratio = own * (1 - own) / np.maximum(average * (1 - average), 1e-9)
    return np.where(far[reps], np.clip(ratio, 0.02, 1.0), 1.0)


def _chance(log_odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -30, 30))))


def document(
    found: Reps, names: tuple[str, ...], labels: Floats, reps: Codes
) -> list[dict[str, Any]]:
    """The reps with their answers, offsets and what is made of them, furthest below first."""
    answers = np.bincount(reps, minlength=len(names) + 1)
    accepted = np.bincount(reps, labels, minlength=len(names) + 1)
    rows = []
    for code, name in enumerate(names, 1):
        if not answers[code]:
            continue
        low = found.offsets[code] - _Z95 * found.errors[code]
        high = found.offsets[code] + _Z95 * found.errors[code]
        far = high < -FAR
        rows.append(
            {
                "rep_id": name,
                "answers": int(answers[code]),
                "accepted": int(accepted[code]),
                "offset": round(float(found.offsets[code]), 3),
                "low": round(float(low), 3),
                "high": round(float(high), 3),
                "odds_ratio": round(float(np.exp(found.offsets[code])), 3),
                "counts_less": bool(far),
                "text": _words(far, float(found.offsets[code])),
            }
        )
    return sorted(rows, key=lambda row: (row["offset"], row["rep_id"]))


def _words(far: bool, offset: float) -> str:
    times = np.exp(abs(offset))
    if far:
        return (
            f"Accepts like leads at {times:.1f} times lower odds than the middle of the reps: "
            "these rejections hardly count."
        )
    if times < 1.25:
        return "Answers like the others."
    return f"Accepts like leads at {times:.1f} times {'lower' if offset < 0 else 'higher'} odds."
