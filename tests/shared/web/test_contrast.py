"""Every pair of colours that meets on a page is readable: WCAG 2.2, level AA, light and dark."""

import re
from pathlib import Path

import pytest

CSS = Path(__file__).parents[3] / "shared" / "web" / "static" / "leadloop.css"
VARIABLE = re.compile(r"--([a-z-]+):\s*(#[0-9a-f]{6});")

GROUNDS = ("paper", "surface", "sunken")
TEXT = [
    *[
        (ink, ground)
        for ink in ("ink", "ink-soft", "accent", "accent-strong")
        for ground in GROUNDS
    ],
    *[(tone, ground) for tone in ("ok", "warn", "bad", "info") for ground in ("paper", "surface")],
    *[(tone, f"{tone}-soft") for tone in ("ok", "warn", "bad", "info")],
    *[("ink", f"{tone}-soft") for tone in ("ok", "warn", "bad", "info")],
    ("accent-strong", "accent-soft"),
    ("back", "paper"),
    ("back", "surface"),
    ("on-accent", "accent"),
    ("on-accent", "accent-strong"),
    ("on-bad", "bad"),
]
"""Text on its ground: at least 4.5 to 1 (success criterion 1.4.3)."""

SHAPES = [
    *[(shape, ground) for shape in ("line-strong", "focus", "accent") for ground in GROUNDS],
    *[(shape, "surface") for shape in ("back", "ok", "warn", "bad", "chart-flat")],
    *[(shape, "paper") for shape in ("back", "chart-flat")],
]
"""Borders of controls, focus rings and marks in charts: at least 3 to 1 (1.4.11)."""


def palettes() -> dict[str, dict[str, str]]:
    """The variables of the light palette, and those with the dark ones laid over them."""
    light, _, dark = CSS.read_text().partition("@media (prefers-color-scheme: dark)")
    dark = dark.partition("/* Ground */")[0]
    day = dict(VARIABLE.findall(light))
    return {"light": day, "dark": {**day, **dict(VARIABLE.findall(dark))}}


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2.2, definition of relative luminance)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio (WCAG 2.2), from 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_formula_is_the_standards() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_both_palettes_have_every_colour() -> None:
    dark = CSS.read_text().partition("@media (prefers-color-scheme: dark)")[2]
    night = set(dict(VARIABLE.findall(dark.partition("/* Ground */")[0])))
    assert night == set(palettes()["light"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), TEXT)
def test_text_can_be_read(scheme: str, ink: str, ground: str) -> None:
    palette = palettes()[scheme]
    assert contrast(palette[ink], palette[ground]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("shape", "ground"), SHAPES)
def test_shapes_can_be_seen(scheme: str, shape: str, ground: str) -> None:
    palette = palettes()[scheme]
    assert contrast(palette[shape], palette[ground]) >= 3


def test_every_variable_in_use_is_defined() -> None:
    css = CSS.read_text()
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", css))
    assert used <= set(re.findall(r"--([a-z0-9-]+):", css))
