"""An index to forget the oldest bad submissions of one kind of sender by."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the index."""
    op.create_index("bad_submissions_by_source", "bad_submissions", ["source", "bad_submission_id"])
