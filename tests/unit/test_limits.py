from importlib.resources import files
from pathlib import Path

import pytest

from bot.corpus.limits import Scope, read_limits, shipped_limits
from bot.domain import Priority
from bot.errors import KnowledgeError

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


def test_what_a_model_may_is_as_shipped_unless_the_knowledge_says_so(tmp_path: Path) -> None:
    (tmp_path / "limits.yaml").write_text(GOOD, encoding="utf-8")
    assert read_limits(tmp_path).model == shipped_limits().model


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("floor: 0.02", "floor: 2"), ("adds: 4.7", "adds: -1"), ("tries: 2", "tries: 0"),
        ("watched: 20", "watched: many"), ("among: 5", "amongst: 5"), ("tries: 2", "tries: 2\n  x: 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_model_s_limits_names_the_file(
    tmp_path: Path, old: str, new: str
) -> None:
    shipped = (files("bot") / "data" / "limits.yaml").read_text(encoding="utf-8")
    assert old in shipped
    (tmp_path / "limits.yaml").write_text(shipped.replace(old, new), encoding="utf-8")
    with pytest.raises(KnowledgeError, match=r"limits\.yaml"):
        read_limits(tmp_path)


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


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("most: 3", "most: 0", "caps.0.most: Input should be greater than or equal to 1"),
        ("scope: all", "scope: planet", "caps.0.scope: Input should be 'sender', 'text', 'thread'"),
        ("page: 1, ", "", "due_minutes: .*missing for page"),
    ],
)
def test_an_error_names_the_key_and_what_is_allowed(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    (tmp_path / "limits.yaml").write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(KnowledgeError, match=says):
        read_limits(tmp_path)
