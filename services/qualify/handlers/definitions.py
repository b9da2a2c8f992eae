"""Write, change, publish and challenge definitions: one function per command."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from services.qualify.domain.promotion import Comparison, missing_evidence
from services.qualify.domain.versions import Version
from services.qualify.handlers.rescoring import begin_rescore
from services.qualify.store.unit import Qualify
from shared.contracts.definition import DefinitionBody, DefinitionDocument
from shared.contracts.events import (
    DefinitionChallenging,
    DefinitionPublished,
    DefinitionRetired,
)
from shared.contracts.problems import Problem
from shared.scorecard.definition import compile_definition

VERSIONS = "definitions"
"""The lock of whoever numbers, changes or publishes versions."""


@dataclass(frozen=True, slots=True)
class Judged:
    """How the challenger compares with the version that was published when that was found out."""

    against: int
    comparison: Comparison | None


def create_definition(
    unit: Qualify, body: DefinitionBody, request_key: str | None = None, *, by: str | None = None
) -> Version:
    """Store a definition as the next version, a draft.

    ``request_key`` makes it safe to ask again: the same key and document answer the same version.
    Raises InvalidDefinition, and Problem 422 for the same key with another document.
    """
    document = body.model_dump(mode="json")
    compile_definition(0, document)
    unit.lock([VERSIONS])
    made = unit.definitions.find(request_key=request_key) if request_key is not None else []
    if not made:
        return add_draft(unit, document, request_key=request_key, by=by)
    if made[0].document != document:
        raise Problem(
            422,
            "Idempotency-Key used before",
            "This key came with another definition: use a new key for this one.",
        )
    return made[0]


def change_draft(
    unit: Qualify,
    version: int,
    body: DefinitionBody,
    seen: str | None = None,
    *,
    by: str | None = None,
) -> Version:
    """Put another document in a draft's place. ``seen`` is the ETag of the one that was changed.

    Raises InvalidDefinition, Problem 404, 409 for what is no draft any more, and 412 when somebody
    else changed it in between.
    """
    document = body.model_dump(mode="json")
    compile_definition(0, document)
    unit.lock([VERSIONS])
    found = _draft(unit, version, "changed")
    _check_seen(found, seen)
    if found.document == document:
        return found
    changed = replace(found, document=document, updated_at=unit.now, updated_by=by)
    unit.definitions.put(changed)
    return changed


def delete_draft(unit: Qualify, version: int, seen: str | None = None) -> None:
    """Throw a draft away. Raises Problem 404, 409 and 412, as ``change_draft`` does."""
    unit.lock([VERSIONS])
    found = _draft(unit, version, "deleted")
    _check_seen(found, seen)
    unit.definitions.remove(found)


def publish_definition(
    unit: Qualify,
    version: int,
    instead_of: int | None = None,
    *,
    by: str | None = None,
    reason: str = "",
    seen: str | None = None,
    judged: Judged | None = None,
    override: str = "",
) -> Version:
    """Let a version score from now on, also one that was retired. Once is enough: publishing what
    is published changes nothing.

    A challenger, also one that was withdrawn, needs evidence (``judged``), or ``override``, a
    written reason to do without.
    Raises Problem 404; 409 when ``instead_of`` is given and another version is published, and when
    evidence is missing; 412 when it is not the document of the ETag ``seen``.
    """
    unit.lock([VERSIONS])
    found = existing(unit, version)
    _check_seen(found, seen)
    if found.status == "published":
        return found
    current = unit.published()
    if instead_of is not None and current is not None and current.version != instead_of:
        raise _overtaken(current.version, instead_of)
    if found.on_trial and not override and current is not None:
        if judged is not None and judged.against != current.version:
            raise _overtaken(current.version, judged.against)
        if missing := missing_evidence(judged.comparison if judged is not None else None):
            raise Problem(
                409,
                "Not enough evidence",
                f"Version {version} challenges version {current.version}, and {'; '.join(missing)}."
                " Wait for more answers, or publish it with `override`, a written reason.",
                missing=missing,
            )
    return publish(unit, found, by=by, reason=override or reason)


def challenge(unit: Qualify, version: int) -> Version:
    """Let a draft or retired version shadow-score every lead, instead of the one that did.

    Raises Problem 404, and 409 for the published version."""
    unit.lock([VERSIONS])
    found = existing(unit, version)
    if found.status == "challenger":
        return found
    if found.status == "published":
        raise Problem(
            409,
            "This version is published",
            f"Version {version} scores every lead already: challenge it with another version.",
        )
    return let_challenge(unit, found)


def withdraw(unit: Qualify, version: int) -> Version:
    """End a challenge: the version retires. Raises Problem 404, and 409 without a challenge."""
    unit.lock([VERSIONS])
    found = existing(unit, version)
    if found.status != "challenger":
        raise Problem(
            409,
            "This version does not challenge",
            f"Version {version} is {_in_words(found)}: only a challenger can be withdrawn.",
        )
    return _retire(unit, found)


def add_draft(
    unit: Qualify,
    document: Mapping[str, Any],
    *,
    proposal_id: str | None = None,
    request_key: str | None = None,
    by: str | None = None,
) -> Version:
    """The document under the next number; needs the lock."""
    last = max((one.version for one in unit.definitions.all()), default=0)
    made = Version(
        last + 1,
        "draft",
        document,
        unit.now,
        proposal_id=proposal_id,
        request_key=request_key,
        created_by=by,
    )
    unit.definitions.put(made)
    return made


def publish(unit: Qualify, made: Version, *, by: str | None, reason: str) -> Version:
    """Make it the version that scores, and have it take on the open leads; needs the lock."""
    before = unit.published()
    if before is not None:
        _retire(unit, before)
    before_that = made.published_before
    if made.published_at is not None:
        known = {"at": made.published_at, "by": made.published_by, "reason": made.published_reason}
        before_that = (*before_that, known)
    after = replace(
        made,
        status="published",
        published_at=unit.now,
        published_by=by,
        published_reason=reason[:2000] or None,
        published_before=before_that,
        retired_at=None,
    )
    unit.definitions.put(after)
    first = made.status in ("draft", "challenger")
    unit.emit(
        DefinitionPublished(
            definition=DefinitionDocument.model_validate(after.public()),
            published_at=unit.now,
            proposal_id=made.proposal_id if first else None,
        )
    )
    if before is not None:
        begin_rescore(unit, after.version, by)
    return after


def let_challenge(unit: Qualify, made: Version) -> Version:
    """Make it the challenger; the one before retires. Needs the lock."""
    former = unit.challenger()
    if former is not None:
        _retire(unit, former)
    after = replace(made, status="challenger", challenging_since=unit.now, retired_at=None)
    unit.definitions.put(after)
    unit.emit(
        DefinitionChallenging(
            definition=DefinitionDocument.model_validate(after.public()),
            proposal_id=made.proposal_id if made.status == "draft" else None,
            challenging_since=unit.now,
        )
    )
    return after


def existing(unit: Qualify, version: int) -> Version:
    """A version as stored. Raises Problem 404."""
    found = unit.definitions.fetch(version)
    if found is None:
        raise Problem(404, "No such definition", f"There is no version {version}.")
    return found


def _draft(unit: Qualify, version: int, done: str) -> Version:
    found = existing(unit, version)
    if found.status != "draft":
        raise Problem(
            409,
            "Only a draft can be " + done,
            f"Version {version} is {_in_words(found)} and stays as it is: write a new version.",
            status_of_version=found.status,
        )
    return found


def _check_seen(found: Version, seen: str | None) -> None:
    if seen is not None and seen not in ("*", found.etag):
        raise Problem(
            412,
            "Changed in between",
            f"Somebody else changed version {found.version} after you read it: read it again.",
            etag=found.etag,
        )


def _retire(unit: Qualify, version: Version) -> Version:
    after = replace(version, status="retired", retired_at=unit.now)
    unit.definitions.put(after)
    unit.emit(DefinitionRetired(version=version.version, retired_at=unit.now))
    return after


def _overtaken(current: int, seen: int) -> Problem:
    return Problem(
        409,
        "Another version was published",
        f"Version {current} is published by now, not {seen}.",
        version=current,
    )


def _in_words(version: Version) -> str:
    return "the challenger" if version.status == "challenger" else version.status
