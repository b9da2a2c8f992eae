"""Which migrations a database lacks, told without Alembic, which is slow to import."""

from pathlib import Path

from sqlalchemy.exc import OperationalError, ProgrammingError

from shared.db.database import Database


def pending(db: Database, folder: Path) -> list[str]:
    """The revisions that the database still lacks, oldest first. A chain is the files of
    ``versions/`` in the order of their numbers. Raises what a database raises that is away."""
    numbers = sorted(path.name[:4] for path in (folder / "versions").glob("[0-9]*.py"))
    with db.connect() as conn:
        try:
            present = conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        except (OperationalError, ProgrammingError) as error:
            if "alembic_version" not in str(error.orig):
                raise
            present = None
    return [number for number in numbers if present is None or number > present]
