"""What a message says. It holds grade, points, deadline and a link, and nothing about the person:
mail and chat are read by more than the one it is for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from services.routing.documents import rfc3339
from services.routing.domain.channels import Channel, Tells
from services.routing.domain.lead import Lead
from services.routing.domain.notices import Notice
from services.routing.open_links import OpenLinks
from services.routing.store.notices import Subject


@dataclass(frozen=True, slots=True)
class Message:
    """One message, for every medium."""

    subject: str
    lines: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    """Words and address; the first is what to do."""
    settings: str
    """Where its reader says how they want to be told."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """The same for machines."""

    def text(self) -> str:
        """As plain text."""
        links = [f"{words}: {url}" for words, url in self.links]
        end = f"How you are told of leads: {self.settings}"
        return "\n\n".join([*self.lines, "\n".join(links), end]) + "\n"

    def html(self) -> str:
        """As a simple page."""
        lines = "".join(f"<p>{escape(line)}</p>" for line in self.lines)
        links = "".join(
            f'<p><a href="{escape(url)}">{escape(words)}</a></p>' for words, url in self.links
        )
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f"<title>{escape(self.subject)}</title></head>"
            '<body style="font-family:sans-serif;font-size:16px;line-height:1.5;max-width:34em">'
            f'<h1 style="font-size:20px">{escape(self.subject)}</h1>{lines}{links}'
            f'<p style="font-size:14px"><a href="{escape(self.settings)}">'
            "How you are told of leads</a></p></body></html>"
        )

    def chat(self) -> str:
        """In the few marks that Slack knows, and those made like it."""
        links = "\n".join(f"<{url}|{_marked(words)}>" for words, url in self.links)
        return "\n".join([f"*{_marked(self.subject)}*", *map(_marked, self.lines), links])


def message_of(
    notice: Notice, channel: Channel, about: Subject, links: OpenLinks
) -> Message | None:
    """What a notice says now; None when there is nothing to say. Raises Problem 503 while links
    can't be signed."""
    assert about.rep is not None
    zone = about.rep.time_zone
    if notice.tells is Tells.DIGEST:
        return _digest(channel, about, links, zone)
    subject, lines, way = _words(notice, about, links, zone)
    data = {
        "rep_id": notice.rep_id,
        "lead_id": notice.lead_id,
        "assignment_id": notice.assignment_id,
        "attempt": None if about.attempt is None else about.attempt.attempt,
        "grade": None if about.lead is None else about.lead.grade,
        "score": None if about.lead is None else about.lead.score,
        "deadline": rfc3339(notice.deadline),
        "link": way[1],
    }
    settings = links.page("/routing/notifications")
    return Message(subject, tuple(filter(None, lines)), (way,), settings, data)


def _words(
    notice: Notice, about: Subject, links: OpenLinks, zone: str
) -> tuple[str, list[str], tuple[str, str]]:
    worth = _worth(about.lead)
    by = "" if notice.deadline is None else f"Answer by {local(notice.deadline, zone)}."
    match notice.tells:
        case Tells.NEW_LEAD | Tells.SLA_WARNED if about.attempt is not None:
            late = ""
            if about.attempt.closed_at is not None:
                late = "This message is late: the lead has gone to somebody else meanwhile."
            way = ("See what it is and say that you have it", links.to(about.attempt))
            if notice.tells is Tells.NEW_LEAD:
                return f"A new lead for you{_grade(about.lead)}", [worth, by, late], way
            return f"A lead of yours is due soon{_grade(about.lead)}", [worth, by], way
        case Tells.ESCALATED:
            said = "The last attempt at a lead of your team ran out, and nobody has it now."
            return "A lead has nobody", [said, worth], ("The board", links.page("/routing/board"))
        case Tells.TEST:
            said = "You asked for this message. Messages about leads will come the same way."
            way = ("Your notifications", links.page("/routing/notifications"))
            return "A test message", [said], way
        case _:
            said = "Its deadline passed, or it was moved: it is not yours any more."
            if notice.assignment_id is not None:
                said = "Its deadline passed without an answer: it goes to somebody else."
            return "A lead was yours", [said, worth], ("Inbox", links.page("/routing/inbox"))


def _digest(channel: Channel, about: Subject, links: OpenLinks, zone: str) -> Message | None:
    lines, ways = [], []
    if {Tells.NEW_LEAD, Tells.SLA_WARNED} & set(channel.tells):
        for attempt, lead in about.waiting:
            ways.append((f"{_worth(lead)} Answer by {local(attempt.due_at, zone)}", attempt))
        if ways:
            lines.append(_counted(len(ways), "waits for your answer", "wait for your answer"))
    if about.taken and Tells.TAKEN_AWAY in channel.tells:
        lines.append(_counted(about.taken, "went to somebody else", "went to somebody else"))
    if about.escalated and Tells.ESCALATED in channel.tells:
        said = "of your team ran out and has nobody", "of your team ran out and have nobody"
        lines.append(_counted(about.escalated, *said))
    if not lines:
        return None
    found = [(words, links.to(attempt)) for words, attempt in ways]
    found.append(("Inbox", links.page("/routing/inbox")))
    if about.escalated:
        found.append(("The board", links.page("/routing/board")))
    data = {
        "rep_id": about.rep and about.rep.rep_id,
        "waiting": [
            {
                "lead_id": attempt.lead_id,
                "assignment_id": attempt.assignment_id,
                "attempt": attempt.attempt,
                "deadline": rfc3339(attempt.due_at),
                "link": link,
            }
            for (_, attempt), (_, link) in zip(ways, found, strict=False)
        ],
        "taken_away": about.taken,
        "escalated": about.escalated,
    }
    settings = links.page("/routing/notifications")
    return Message("Your leads this morning", tuple(lines), tuple(found), settings, data)


def local(moment: datetime, zone: str) -> str:
    """A moment on the clock of whoever reads it: ``Mon 30 Nov, 10:15 (Europe/Lisbon)``."""
    at = moment.astimezone(ZoneInfo(zone))
    return f"{at:%a} {at.day} {at:%b, %H:%M} ({zone})"


def _worth(lead: Lead | None) -> str:
    if lead is None:
        return ""
    points = "1 point" if lead.score == 1 else f"{lead.score} points"
    return f"Grade {lead.grade}, {points}." if lead.grade else f"{points}."


def _grade(lead: Lead | None) -> str:
    return f", grade {lead.grade}" if lead is not None and lead.grade else ""


def _counted(count: int, one: str, many: str) -> str:
    return f"One lead {one}." if count == 1 else f"{count} leads {many}."


def _marked(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
