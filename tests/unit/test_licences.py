"""What an installation brings along may be used: no licence in it reaches over to the desk."""

import re
from importlib import metadata
from importlib.metadata import PackageMetadata

import pytest

from tests.conftest import ROOT

LOCK = (ROOT / "requirements-runtime.lock").read_text(encoding="utf-8")
ENTRY = re.compile(r"(?m)^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==\S+(?: ; (.*?))? \\$")
# How the licences begin that may be used without a condition on the desk's own code. MPL-2.0 holds
# for its own files alone (section 3.3), and none of them is changed here.
FREE = (
    "0bsd", "apache", "bsd", "cc0", "cnri-python", "isc", "mit", "mozilla public license 2.0",
    "mpl-2.0", "psf", "python software foundation", "zlib", "3-clause bsd",
)  # fmt: skip
# LGPL-3.0: used as published and imported, never changed or copied into the desk, so that whoever
# has the desk can put another version in its place (section 4). Anything new here needs a reason.
LESSER = {"psycopg": "LGPL-3.0-only", "psycopg-binary": "LGPL-3.0-only"}
# Packages whose metadata name no licence, and the file in the package that does.
IN_A_FILE = {"imapclient": ("COPYING", "Redistribution and use in source and binary forms")}
NEVER_HERE = {"win32", "emscripten"}  # platforms on which the desk does not run


def entries() -> list[tuple[str, str]]:
    """Name and platform marker of each package of the lock, once."""
    return sorted(set(ENTRY.findall(LOCK)))


def licences(about: PackageMetadata) -> list[str]:
    """The licences that a package states: its expression, else its classifiers, else its words."""
    if expressions := about.get_all("License-Expression"):
        return [part.strip("() ") for part in re.split(r" (?:AND|OR|WITH) ", expressions[0])]
    stated = [c.split("::") for c in about.get_all("Classifier") or []]
    named = [c[-1].strip() for c in stated if c[0].strip() == "License" and len(c) > 2]
    words = (about.get_all("License") or [""])[0].partition("\n")[0]
    return named or [part.strip() for part in re.split(r" (?:AND|OR) ", words) if part.strip()]


def may_be_used(name: str, stated: list[str]) -> bool:
    return bool(stated) and all(
        each.lower().startswith(FREE) or LESSER.get(name) == each for each in stated
    )


def test_each_package_of_an_installation_may_be_used() -> None:
    found = entries()
    assert len(found) > 100
    for name, marker in found:
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            assert any(platform in marker for platform in NEVER_HERE), f"{name} is not installed"
            continue
        if name in IN_A_FILE:
            file, words = IN_A_FILE[name]
            (path,) = (p for p in package.files or () if p.name == file)
            assert words in path.read_text(encoding="utf-8")
            continue
        assert may_be_used(name, licences(package.metadata)), (name, licences(package.metadata))


@pytest.mark.parametrize(
    "stated",
    [
        "GPL-3.0-or-later", "AGPL-3.0-only", "LGPL-2.1-only",
        "GNU General Public License v3 (GPLv3)", "GNU Affero General Public License v3", "SSPL-1.0",
    ],
)  # fmt: skip
def test_a_licence_that_reaches_over_is_refused(stated: str) -> None:
    assert not may_be_used("other", [stated])
    assert not may_be_used("other", ["MIT", stated])
    assert not may_be_used("other", [])
