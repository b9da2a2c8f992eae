"""Settings of routing, from environment variables."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """How often the clock is looked at. Everything else is the routing policy, by API."""

    model_config = SettingsConfigDict(
        env_prefix="LEADLOOP_ROUTING_", env_file=".env", env_ignore_empty=True, extra="ignore"
    )

    tick_seconds: float = 0.5
    """Seconds between looks at deadlines and at leads nobody has."""
