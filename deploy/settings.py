"""The settings that all processes share. Each is an environment variable, also in .env.example."""

from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.access.keys import SHORTEST_KEY
from shared.access.openid_claims import OpenIdSettings
from shared.access.roles import Role
from shared.runtime.outward import Allowed, MailServer, Outward
from shared.web.links import Links


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
    oidc_issuer: str = Field("", validation_alias="LEADLOOP_OIDC_ISSUER")
    """``https://…``: the OpenID Connect provider people log in at; empty: with keys alone."""
    oidc_name: str = Field("", validation_alias="LEADLOOP_OIDC_NAME")
    """What the login page calls it; empty: the issuer's host."""
    oidc_client_id: str = Field("", validation_alias="LEADLOOP_OIDC_CLIENT_ID")
    oidc_client_secret: str = Field("", validation_alias="LEADLOOP_OIDC_CLIENT_SECRET")
    """Empty for a public client: PKCE is used in any case."""
    oidc_scopes: str = Field("openid email profile", validation_alias="LEADLOOP_OIDC_SCOPES")
    oidc_roles_claim: str = Field("", validation_alias="LEADLOOP_OIDC_ROLES_CLAIM")
    """A claim's name, or a path like ``realm_access.roles``; empty: ``roles``, else ``groups``."""
    oidc_roles: str = Field("", validation_alias="LEADLOOP_OIDC_ROLES")
    """``sales=rep,sales-leads=manager``: a role here for a value of that claim."""
    oidc_rep_claim: str = Field("", validation_alias="LEADLOOP_OIDC_REP_CLAIM")
    """The claim with a rep's id; empty: the rep who has the verified e-mail address."""
    oidc_redirect_uri: str = Field("", validation_alias="LEADLOOP_OIDC_REDIRECT_URI")
    """``https://…/login/oidc/back``; empty: at the address the login page was opened at."""
    public_url: str = Field("", validation_alias="LEADLOOP_PUBLIC_URL")
    """Where people open the pages, for links in messages; empty: as the settings above say."""
    smtp_url: str = Field("", validation_alias="LEADLOOP_SMTP_URL")
    """``smtp://user:password@host:port?starttls=auto|required|off`` or ``smtps://…``."""
    mail_from: str = Field("", validation_alias="LEADLOOP_MAIL_FROM")
    outgoing_allow: str = Field("", validation_alias="LEADLOOP_OUTGOING_ALLOW")
    """Private hosts and networks that webhooks may lead to: ``crm.internal:8443,10.1.0.0/16``."""
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

    @field_validator("public_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("this is no http:// or https:// address")
        return url.rstrip("/")

    @field_validator("outgoing_allow")
    @classmethod
    def _says_hosts(cls, hosts: str) -> str:
        Allowed.parse(hosts)
        return hosts

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if self.smtp_url:
            MailServer.parse(self.smtp_url, self.mail_from)
        if self.broker_url.startswith("local:") and not self.databases.startswith("sqlite:"):
            raise ValueError(
                "PostgreSQL needs LEADLOOP_BROKER_URL=kafka://host:port: the embedded log is for "
                "one process and lives in SQLite's files"
            )
        return self

    @field_validator("oidc_issuer", "oidc_redirect_uri")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        address = urlsplit(url)
        loopback = address.hostname in ("localhost", "127.0.0.1", "::1")
        if url and address.scheme != "https" and not (address.scheme == "http" and loopback):
            raise ValueError("this is no https://… (http:// will do on this machine alone)")
        return url

    @field_validator("oidc_roles")
    @classmethod
    def _maps_roles(cls, text: str) -> str:
        _mapped(text)
        return text

    @model_validator(mode="after")
    def _are_complete(self) -> Self:
        if self.oidc_issuer and not (self.oidc_client_id and self.oidc_roles):
            raise ValueError(
                "LEADLOOP_OIDC_ISSUER needs LEADLOOP_OIDC_CLIENT_ID and LEADLOOP_OIDC_ROLES"
            )
        if "openid" not in self.oidc_scopes.split():
            raise ValueError("LEADLOOP_OIDC_SCOPES must have openid among them")
        return self

    @property
    def openid(self) -> OpenIdSettings | None:
        """The provider to log in at, if there is one."""
        if not self.oidc_issuer:
            return None
        return OpenIdSettings(
            issuer=self.oidc_issuer,
            client_id=self.oidc_client_id,
            roles=_mapped(self.oidc_roles),
            client_secret=self.oidc_client_secret,
            name=self.oidc_name or urlsplit(self.oidc_issuer).netloc,
            scopes=self.oidc_scopes,
            roles_claim=self.oidc_roles_claim,
            rep_claim=self.oidc_rep_claim,
            redirect_uri=self.oidc_redirect_uri,
        )

    @property
    def databases(self) -> str:
        """The URL that every service's database is opened with."""
        return self.database_url or f"sqlite:{self.data.absolute()}"

    @property
    def outward(self) -> Outward:
        """How people are reached from here."""
        host = "localhost" if self.host in ("0.0.0.0", "::", "") else self.host  # noqa: S104
        here = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        return Outward(
            self.public_url or Links.parse(self.service_urls).routing or here,
            MailServer.parse(self.smtp_url, self.mail_from) if self.smtp_url else None,
            Allowed.parse(self.outgoing_allow),
        )

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


def _mapped(text: str) -> dict[str, Role]:
    """``sales=rep,growth=marketer``, with semicolons between where names hold commas."""
    found: dict[str, Role] = {}
    people = (Role.REP, Role.MANAGER, Role.MARKETER, Role.ADMIN)
    for part in filter(None, map(str.strip, text.split(";" if ";" in text else ","))):
        name, _, role = (piece.strip() for piece in part.rpartition("="))
        if not name or role not in people:
            known = ", ".join(people)
            raise ValueError(f"{part!r} is no name=role; roles of people are {known}")
        found[name] = Role(role)
    return found
