"""The services by name, for whoever needs nothing else of the contracts."""

from typing import Final, Literal, get_args

ServiceName = Literal["capture", "qualify", "routing", "feedback"]
SERVICES: Final[tuple[str, ...]] = get_args(ServiceName)
