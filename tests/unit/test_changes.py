import pytest

from bot.corpus.changes import ChangeKind, suggest_kind

BEFORE = "We notify those impacted now. Passwords were not affected."


@pytest.mark.parametrize(
    ("now", "language", "kind"),
    [
        (BEFORE.upper(), "en", ChangeKind.WORDING),
        ("We notify those impacted now; passwords were not affected.", "en", ChangeKind.WORDING),
        ("We notify those impacted now. Passwords were not affected at that.", "en", ChangeKind.WORDING),
        ("We notify those impacted now. Passwords were not affected at that.", "de", ChangeKind.CORRECTION),
        (f"{BEFORE} Keys were neither.", "en", ChangeKind.ADDITION),
        (f"As of today: {BEFORE}", "en", ChangeKind.CORRECTION),
        ("We notify those impacted now. Passwords were affected.", "en", ChangeKind.CORRECTION),
        ("We notify all those impacted now. Passwords were not affected.", "en", ChangeKind.CORRECTION),
        ("We notify those impacted by May 3. Passwords were not affected.", "en", ChangeKind.CORRECTION),
        ("We notify those impacted now. Keys and tokens were stolen from us.", "en", ChangeKind.CORRECTION),
        ("Passwords were not affected.", "en", ChangeKind.CORRECTION),
    ],
)  # fmt: skip
def test_a_change_is_a_mere_wording_only_where_that_is_plain(
    now: str, language: str, kind: ChangeKind
) -> None:
    assert suggest_kind(BEFORE, now, language) is kind
