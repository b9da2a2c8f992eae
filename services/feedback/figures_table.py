"""The key figures as a table that people open with a spreadsheet."""

import csv
import io
from collections.abc import Mapping
from typing import Any, Final

from shared.runtime.csv_cells import cell

_STAGES: Final = ("MQL", "ASSIGNED", "ACCEPTED", "SQL", "OPPORTUNITY", "WON")
_RATES: Final = (
    ("accepted_of_answered", ("acceptance", "of_answered")),
    ("accepted_in_24_business_hours", ("acceptance", "within_24_business_hours")),
    ("sla_met", ("sla_attainment",)),
    ("mql_to_sql_in_90_days", ("mql_to_sql",)),
)
_PARTS: Final = ("count", "of", "rate", "low", "high")


def figures_table(found: Mapping[str, Any]) -> str:
    """A row for each value, then one for all others; each rate with its counts and interval."""
    text = io.StringIO()
    writer = csv.writer(text)
    rates = [f"{name}_{part}" for name, _ in _RATES for part in _PARTS]
    stages = [f"{stage.lower()}s" if stage != "WON" else "won" for stage in _STAGES]
    writer.writerow([found["by"], "leads", *stages, "given_to_reps", *rates])
    others = found["others"]
    rows = [*found["items"], *([{"value": "all others", **others}] if others else [])]
    for row in rows:
        values = [row["value"], row["leads"], *(row["stages"][stage] for stage in _STAGES)]
        values.append(row["acceptance"]["assigned"])
        for _, path in _RATES:
            rate: Any = row
            for name in path:
                rate = rate[name]
            values += [rate[part] for part in _PARTS]
        writer.writerow([cell(value) for value in values])
    return text.getvalue()
