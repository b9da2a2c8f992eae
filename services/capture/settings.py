"""Capture's settings, from the environment (``LEADLOOP_CAPTURE_…``)."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What an operator may change about capture."""

    model_config = SettingsConfigDict(
        env_prefix="LEADLOOP_CAPTURE_", env_file=".env", env_ignore_empty=True, extra="ignore"
    )

    default_country: Annotated[str, Field(pattern=r"^([A-Z]{2})?$")] = ""
    """ISO 3166-1 alpha-2: reads phone numbers that come with neither country code nor country."""
    bad_submission_days: Annotated[float, Field(gt=0, le=3650)] = 30
    """Days until a bad submission, with what was typed into it, is deleted."""
    bad_submissions: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000
    """Most bad submissions kept of those sent to public forms, and of those sent with a key. The
    oldest go first. One takes up to 64 KB."""
    queue: Annotated[int, Field(ge=1, le=1_000_000)] = 4096
    """Most submissions that may wait for their COMMIT; more are answered 503."""
