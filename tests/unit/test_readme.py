"""What the documentation says of files, settings and itself is true."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.settings import Settings, variable_name
from tests.conftest import ROOT

PAGES = sorted(
    path
    for folder in (
        ".",
        "bot",
        "bot/channels/slack",
        "bot/deploy",
        "bot/pictures",
        "bot/channels/web",
        "knowledge",
        "evals",
        "tests",
        ".github",
    )
    for path in (ROOT / folder).glob("*.md")
    if path.name != "CHANGELOG.md"
)
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]
FILE = re.compile(r"[\w.-]+(?:/[\w.-]+)*(?:/|\.(?:py|yaml|md|json|toml|svg|png|npz))")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)|src=\"([^\"]+)\"")
CODE = re.compile(r"`([^`\n]+)`")
# Files of the reader: they are not in the repository.
READERS = {"var/", "limits.yaml", "slack.yaml"}
MOST_LINES = 150
MOST_WORDS = 25


def named(page: Path) -> Iterator[str]:
    """Every path that a page names as code, without commands and placeholders."""
    for code in CODE.findall(page.read_text(encoding="utf-8")):
        if FILE.fullmatch(code) and code not in READERS:
            yield code


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    for path in named(page):
        bases = (ROOT, ROOT / "bot", page.parent)
        assert any((base / path).exists() for base in bases), path


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_and_picture_of_a_page_leads_to_a_file(page: Path) -> None:
    for link, picture in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / (link or picture)).exists(), link or picture


def test_pages_name_only_settings_that_exist() -> None:
    known = {variable_name(name) for name in Settings.model_fields}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        found = set(re.findall(r"\bDESK_[A-Z_]*[A-Z](?![A-Z_…])", text))
        assert found <= known, page


def test_the_settings_page_and_the_example_file_list_every_setting() -> None:
    known = {variable_name(name) for name in Settings.model_fields}
    page = (ROOT / "bot" / "README.md").read_text(encoding="utf-8")
    table = page.split("## Settings")[1].split("## With a language model")[0]
    assert set(re.findall(r"\b(?:DESK|OPENAI)_[A-Z_]+", table)) == known
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^#((?:DESK|OPENAI)_[A-Z_]+)=", example, re.MULTILINE)) == known


def test_the_first_page_is_short() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MOST_LINES


def test_the_glossary_has_few_words() -> None:
    page = (ROOT / "bot" / "README.md").read_text(encoding="utf-8")
    glossary = page.split("## Glossary")[1]
    rows = re.findall(r"^\| (?!word |---)", glossary, re.MULTILINE)
    assert 0 < len(rows) <= MOST_WORDS
