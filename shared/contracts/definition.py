"""The lead definition as a document: what sales and marketing agree a good lead is.

Shape only. What it means, and whether it can score anybody, is ``shared.scorecard``; the operators
are those of ``shared.conditions``.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
)

Operand = str | int | float | bool | list[str | int | float | bool] | None
Points = Annotated[int, Field(ge=-1000, le=1000)]
Days = Annotated[float, Field(gt=0, le=3650, allow_inf_nan=False)]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
FieldName = Annotated[str, Field(min_length=1, max_length=120)]
When = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "description": "all, any (lists of conditions), not (a condition), or field, operator "
            "and value",
        }
    ),
]
"""A condition put together of others; ``shared.conditions`` checks and compiles it."""

_IF_GIVEN = frozenset(
    {"label", "field", "operator", "when", "levels", "otherwise", "activity", "count"}
    | {"window_days", "cap"}
)
"""What is left out of a document where it was left out by its author."""


class _Sparse(BaseModel):
    """A part of a document of which no more is written down than its author wrote."""

    model_config = ConfigDict(extra="ignore")

    @model_serializer(mode="wrap")
    def _serialize(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        whole: dict[str, Any] = handler(self)
        return {
            key: value for key, value in whole.items() if value is not None or key not in _IF_GIVEN
        }


class Level(_Sparse):
    """One bin of a number or group of a category: what the criterion is worth there."""

    operator: str
    value: Operand = None
    points: Points
    label: Annotated[str, Field(max_length=120)] | None = None


class Criterion(_Sparse):
    """One reason to give points. Points are whole numbers, so that contributions sum exactly.

    It is one of four: a condition on a ``field``; conditions put together (``when``); ``levels`` of
    a field, of which the first that holds counts; or how often and when an ``activity`` was done.
    """

    id: Identifier
    group: Literal["fit", "engagement"]
    label: Annotated[str, Field(max_length=120)] | None = None
    """How people call it."""
    field: FieldName | None = None
    operator: str | None = None
    value: Operand = None
    when: When | None = None
    levels: Annotated[list[Level], Field(min_length=1, max_length=50)] | None = None
    otherwise: Points | None = None
    """Points where no level holds; 0 when left out."""
    activity: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """The kind of activity, or ``any``."""
    count: Annotated[int, Field(ge=1, le=1000)] | None = None
    """So many of the activities are needed; 1 when left out."""
    window_days: Days | None = None
    """Only activities of the last so many days count."""
    cap: Points | None = None
    """With it each activity earns the points, up to this many together; without, they are earned
    once."""
    points: Points | None = None
    """Everything but ``levels`` needs them."""
    half_life_days: Days | None = None
    """Engagement only: after this many days an activity is worth half its points."""

    @model_serializer(mode="wrap")
    def _serialize(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain = self.when is None and self.levels is None and self.activity is None
        drop = set(_IF_GIVEN if plain else {*_IF_GIVEN, "value", "half_life_days"})
        if self.levels is not None:
            drop.add("points")
        whole: dict[str, Any] = handler(self)
        return {key: value for key, value in whole.items() if value is not None or key not in drop}


class Disqualifier(_Sparse):
    """A condition that ends it: a lead that meets it is disqualified whatever its score."""

    id: Identifier
    field: FieldName | None = None
    operator: str | None = None
    value: Operand = None
    when: When | None = None


class Grade(BaseModel):
    """A letter for a score of at least ``min_score``."""

    grade: Annotated[str, Field(min_length=1, max_length=8)]
    min_score: int


class GroupGrade(BaseModel):
    """A letter for at least ``min_points`` of one group of criteria."""

    grade: Annotated[str, Field(min_length=1, max_length=4)]
    min_points: int


class GradeMatrix(BaseModel):
    """Grades of two letters: who the lead is (fit), and what it does (engagement)."""

    fit: Annotated[list[GroupGrade], Field(min_length=1, max_length=10)]
    engagement: Annotated[list[GroupGrade], Field(min_length=1, max_length=10)]


class DefinitionBody(BaseModel):
    """What an author writes: a definition without number and status."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, Field(max_length=200)] = ""
    note: Annotated[str, Field(max_length=2000)] = ""
    """Why this version exists."""
    threshold: Annotated[int, Field(ge=-100000, le=100000)]
    criteria: Annotated[list[Criterion], Field(min_length=1, max_length=200)]
    disqualifiers: Annotated[list[Disqualifier], Field(max_length=100)] = []
    grades: Annotated[list[Grade], Field(max_length=26)] = []
    grade_matrix: GradeMatrix | None = None
    """Instead of ``grades``."""
    cool_off_days: Annotated[float, Field(ge=0, le=3650, allow_inf_nan=False)] = 30
    """How long a recycled lead rests before it may become an MQL again, in days."""
    exploration_rate: Annotated[float, Field(ge=0, le=0.5, allow_inf_nan=False)] = 0.02
    """The share of leads below the threshold that reach a rep all the same, so that what the
    definition misses can be counted."""


class DefinitionDocument(DefinitionBody):
    """A numbered version. Once published it never changes; only its status does."""

    version: Annotated[int, Field(ge=1)]
    status: Literal["draft", "challenger", "published", "retired"] = "draft"
    exploration_rate: Annotated[float, Field(ge=0, le=0.5)] = 0
    """Versions from before there was exploration have none."""
