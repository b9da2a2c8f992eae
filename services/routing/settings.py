"""Routing's settings, from the environment (``LEADLOOP_ROUTING_…``)."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What an operator may change about routing; the rest is the routing policy, by API."""

    model_config = SettingsConfigDict(
        env_prefix="LEADLOOP_ROUTING_", env_file=".env", env_ignore_empty=True, extra="ignore"
    )

    batch: Annotated[int, Field(ge=1, le=5000)] = 500
    """Most events that share one transaction."""
