"""What a page says after a form was sent, by the name in its address."""

from collections.abc import Mapping
from typing import Final

NOTICES: Final[Mapping[str, tuple[str, str]]] = {
    "handed": ("ok", "Handed over. Your colleague's clock runs."),
    "back": ("ok", "Put back. Whoever is due by the rules has it now."),
    "saved": ("ok", "Saved."),
}
_ANSWERED: Final[Mapping[str, tuple[str, str]]] = {
    "acknowledged": ("ok", "{name}: noted that you have seen it. Accept or reject it in time."),
    "accepted": ("ok", "{name} is yours. You find it under “Mine”, with what to do next."),
    "rejected": ("ok", "{name} is rejected. Thank you: whoever can learn from the reason does."),
    "late": (
        "warn",
        "{name} had moved on already, so your answer changed nothing: {owner}. "
        "You find it under “Missed”.",
    ),
    "reason": ("bad", "Choose why you reject {name}. Nothing was changed."),
}


def answered_notice(notice: str, name: str | None, owner: str | None) -> tuple[str, str] | None:
    """What came of an answer to the lead of this name; ``owner`` is who has it now."""
    if notice not in _ANSWERED:
        return NOTICES.get(notice)
    kind, text = _ANSWERED[notice]
    has_it = f"{owner} has it now" if owner else "it was answered, or nobody has it now"
    return kind, text.format(name=name or "The lead", owner=has_it)
