"""Worlds with a known truth, made by leadforge: leads in time order, and what drives them.

leadforge has one recipe; what differs from world to world is the causal story (its *motif family*,
which the seed draws), the seed and the difficulty: signal, noise, missing values, outliers, and how
rare conversions are. Facts are what had been seen of a lead 30 days after it came, as the recipe
has it. leadforge is imported here alone, and late: only ``make bench-learning`` needs it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OF_EVERY_LEAD = frozenset({"industry"})
"""Facts that every lead has a field of its own for; all others are custom fields."""
RECIPE = "b2b_saas_procurement_v1"
SNAPSHOT_DAY, HORIZON_DAYS = 30, 90
LABEL = "converted_within_90_days"
KINDS = {str: "text", bool: "boolean", int: "number", float: "number"}
NOT_FACTS = frozenset(
    {
        *("account_id", "contact_id", "lead_id", "lead_created_at", LABEL),
        *("current_stage", "is_sql", "total_touches_all"),  # these know the outcome
        # Made from the opportunity, which a lead that is being qualified does not have yet.
        *("opportunity_created", "has_open_opportunity", "opportunity_estimated_acv"),
        "expected_acv",
    }
)

# What leadforge's simulation makes of hidden traits. Touches follow the traits that drive
# conversion, and sessions follow touches; pricing and demo pages are only seen by leads that have
# come far, and sales only works on those.
_TOUCHES = frozenset(
    {
        *("touch_count", "inbound_touch_count", "outbound_touch_count", "touches_days_0_7"),
        *("touches_last_7_days", "days_since_first_touch", "days_since_last_touch"),
        *("session_count", "total_session_duration_seconds"),
    }
)
_FAR = frozenset({"pricing_page_views", "demo_page_views"})
_WORKED = frozenset({"activity_count"})


@dataclass(frozen=True)
class Lead:
    """What is known of a lead, and whether sales wants it."""

    facts: Mapping[str, Any]
    wanted: bool

    @property
    def custom(self) -> dict[str, Any]:
        """Facts that are custom fields."""
        return {name: fact for name, fact in self.facts.items() if name not in OF_EVERY_LEAD}

    @property
    def form(self) -> dict[str, Any]:
        """What a form posts of it, but for who it is."""
        own = {name: fact for name, fact in self.facts.items() if name in OF_EVERY_LEAD}
        return {**own, "fields": self.custom}

    @property
    def named(self) -> dict[str, Any]:
        """Its facts by the names that definitions have for them."""
        return {named(name): fact for name, fact in self.facts.items()}


@dataclass(frozen=True)
class World:
    """Leads in time order. ``drivers`` names what truly drives the outcome, each with the facts
    that show it: a definition that uses one of them has found it."""

    name: str
    leads: tuple[Lead, ...]
    drivers: Mapping[str, frozenset[str]]
    useless: frozenset[str]

    @property
    def halves(self) -> tuple[tuple[Lead, ...], tuple[Lead, ...]]:
        """The older half, to learn from, and the newer half, to judge by."""
        middle = len(self.leads) // 2
        return self.leads[:middle], self.leads[middle:]

    def declarations(self) -> list[dict[str, str]]:
        """The facts as ``PUT /capture/v1/fields`` takes them."""
        kinds: dict[str, str] = {}
        for lead in self.leads:
            for name, value in lead.custom.items():
                kinds.setdefault(name, KINDS[type(value)])
        return [{"name": name, "type": kinds[name], "kind": "fact"} for name in sorted(kinds)]


@dataclass(frozen=True)
class Plan:
    """Which world to make."""

    difficulty: str
    seed: int
    leads: int = 4000


PLANS = (
    Plan("intro", 1),
    Plan("intro", 2),
    Plan("intro", 6),
    Plan("intermediate", 3),
    Plan("intermediate", 4),
    Plan("intermediate", 12),
    Plan("advanced", 7),
    Plan("advanced", 9),
    Plan("advanced", 18),
)
"""Each difficulty with three causal stories; together all five of them."""
QUICK = (Plan("intro", 6, 1600), Plan("intermediate", 4, 1600))


def starter() -> dict[str, Any]:
    """What a marketer would write who knows the names of the facts, and nothing of the truth."""
    return {
        "name": "Starter",
        "note": "What we believe before we have seen anything.",
        "threshold": 40,
        "criteria": [
            _one("bigger_company", "fit", "employee_band", ["500-999", "1000-1999", "2000+"], 15),
            _one("rich_company", "fit", "estimated_revenue_band", ["$50M-$200M", "$200M+"], 10),
            _one("senior", "fit", "seniority", ["director", "vp", "c_suite"], 20),
            _one("our_industries", "fit", "industry", ["manufacturing", "logistics"], 10),
            _one("by_partner", "fit", "lead_source", ["partner_referral"], 10),
            _one("looked_at_prices", "engagement", "pricing_page_views", 1, 15),
            _one("came_often", "engagement", "session_count", 3, 10),
        ],
        "exploration_rate": 0.02,
    }


def named(fact: str) -> str:
    """A fact as definitions name it."""
    return fact if fact in OF_EVERY_LEAD else f"fields.{fact}"


def _one(name: str, group: str, field: str, value: Any, points: int) -> dict[str, Any]:
    return {
        "id": name,
        "group": group,
        "field": named(field),
        "operator": "in" if isinstance(value, list) else "at_least",
        "value": value,
        "points": points,
    }


def make(plan: Plan) -> World:
    """Simulate a world; the same plan gives the same leads. About 3 s per 1000 leads."""
    from leadforge.api.generator import Generator
    from leadforge.render.snapshots import build_snapshot

    generator = Generator.from_recipe(RECIPE, seed=plan.seed, difficulty=plan.difficulty)
    bundle = generator.generate(
        n_leads=plan.leads,
        n_contacts=int(plan.leads * 0.9),
        n_accounts=plan.leads // 2,
        latent_touch_intensity=True,
    )
    table = build_snapshot(
        bundle.simulation_result,
        bundle.population,
        HORIZON_DAYS,
        SNAPSHOT_DAY,
        bundle.spec.config.difficulty_params,
        plan.seed,
    ).sort_values(["lead_created_at", "lead_id"])
    facts = [name for name in table.columns if name not in NOT_FACTS]
    known = table.astype(object).where(table.notna(), None)
    leads = tuple(
        Lead(
            {name: plain for name in facts if (plain := _plain(row[name])) is not None},
            bool(row[LABEL]),
        )
        for row in known.to_dict("records")
    )
    motif = bundle.world_graph.motif_family
    drivers = _drivers(plan, motif)
    useless = frozenset(facts) - frozenset().union(*drivers.values())
    return World(f"{plan.difficulty}, {motif} (seed {plan.seed})", leads, drivers, useless)


def _drivers(plan: Plan, motif: str) -> dict[str, frozenset[str]]:
    """What drives this world's conversions, from the tables that leadforge simulated it by.

    A category drives it if the difficulty ties it to a hidden trait (easy worlds only) that the
    causal story weighs, for conversion or for the way there.
    """
    from leadforge.api.recipes import Recipe
    from leadforge.mechanisms.policies import mechanism_params_for_motif
    from leadforge.recipes.registry import load_recipe

    told = mechanism_params_for_motif(motif)
    weighed = {*told["conversion_score_weights"], *told["transition_score_weights"]}
    profile = Recipe.from_dict(load_recipe(RECIPE)).load_difficulty_profiles()[plan.difficulty]
    tied = profile.get("category_latent_correlations") or {}
    categories = {
        name: frozenset({name}) for name, tie in tied.items() if tie["latent_trait"] in weighed
    }
    return {"touches": _TOUCHES, "pages of late": _FAR, "worked by sales": _WORKED, **categories}


def _plain(value: Any) -> Any:
    """A cell as JSON has it; None where it is missing. Numbers to three digits."""
    if value is None or isinstance(value, str):
        return value
    number = round(float(value), 3)
    return int(number) if number.is_integer() else number
