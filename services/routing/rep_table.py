"""Reps as people type them: in a form, and as a table with a row for each."""

from collections.abc import Iterable
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from services.routing.documents import Email, Name, RepId, Words, Zone
from services.routing.domain.reps import Rep, Status
from services.routing.handlers.setting_up import WantedRep
from services.routing.hours_text import hours_of, hours_text, leave_of, leave_text
from services.routing.spreadsheet import faults_of, read_sheet, unusable_rows, write_sheet

NEW_REP: Final = {
    **dict.fromkeys(("name", "email", "team_id", "open_limit", "window_limit"), ""),
    **dict.fromkeys(("window_hours", "skills", "languages", "territories", "holidays"), ""),
    "hours": "",
    "leave": "",
    "weight": "1",
    "capacity": "20",
    "time_zone": "UTC",
    "status": Status.AVAILABLE.value,
}
"""The form of a rep who is to be added."""
COLUMNS: Final = (
    *("rep_id", "name", "email", "status", "team_id", "weight", "capacity", "time_zone"),
    *("holidays", "hours", "leave", "open_limit", "window_limit", "window_hours"),
    *("skills", "languages", "territories"),
)
_NEVER_BLANK: Final = frozenset({"name", "status", "weight", "capacity", "time_zone"})
"""Blank cells of these columns leave a rep as they are; of others they take something away."""
NO_COLUMN: Final = "The column {} means nothing here: it was left out."
_LISTS: Final = ("skills", "languages", "territories")


def _blank_is_none(text: Any) -> Any:
    return None if isinstance(text, str) and not text.strip() else text


def _words(text: Any) -> Any:
    """Words parted by commas."""
    if not isinstance(text, str):
        return text
    return list(dict.fromkeys(one.strip() for one in text.split(",") if one.strip()))


Count = Annotated[Annotated[int, Field(ge=0, le=100_000)] | None, BeforeValidator(_blank_is_none)]
WordList = Annotated[Words, BeforeValidator(_words)]


class RepForm(BaseModel):
    """A rep as typed."""

    name: Name
    email: Annotated[Email | None, BeforeValidator(_blank_is_none)] = None
    weight: Annotated[int, Field(ge=0, le=1000)]
    capacity: Annotated[int, Field(ge=0, le=10000)]
    status: Status = Status.AVAILABLE
    time_zone: Zone = "UTC"
    team_id: Annotated[RepId | None, BeforeValidator(_blank_is_none)] = None
    open_limit: Count = None
    window_limit: Count = None
    window_hours: Count = None
    skills: WordList = []
    languages: WordList = []
    territories: WordList = []
    holidays: Annotated[
        Annotated[str, Field(max_length=16)] | None, BeforeValidator(_blank_is_none)
    ] = None
    hours: Annotated[str, Field(max_length=2000), AfterValidator(hours_of)] = ""
    leave: Annotated[str, Field(max_length=10_000), AfterValidator(leave_of)] = ""

    def values(self) -> dict[str, Any]:
        """A rep's fields."""
        return self.some_values(type(self).model_fields)

    def some_values(self, names: Iterable[str]) -> dict[str, Any]:
        """Those of a rep's fields."""
        values = {name: getattr(self, name) for name in names}
        values |= {name: tuple(values[name]) for name in _LISTS if name in values}
        # What was not typed was not read either: the default is a text.
        blank = {"hours": self.hours or None, "leave": self.leave or ()}
        return values | {name: blank[name] for name in blank if name in values}


class RepRow(RepForm):
    """A rep as a row of a table, which need not have every column."""

    name: Name = ""
    weight: Annotated[int, Field(ge=0, le=1000)] = 1
    capacity: Annotated[int, Field(ge=0, le=10000)] = 20
    rep_id: Annotated[RepId | None, BeforeValidator(_blank_is_none)] = None


def as_typed(rep: Rep) -> dict[str, str]:
    """A rep as somebody would type them."""
    plain = {name: getattr(rep, name) for name in NEW_REP}
    lists = {name: ", ".join(plain[name]) for name in _LISTS}
    texts = {"hours": hours_text(rep.hours), "leave": leave_text(rep.leave)}
    return {
        name: "" if value is None else str(value)
        for name, value in {**plain, **lists, **texts, "status": rep.status.value}.items()
    }


def read_reps(raw: bytes) -> tuple[list[WantedRep], list[str]]:
    """The reps of a table, and its columns that mean nothing. Raises Problem 400 for what is no
    table, and 422 with everything in it that can't be read."""
    sheet = read_sheet(raw, COLUMNS, ())
    wanted: list[WantedRep] = []
    errors: list[tuple[str, str]] = []
    for number, row in sheet.rows:
        cells = {key: text for key, text in row.items() if text or key not in _NEVER_BLANK}
        try:
            read = RepRow.model_validate(cells)
        except ValidationError as error:
            errors += faults_of(number, error)
            continue
        values = read.some_values(cells.keys() - {"rep_id"})
        new = read.some_values(RepForm.model_fields)
        wanted.append(WantedRep(read.rep_id, values, new, f"/{number}"))
    if errors:
        raise unusable_rows(errors)
    return wanted, list(sheet.unknown)


def write_reps(reps: Iterable[Rep]) -> str:
    """Reps as a table that ``read_reps`` reads."""
    typed = ({"rep_id": rep.rep_id, **as_typed(rep)} for rep in reps)
    return write_sheet(COLUMNS, ([row[name] for name in COLUMNS] for row in typed))
