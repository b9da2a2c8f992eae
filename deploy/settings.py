"""The settings that all processes share. Each is an environment variable, also in .env.example."""

from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.access.keys import SHORTEST_KEY


class Settings(BaseSettings):
    """Where things are. Empty values mean the embedded default."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True)

    data: Path = Field(Path("data"), validation_alias="LEADLOOP_DATA")
    """The folder of the embedded product's files."""
    host: str = Field("127.0.0.1", validation_alias="LEADLOOP_HOST")
    port: int = Field(8000, ge=0, le=65535, validation_alias="PORT")
    database_url: str = Field("", validation_alias="LEADLOOP_DATABASE_URL")
    """``postgresql://user:password@host:port/database``; empty: one SQLite file a service."""
    broker_url: str = Field("local:", validation_alias="LEADLOOP_BROKER_URL")
    """``kafka://host:port`` or ``local:``."""
    topic_prefix: str = Field("", validation_alias="LEADLOOP_TOPIC_PREFIX")
    """Goes before each topic's name on the broker."""
    admin_key: str = Field("", validation_alias="LEADLOOP_ADMIN_KEY")
    """An admin key of your choice; empty: one is made on the first start and printed once."""
    service_urls: str = Field("", validation_alias="LEADLOOP_SERVICE_URLS")
    """``capture=http://…,qualify=…`` where services have addresses of their own."""
    peer_urls: str = Field("", validation_alias="LEADLOOP_PEER_URLS")
    """As ``service_urls``, but where the processes find each other; the same, if left out."""
    log_level: str = Field("INFO", validation_alias="LEADLOOP_LOG_LEVEL")

    @field_validator("database_url")
    @classmethod
    def _is_a_database(cls, url: str) -> str:
        if url and not url.startswith(("postgresql:", "postgres:", "sqlite:")):
            raise ValueError("this is no postgresql://user:password@host:port/database")
        return url

    @field_validator("broker_url")
    @classmethod
    def _is_a_broker(cls, url: str) -> str:
        if not url.startswith(("local:", "kafka://")) or url == "kafka://":
            raise ValueError("this is neither kafka://host:port[,host:port] nor local:")
        return url

    @field_validator("admin_key")
    @classmethod
    def _is_long_enough(cls, key: str) -> str:
        if key and len(key) < SHORTEST_KEY:
            raise ValueError(
                f"it must have at least {SHORTEST_KEY} characters; leave it empty to get one made"
            )
        return key

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if self.broker_url.startswith("local:") and not self.databases.startswith("sqlite:"):
            raise ValueError(
                "PostgreSQL needs LEADLOOP_BROKER_URL=kafka://host:port: the embedded log is for "
                "one process and lives in SQLite's files"
            )
        return self

    @property
    def databases(self) -> str:
        """The URL that every service's database is opened with."""
        return self.database_url or f"sqlite:{self.data.absolute()}"

    @property
    def own_folders(self) -> list[Path]:
        """Folders with files that one process alone may write: SQLite's, which two checkpointing
        connections can corrupt, whatever the broker is."""
        if not self.databases.startswith("sqlite:"):
            return []
        return [Path(self.databases.removeprefix("sqlite:"))]

    @property
    def embedded(self) -> bool:
        """Whether data and bus are files of this one process."""
        return self.databases.startswith("sqlite:") and self.broker_url.startswith("local:")
