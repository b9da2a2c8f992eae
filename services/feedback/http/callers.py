"""Who may do what, and what calls have in common."""

from typing import Annotated

from fastapi import Depends, Query

from shared.access import Principal, Role, allow

Recorder = Annotated[
    Principal, Depends(allow(Role.REP, Role.MANAGER, Role.MARKETER, Role.ADMIN, Role.SERVICE))
]
may_read = allow(Role.MARKETER, Role.ADMIN, Role.SERVICE)
Reader = Annotated[Principal, Depends(may_read)]
LeadReader = Annotated[
    Principal, Depends(allow(Role.REP, Role.MANAGER, Role.MARKETER, Role.ADMIN, Role.SERVICE))
]
Marketer = Annotated[Principal, Depends(allow(Role.MARKETER, Role.ADMIN))]
Limit = Annotated[int, Query(ge=1, le=1000)]
