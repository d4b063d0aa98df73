"""Lets a cluster have one answer for each language instead of a single answer."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
NAME = "cluster_answer_language"


def upgrade() -> None:
    old = sa.inspect(op.get_bind()).get_unique_constraints("cluster_answer")
    # SQLite does not name the constraint that a column was made with.
    names = {"uq": "uq_%(table_name)s_%(column_0_name)s"}
    with op.batch_alter_table("cluster_answer", naming_convention=names) as table:
        table.drop_constraint(old[0]["name"] or "uq_cluster_answer_cluster_id", type_="unique")
        table.create_unique_constraint(NAME, ["cluster_id", "language"])
