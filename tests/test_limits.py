from pathlib import Path

import pytest

from bot.domain import Priority
from bot.errors import KnowledgeError
from bot.limits import Scope, read_limits

GOOD = """
caps: [{scope: all, seconds: 60, most: 3}]
due_minutes: {page: 1, high: 2, normal: 3}
retry_seconds: [1, 2]
receipt_seconds: 9
"""


def test_the_shipped_limits_cap_every_scope(tmp_path: Path) -> None:
    limits = read_limits(tmp_path)
    assert {cap.scope for cap in limits.caps} == set(Scope)
    assert limits.due_minutes[Priority.PAGE] < limits.due_minutes[Priority.NORMAL]


def test_the_knowledge_may_bring_its_own(tmp_path: Path) -> None:
    (tmp_path / "limits.yaml").write_text(GOOD, encoding="utf-8")
    limits = read_limits(tmp_path)
    assert [(cap.scope, cap.most) for cap in limits.caps] == [(Scope.ALL, 3)]
    assert limits.retry_seconds == (1, 2)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("most: 3", "most: 0"), ("scope: all", "scope: planet"), ("seconds: 60, ", ""),
        ("receipt_seconds: 9", "receipt_seconds: soon"), ("retry_seconds: [1, 2]", "retry_seconds: []"),
        ("page: 1, ", ""), ("caps: [", "caps: [["), ("caps: [{scope: all, seconds: 60, most: 3}]", "caps: 7"),
    ],
)  # fmt: skip
def test_what_is_wrong_names_the_file(tmp_path: Path, old: str, new: str) -> None:
    (tmp_path / "limits.yaml").write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(KnowledgeError, match=r"limits\.yaml"):
        read_limits(tmp_path)
