"""The lead definition as a document: what sales and marketing agree a good lead is.

Shape only. What its criteria mean is qualify's domain; the operators are those of
``shared.conditions``.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Operand = str | int | float | bool | list[str | int | float | bool] | None
Points = Annotated[int, Field(ge=-1000, le=1000)]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]


class Criterion(BaseModel):
    """One reason to give points. Points are whole numbers, so that contributions sum exactly."""

    model_config = ConfigDict(extra="ignore")

    id: Identifier
    group: Literal["fit", "engagement"]
    field: Annotated[str, Field(min_length=1, max_length=120)]
    operator: str
    value: Operand = None
    points: Points
    half_life_days: Annotated[float, Field(gt=0, le=3650)] | None = None
    """Engagement only: after this many days an activity is worth half its points."""


class Disqualifier(BaseModel):
    """A condition that ends it: a lead that meets it is disqualified whatever its score."""

    model_config = ConfigDict(extra="ignore")

    id: Identifier
    field: Annotated[str, Field(min_length=1, max_length=120)]
    operator: str
    value: Operand = None


class Grade(BaseModel):
    """A letter for a score of at least ``min_score``."""

    grade: Annotated[str, Field(min_length=1, max_length=8)]
    min_score: int


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
    cool_off_days: Annotated[float, Field(ge=0, le=3650)] = 30
    """How long a recycled lead rests before it may become an MQL again, in days."""


class DefinitionDocument(DefinitionBody):
    """A numbered version. Once written it never changes; only its status does."""

    version: Annotated[int, Field(ge=1)]
    status: Literal["draft", "published", "retired"] = "draft"
