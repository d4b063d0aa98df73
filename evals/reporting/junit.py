"""A run as JUnit XML; a case that is not correct is a failure only where it fails a gate by itself.

Rates decide, so a missed case is told as skipped: otherwise the page of a green run would be red.
"""

import unicodedata
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from evals.gates import Checked
from evals.measuring.grade import Graded
from evals.measuring.metrics import grouped
from evals.measuring.results import Run


def page(run: Run) -> str:
    """The suite of gates, then one suite for each slice."""
    root = ET.Element("testsuites", name="evals")
    _gates(root, run.checked)
    for name, group in grouped(run.graded, lambda g: g.case.slice).items():
        _slice(root, name, group)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _gates(root: ET.Element, checked: Sequence[Checked]) -> None:
    failed = sum(c.fails for c in checked)
    suite = ET.SubElement(
        root, "testsuite", name="gates", tests=str(len(checked)), failures=str(failed), skipped="0"
    )
    for c in checked:
        name = f"{c.scope}: {c.name}" if c.scope else c.name
        test = ET.SubElement(suite, "testcase", classname="gates", name=_plain(name))
        if c.fails:
            ET.SubElement(test, "failure", message=f"{c.value:.4g}, wanted {c.limit}")


def _slice(root: ET.Element, name: str, group: Sequence[Graded]) -> None:
    failed = [g for g in group if _fails(g)]
    skipped = sum(not g.correct for g in group) - len(failed)
    suite = ET.SubElement(
        root, "testsuite", name=_plain(name), tests=str(len(group)), failures=str(len(failed)),
        skipped=str(skipped),
    )  # fmt: skip
    for g in group:
        test = ET.SubElement(suite, "testcase", classname=_plain(name), name=_plain(g.case.id))
        if not g.correct:
            tag = "failure" if _fails(g) else "skipped"
            ET.SubElement(test, tag, message=_plain(f"{g.verdict.value}: {g.cause}"))


def _fails(graded: Graded) -> bool:
    return graded.case.critical and graded.case.split == "test" and not graded.correct


def _plain(text: str) -> str:
    """XML 1.0 takes no control characters, however escaped."""
    return "".join(c for c in text if unicodedata.category(c)[0] != "C")
