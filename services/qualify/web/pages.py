"""The pages on which marketers read, write and publish definitions, and read a lead's score."""

from fastapi import APIRouter

from services.qualify.store import QualifyWork
from shared.db.engine import Database
from shared.runtime.unit_of_work import Transactions


def pages_router(transactions: Transactions[QualifyWork], db: Database) -> APIRouter:
    """Routes under ``/qualify/``."""
    return APIRouter(include_in_schema=False)
