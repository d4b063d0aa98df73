"""Adds to each message what is known of whether its sender is who it says."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("message", sa.Column("proof", sa.String, nullable=False, server_default=""))
