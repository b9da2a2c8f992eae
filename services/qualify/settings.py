"""Qualify's settings, from the environment (``LEADLOOP_QUALIFY_…``)."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What an operator may change about qualify."""

    model_config = SettingsConfigDict(
        env_prefix="LEADLOOP_QUALIFY_", env_file=".env", env_ignore_empty=True, extra="ignore"
    )

    batch: Annotated[int, Field(ge=1, le=5000)] = 500
    """Most events that share one transaction."""
    rescore_per_second: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Most open leads that a newly published version takes on in a second."""
