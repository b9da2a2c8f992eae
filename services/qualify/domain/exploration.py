"""Exploration: a sample of the leads below the threshold reaches a rep all the same.

Without it nobody would ever answer for what the definition turns away, and what it misses could not
be counted. Who is in the sample depends on the lead's id alone, so it is the same for every version
and every replay, and nobody can choose.
"""

from dataclasses import replace
from hashlib import blake2b
from typing import Final

from shared.scorecard.scoring import Score

EXPLORED: Final = "explored"
"""The reason of the verdict on an explored lead."""


def in_sample(lead_id: str, rate: float) -> bool:
    """Whether a lead belongs to the sample: its id's hash, as a fraction, is below the rate."""
    digest = blake2b(lead_id.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < rate * 2**64


def explored(score: Score, lead_id: str, rate: float) -> Score:
    """The score as it counts for a lead that may be explored: of those below the threshold that no
    disqualifier met, the sample is MQL."""
    if score.verdict != "NURTURE" or not in_sample(lead_id, rate):
        return score
    return replace(score, verdict="MQL", reason=EXPLORED)
