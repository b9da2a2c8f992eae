"""Feedback's settings, from environment variables that start with ``LEADLOOP_FEEDBACK_``."""

from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.contracts.vocabulary import Stage

Minutes = Annotated[float, Field(gt=0)]

_DAY: Final = 24 * 60.0

STUCK_MINUTES: Final[dict[Stage, float]] = {
    Stage.INQUIRY: 5,
    Stage.MQL: 5,
    Stage.REJECTED: 5,
    Stage.UNROUTED: _DAY,
    Stage.ASSIGNED: 3 * _DAY,
    Stage.ACKNOWLEDGED: 3 * _DAY,
    Stage.ACCEPTED: 30 * _DAY,
    Stage.SQL: 60 * _DAY,
    Stage.OPPORTUNITY: 180 * _DAY,
}
"""How long a lead may stay in a stage. The first three are ours to leave, in seconds; the others
wait for people. A stage that is not named here is a place to rest."""


class Settings(BaseSettings):
    """What an operator may choose."""

    model_config = SettingsConfigDict(
        env_prefix="LEADLOOP_FEEDBACK_", env_file=".env", env_ignore_empty=True, extra="ignore"
    )

    learning_seconds: Annotated[float, Field(gt=0)] = 5.0
    """How often it is asked whether a look at the answers is due, in seconds."""

    learning_timeout_seconds: Annotated[float, Field(ge=10)] = 900.0
    """The most time that a look may take, in seconds."""

    stuck_minutes: dict[Stage, Minutes] = {}
    """Overrides of how long a lead may stay in a stage, as JSON: ``{"INQUIRY": 10}``."""

    def stuck_after(self) -> dict[Stage, timedelta]:
        """How long a lead may stay in each stage that is no resting place."""
        minutes = {**STUCK_MINUTES, **self.stuck_minutes}
        return {stage: timedelta(minutes=limit) for stage, limit in minutes.items()}
