"""What the API asks of past leads, whoever finds it out."""

from typing import Protocol

from services.qualify.domain.promotion import Comparison
from services.qualify.domain.versions import Version
from shared.contracts.definition import DefinitionBody


class Evidence(Protocol):
    """Questions that take a while, asked outside of any transaction."""

    async def warnings(self, body: DefinitionBody) -> list[dict[str, str]]:
        """What a valid definition should perhaps not be, each with ``pointer`` and ``detail``:
        criteria that held for all of last month's leads, or for none."""
        ...

    async def comparison(self, before: Version, after: Version) -> Comparison | None:
        """The published version and its challenger on the same leads; None if there are none."""
        ...
