"""One look at the answers: a JSON request on standard input, the finding on standard output.

The request: ``database`` (its address), ``now`` (RFC 3339), ``base`` (the body of the definition in
force), ``learned_at`` (when that was learned itself, or null), ``settings`` and ``looks`` (what the
last finding said).
"""

import gc
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.feedback.domain.samples import Label
from services.feedback.learning.data import Settings
from services.feedback.learning.learn import learn
from services.feedback.learning.looks import Looks
from services.feedback.store.samples import read_samples
from shared.db.database import Database
from shared.runtime.jobs import answer_request


def handle(request: Mapping[str, Any]) -> dict[str, Any]:
    """The finding. Raises ValueError for settings out of range, and InvalidDefinition for a base
    that can't be compiled."""
    gc.disable()  # a hundred thousand leads are no garbage, and the process ends soon
    settings = Settings.of(request["settings"])
    now = datetime.fromisoformat(request["now"])
    learned_at = request.get("learned_at")
    base_knew = None if learned_at is None else datetime.fromisoformat(learned_at)
    db = Database.open(request["database"], "feedback", checkpoints=False)
    try:
        with db.connect() as conn:
            samples = list(read_samples(conn, Label(settings.label), now))
    finally:
        db.close()
    found = learn(samples, request["base"], settings, Looks.of(request["looks"]), now, base_knew)
    return found.document()


if __name__ == "__main__":
    answer_request(handle)
