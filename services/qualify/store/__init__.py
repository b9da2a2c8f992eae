"""Qualify's database."""

from services.qualify.store.queries import (
    LeadHistory,
    find_version,
    lead_history,
    list_versions,
)
from services.qualify.store.tables import metadata
from services.qualify.store.work import Compiled, QualifyWork

__all__ = [
    "Compiled",
    "LeadHistory",
    "QualifyWork",
    "find_version",
    "lead_history",
    "list_versions",
    "metadata",
]
