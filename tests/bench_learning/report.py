"""Figures with their aims, as one table; and the table of worlds."""

import math
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from tests.bench_learning.compare import Compared

NAMES = ("starter", "proposed", "naive Bayes", "logistic", "boosting")


class Report:
    """Collects lines; each is printed when it is known, and all of them at the end."""

    def __init__(self) -> None:
        self.console = Console(width=150)
        self._worlds: list[Compared] = []
        self._lines: list[tuple[str, str, str, str]] = []

    def line(self, what: str, measured: str, aim: str = "", met: bool | None = None) -> None:
        """A figure; ``met`` is left out where there is no aim."""
        said = "" if met is None else ("yes" if met else "[red]no[/red]")
        self._lines.append((what, measured, aim, said))
        self.console.print(f"  {what}: {measured}" + (f"  (aim {aim}: {said})" if aim else ""))

    def world(self, one: Compared) -> None:
        """A world that has been judged."""
        self._worlds.append(one)
        areas = ", ".join(f"{name} {one.area(name):.3f}" for name in NAMES)
        self.console.print(
            f"  {one.world.name}: {one.answers} answers ({one.accepted} accepted), "
            f"{one.published} proposals published; AUC {areas} (± {one.error:.3f}); "
            f"{one.found} of {len(one.world.drivers)} drivers (starter {one.known}), "
            f"{one.useless} useless facts"
        )
        if one.said:
            self.console.print(f"    [dim]the last look: {one.said}[/dim]")
        for refusal in one.refused:
            self.console.print(f"    [red]an approval was refused:[/red] {refusal}")

    def worlds_summed_up(self) -> None:
        """What all worlds say together."""
        if not self._worlds:
            return
        above = [one for one in self._worlds if not _less(one, "proposed", "naive Bayes")]
        number = len(self._worlds)
        self.line(
            "worlds in which what was proposed has at least naive Bayes's AUC",
            f"{len(above)} of {number}; on average {_mean_gap(self._worlds, 'naive Bayes'):+.3f}; "
            f"less by more than chance in {sum(one.behind for one in self._worlds)}",
            "all", len(above) == number,
        )  # fmt: skip
        ratios = [one.area("proposed") / one.area("boosting") for one in self._worlds]
        known = [ratio for ratio in ratios if not math.isnan(ratio)]
        if known:
            mean = sum(known) / len(known)
            self.line(
                "AUC of what was proposed ÷ boosting's on the same answers",
                f"{mean:.3f} on average, {min(known):.3f} to {max(known):.3f}", "0.98",
                mean >= 0.98,
            )  # fmt: skip
        worse = sum(one.area("proposed") < one.area("starter") for one in self._worlds)
        self.line(
            "worlds in which the starter definition was better",
            f"{worse} of {number}; on average {_mean_gap(self._worlds, 'starter'):+.3f}",
            "none", worse == 0,
        )  # fmt: skip
        drivers = sum(len(one.world.drivers) for one in self._worlds)
        self.line(
            "true drivers that the final definition uses",
            f"{sum(one.found for one in self._worlds)} of {drivers} "
            f"(the starter: {sum(one.known for one in self._worlds)}); "
            f"and {sum(one.useless for one in self._worlds) / number:.1f} useless facts a world",
        )
        proposals = [one.published for one in self._worlds]
        refused = sum(len(one.refused) for one in self._worlds)
        self.line("proposals published, by world", _listed(proposals), "at most 5",
                  max(proposals) <= 5)  # fmt: skip
        self.line("approvals refused or stuck", str(refused), "none", refused == 0)

    def show(self) -> None:
        """Both tables."""
        if self._worlds:
            self.console.print(_table_of(self._worlds))
        table = Table("what", "measured", "aim", "met", title="Learning", title_justify="left")
        for line in self._lines:
            table.add_row(*line)
        self.console.print(table)


def _less(one: Compared, name: str, other: str) -> bool:
    return one.area(name) < one.area(other)


def _mean_gap(worlds: Sequence[Compared], other: str) -> float:
    gaps = [one.area("proposed") - one.area(other) for one in worlds]
    known = [gap for gap in gaps if not math.isnan(gap)]
    return sum(known) / len(known) if known else math.nan


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def _table_of(worlds: Sequence[Compared]) -> Table:
    """AUC, and below it the precision in the top fifth, of everybody in every world."""
    table = Table(
        title="Newer half of each world: AUC, and below it precision in the top 20 %",
        title_justify="left",
        caption="all: trained on what became of every older lead, answered or not",
    )
    table.add_column("world", no_wrap=True)
    for name in ("answers", *NAMES, "logistic, all", "boosting, all", "drivers", "published"):
        table.add_column(name)
    for one in worlds:
        shown = []
        for name in (*NAMES, "logistic, all leads", "boosting, all leads"):
            area, precision = one.scores.get(name, (math.nan, math.nan))
            shown.append(f"{area:.3f}\n{precision:.3f}")
        difficulty, _, rest = one.world.name.partition(", ")
        table.add_row(
            f"{rest}\n{difficulty}: {one.wanted:.0%} wanted, AUC ± {one.error:.3f}",
            f"{one.answers}\n{one.accepted} yes", *shown,
            f"{one.found} of {len(one.world.drivers)}\n+{one.useless} useless", str(one.published),
        )  # fmt: skip
    return table
