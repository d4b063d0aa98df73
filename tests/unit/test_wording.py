"""How a reply is put together: where its source stands, and what is not quoted."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.answering.reply import compose_reply, source_lines
from bot.answering.responder import Responder
from bot.corpus import Knowledge
from bot.corpus.notes import Alternatives, Superseded
from bot.corpus.post import read_post
from bot.domain import Answer, ExpectedTime, Outcome, Passage, Priority, Refusal, Response
from bot.outbound import Outbound
from bot.outbound.self_check import build_answer, build_escalation, build_refusal

CLARIFIED = "introduction-december-19-2025-clarification-updating"
CORRECTED = "introduction-incident-occurred-within-mixpanel-systems"
KNOW = "faq-know-organization-impacted"
RESPONSE = "response-part-security-investigation-removed-mixpanel"
RESET = "faq-need-reset-password-rotate-api"
EXPOSED = "faq-openai-passwords-api-keys-payment"


def reply(knowledge: Knowledge, *outcomes: Outcome, language: str = "en") -> str:
    response = Response(outcomes=outcomes, language=language, knowledge="")
    return compose_reply(response, knowledge)


def passages(knowledge: Knowledge, *ids: str) -> tuple[Passage, ...]:
    return tuple(knowledge.passages[i] for i in ids)


def build_answer_with(knowledge: Knowledge, *ids: str) -> Answer:
    return build_answer(*passages(knowledge, *ids))


@pytest.mark.parametrize("language", ["en", "de", "ja", "ar"])
def test_the_source_stands_once_between_all_that_is_said_and_the_footer(
    knowledge: Knowledge, language: str
) -> None:
    templates, outbound = knowledge.templates[language], Outbound(knowledge)
    first, second = build_answer_with(knowledge, EXPOSED), build_answer_with(knowledge, CLARIFIED)
    waits = build_escalation(Priority.NORMAL)
    replies: list[tuple[Outcome, ...]] = [
        (first,), (first, second), (second, first, waits), (first, second, build_refusal()),
        (build_refusal(), waits), (build_answer_with(knowledge, *templates.refusal_fact), build_refusal()),
    ]  # fmt: skip
    for outcomes in replies:
        text = reply(knowledge, *outcomes, language=language)
        assert text.count(templates.source_label) == 1
        assert text.count(knowledge.post.url) == 1
        assert f" {knowledge.post.url}\n\n{templates.footer}\n" in text
        assert outbound.check(text).allowed


# --- several questions -----------------------------------------------------------------------------


def test_the_answers_come_first_in_the_order_of_the_questions_and_each_has_its_number(
    knowledge: Knowledge,
) -> None:
    t = knowledge.templates["en"]
    exposed, reset = passages(knowledge, EXPOSED, RESET)
    asked: tuple[Outcome, ...] = (
        build_escalation(Priority.NORMAL, "a"), build_answer(reset, question="b"), build_refusal("c"),
        build_answer(exposed, reset, question="d"), build_escalation(Priority.NORMAL, "e"),
        build_answer(reset, question="f"),
    )  # fmt: skip
    text = reply(knowledge, *asked)
    lines = [line for line in text.splitlines() if line and not line.startswith(" ")]
    (fact,) = (i for i in t.refusal_fact if i != RESET)
    (named,) = (t.refusal_kinds[o.reason] for o in asked if isinstance(o, Refusal))
    assert lines == [
        t.greeting, t.answers_lead, f"2, 6. {reset.heading}", f"4. {exposed.heading}",
        f"3. {named}", *t.refusal, f"1, 5. {t.handover_numbers}",
        source_lines(t, knowledge.post, [reset, exposed, knowledge.passages[fact]]), t.footer,
    ]  # fmt: skip
    assert text.count(reset.text) == 1
    assert Outbound(knowledge).check(text).allowed


@pytest.mark.parametrize(
    ("outcomes", "said", "unsaid"),
    [
        ((build_escalation(Priority.NORMAL, "a"), build_escalation(Priority.NORMAL, "b")), ["handover"], ["handover_numbers"]),
        ((build_refusal("a"), build_escalation(Priority.NORMAL, "a"), build_escalation(Priority.NORMAL, "b")), ["handover"], ["handover_numbers"]),
        ((build_escalation(Priority.PAGE, "a"),), ["handover_urgent"], ["handover"]),
        ((build_escalation(Priority.PAGE, "a"), build_refusal("b")), ["handover_urgent", "handover_numbers"], ["handover"]),
    ],
)  # fmt: skip
def test_what_goes_to_a_person_as_a_whole_has_no_numbers(
    knowledge: Knowledge, outcomes: tuple[Outcome, ...], said: list[str], unsaid: list[str]
) -> None:
    t = knowledge.templates["en"]
    text = reply(knowledge, *outcomes)
    assert text.endswith((f"\n{t.footer}\n", f"\n{t.acknowledgement}\n"))
    refused = any(isinstance(each, Refusal) for each in outcomes)
    assert (t.acknowledgement in text) is not refused
    assert [name for name in (*said, *unsaid) if getattr(t, name) in text] == said
    assert Outbound(knowledge).check(text).allowed


def test_the_lead_says_what_numbers_count_wherever_there_are_any(knowledge: Knowledge) -> None:
    t = knowledge.templates["en"]
    first, second = build_answer_with(knowledge, EXPOSED), build_answer_with(knowledge, RESET)
    one, other = replace(first, question="a"), replace(second, question="b")
    for outcomes, lead, numbered in (
        ((one,), t.answer_lead, False),
        ((one, build_escalation(Priority.NORMAL, "b")), t.answers_lead, True),
        ((one, other), t.answers_lead, True),
        ((one, build_escalation(Priority.NORMAL, "a"), other, build_escalation(Priority.NORMAL, "b")), t.answers_lead, True),
    ):  # fmt: skip
        text = reply(knowledge, *outcomes)
        assert f"{t.greeting}\n\n{lead}\n\n" in text
        assert ("\n1. " in text) is numbered
        assert Outbound(knowledge).check(text).allowed, text


def test_who_may_be_in_danger_reads_that_first(knowledge: Knowledge) -> None:
    t = knowledge.templates["en"]
    text = reply(knowledge, build_answer_with(knowledge, EXPOSED), build_escalation(Priority.PAGE))
    assert text.startswith(f"{t.greeting}\n\n{t.handover_urgent}\n\n{t.answer_lead}\n")


def test_a_time_is_promised_only_where_the_incident_names_one(knowledge: Knowledge) -> None:
    t = knowledge.templates["en"]
    waits = build_escalation(Priority.NORMAL)
    assert not [said for said in t.answer_within.values() if said in reply(knowledge, waits)]
    incident = knowledge.incident.model_copy(update={"answer_within": ExpectedTime.TWO_DAYS})
    promising = replace(knowledge, incident=incident)
    within = t.answer_within[ExpectedTime.TWO_DAYS]
    assert f"{t.handover}\n{within}\n\n" in reply(promising, waits)
    assert within not in reply(promising, build_escalation(Priority.PAGE))
    assert within not in reply(promising, build_answer_with(knowledge, EXPOSED))


def test_a_heading_that_says_nothing_is_replaced(knowledge: Knowledge) -> None:
    mine = replace(knowledge, notes=knowledge.notes.model_copy(update={"headings": []}))
    corrected = knowledge.passages[CORRECTED]
    assert corrected.heading == "Introduction"
    assert mine.heading_of(corrected) == knowledge.post.title
    assert "Introduction" not in [knowledge.heading_of(p) for p in knowledge.post.passages]


def test_a_reply_without_a_quote_names_no_source(knowledge: Knowledge) -> None:
    assert "Source:" not in reply(knowledge, build_escalation(Priority.NORMAL))


def test_the_source_names_each_day_once_in_order(knowledge: Knowledge) -> None:
    line = source_lines(
        knowledge.templates["en"], knowledge.post, passages(knowledge, CLARIFIED, EXPOSED, RESET)
    )
    assert line.endswith(f", 2025-11-26, 2025-12-19, {knowledge.post.url}")


def test_the_source_of_a_post_without_a_link_ends_with_the_last_day(knowledge: Knowledge) -> None:
    mine = replace(knowledge, post=replace(knowledge.post, url=""))
    for named, days in (
        ([CLARIFIED], "2025-12-19"),
        ([EXPOSED, CLARIFIED], "2025-11-26, 2025-12-19"),
    ):
        text = reply(mine, build_answer_with(mine, *named))
        (line,) = [each for each in text.splitlines() if each.startswith("Source:")]
        assert line.endswith(f"{mine.post.title}, {days}")
        assert Outbound(mine).check(text).allowed, text
        assert not Outbound(mine).check(text.replace(days, f"{days}, 2025-11-27")).allowed


@pytest.mark.parametrize(
    "change",
    [
        lambda text, line: text.replace(line, ""),
        lambda text, line: text.replace(line, line.replace("2025-11-26, ", "")),
        lambda text, line: text.replace(
            line, line.replace("2025-11-26, 2025-12-19", "2025-12-19, 2025-11-26")
        ),
        lambda text, line: text.replace(line, f"{line}\n\n{line}"),
        lambda text, line: text.replace(line, "").replace("No. ", f"{line}\n\nNo. ", 1),
        lambda text, line: text.replace(line, "").replace("Hello,", f"Hello,\n\n{line}", 1),
    ],
)
def test_the_outbound_check_knows_where_a_source_belongs(knowledge: Knowledge, change) -> None:  # type: ignore[no-untyped-def]
    text = reply(knowledge, build_answer_with(knowledge, EXPOSED, CLARIFIED))
    (line,) = [each for each in text.splitlines() if each.startswith("Source:")]
    changed = change(text, line)
    left_out = line not in changed and "Source:" not in changed
    assert Outbound(knowledge).check(changed).allowed is left_out


# --- a sentence that introduces a list which is not quoted -----------------------------------------


def post(folder: Path, body: str) -> list[str]:
    path = folder / "post.md"
    path.write_text(f"---\ntitle: T\nurl: https://x.example\npublished: 2026-01-02\n---\n{body}")
    return [p.text for p in read_post(path).passages]


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ("We saw it. As a reminder:\n\n- Be careful.\n- Ask us.", ["We saw it.", "Be careful.", "Ask us."]),
        ("What we do:\n\n- We look.\n- We ask.", ["We look.", "We ask."]),
        ("We saw it. This was lost:\n\n- names\n- towns", ["We saw it. This was lost:\nnames\ntowns"]),
        ("We saw it! Next steps:\n\nWe ask them.", ["We saw it!", "We ask them."]),
        ("We saw it at 10:30 o'clock.", ["We saw it at 10:30 o'clock."]),
        ("We saw it. More:", ["We saw it."]),
        ("We saw it. Siehe：\n\n- Man sieht es.", ["We saw it.", "Man sieht es."]),
        ("We saw it.\n\n**FAQ**\n\n**Is it so?**\n\n- Yes, it is. For example:", ["We saw it.", "Yes, it is."]),
    ],
)  # fmt: skip
def test_a_lead_in_without_its_list_is_not_quoted(
    tmp_path: Path, body: str, texts: list[str]
) -> None:
    assert post(tmp_path, body) == texts


def test_no_passage_of_the_post_ends_in_a_colon(knowledge: Knowledge) -> None:
    assert [p.id for p in knowledge.post.passages if p.text.rstrip().endswith((":", "："))] == []


# --- a notice and its correction -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("picked", "quoted_ids"),
    [
        ((CORRECTED, CLARIFIED), (CORRECTED,)),
        ((CLARIFIED, CORRECTED), (CLARIFIED,)),
        ((KNOW, EXPOSED), (KNOW, EXPOSED, CLARIFIED)),
        ((KNOW, CLARIFIED), (KNOW, CLARIFIED)),
        ((KNOW, RESPONSE), (KNOW, CLARIFIED)),
        ((RESPONSE, KNOW), (RESPONSE, CLARIFIED)),
        ((CORRECTED, RESPONSE), (RESPONSE, CLARIFIED)),
        ((EXPOSED, RESET), (EXPOSED, RESET)),
    ],
)
def test_a_notice_and_its_correction_are_not_both_quoted_where_one_supersedes_the_other(
    knowledge: Knowledge, picked: tuple[str, ...], quoted_ids: tuple[str, ...]
) -> None:
    desk = Responder(knowledge=knowledge, retriever=None, judge=None)  # type: ignore[arg-type]
    whole = desk.finder.complete(passages(knowledge, *knowledge.quotable(list(picked))))
    assert tuple(p.id for p in whole) == quoted_ids
    assert Outbound(knowledge).check(reply(knowledge, build_answer(*whole))).allowed


def test_what_is_superseded_as_a_whole_gives_way_to_the_later_passage(
    knowledge: Knowledge,
) -> None:
    noted = [Superseded(passage=KNOW, by=CLARIFIED, why="a test")]
    notes = knowledge.notes.model_copy(update={"superseded": noted, "quote_together": []})
    mine = replace(knowledge, notes=notes)
    assert mine.quotable([KNOW, EXPOSED]) == [CLARIFIED, EXPOSED]
    assert mine.quotable([KNOW, CLARIFIED]) == [CLARIFIED]


def test_what_supersedes_must_be_of_a_later_day(knowledge: Knowledge) -> None:
    def warned(passage: str, by: str) -> bool:
        noted = [Superseded(passage=passage, by=by, why="a test")]
        notes = knowledge.notes.model_copy(update={"superseded": noted})
        mine = replace(knowledge, notes=notes)
        return any(f"{passage} is superseded by {by}" in each for each in mine.warnings)

    assert not warned(KNOW, CLARIFIED)
    assert warned(CLARIFIED, KNOW)
    assert warned(KNOW, EXPOSED)


def test_which_passages_say_the_same_is_content(knowledge: Knowledge) -> None:
    notes = knowledge.notes.model_copy(
        update={"quote_one_of": [Alternatives(passages=[EXPOSED, RESET], why="a test")]}
    )
    mine = replace(knowledge, notes=notes)
    assert mine.without_alternatives([RESET, CORRECTED, EXPOSED]) == [RESET, CORRECTED]
