"""Draws the modals to handle several cases, choose a reply or passage, and assign a case."""

from collections.abc import Callable, Mapping, Sequence

from bot.channels.slack.mrkdwn import defang, mask_address, truncate
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.modals import View, build_modal
from bot.corpus.snippets import Snippet
from bot.domain import Passage
from bot.journal import Case
from bot.staff.case_rows import first_words, name_language

MAX_SHOWN_RECIPIENTS = 100  # before a mail to several; no more can be chosen
ANSWER, CLOSE = "answer", "close"


def assign_case(case: Case) -> View:
    """Return the modal that asks to whom a case is given."""
    blocks = [
        b.markdown("They get a direct message, and the thread says so. Nothing is sent to users."),
        b.person_picker("person", "Who shall have this case?"),
    ]
    metadata = {"case": case.id, "v": case.version}
    return build_modal("assign", f"Case {case.id}: assign", blocks, metadata, submit="Assign")


def choose_snippet(case: Case, snippets: Mapping[str, Sequence[Snippet]]) -> View:
    """Return the modal to choose a saved reply, which is then put into the modal for a reply.

    Those in the language of the case come first; each is shown with its language.
    """
    languages = sorted(snippets, key=lambda code: (code != case.language, code != "en", code))
    options = [
        (f"{code}:{n}", f"{snippet.title} ({name_language(code)})")
        for code in languages
        for n, snippet in enumerate(snippets[code])
    ]
    blocks: list[b.Block] = [
        b.markdown("You can change the text before it goes."),
        b.menu("snippet", "Saved reply", options),
    ]
    metadata = {"case": case.id, "v": case.version}
    return build_modal(
        "snippet", f"Case {case.id}: saved reply", blocks, metadata, submit="Take it over"
    )


def choose_passage(
    case: Case, passages: Sequence[Passage], heading_of: Callable[[Passage], str]
) -> View:
    """Return the modal to choose what answers a case, of `passages`, best first.

    `heading_of` returns the heading of a passage in a reply. The person can read and change the
    draft with the chosen passage before it is sent.
    """
    options = [(each.id, f"{_start(each.text)} ({_start(heading_of(each))})") for each in passages]
    blocks: list[b.Block] = [
        b.markdown(
            "Sent as it stands, it teaches the desk what answers such questions, once a second "
            "person agrees."
        ),
        b.menu("passage", "Which passage answers it?", options),
    ]
    metadata = {"case": case.id, "v": case.version}
    title = f"Case {case.id}: passage"
    return build_modal("passage", title, blocks, metadata, submit="Take it over")


def choose_cases(
    case: Case, others: Sequence[Case], topic: str, *, text: str = "", wrong: str = ""
) -> View:
    """Return the modal to answer or close several open cases of one topic together.

    `others` are the cases that can be chosen, this one among them; `wrong` says what was wrong with
    an earlier submission.
    """
    options = [(f"{each.id}:{each.version}", _option(each)) for each in others]
    how = [
        (ANSWER, "Send each of them the text below"),
        (CLOSE, "Close them all; nobody gets a mail"),
    ]
    blocks: list[b.Block] = [
        *([b.markdown(f"⚠️ *{wrong}*")] if wrong else []),
        b.plain_small_print(f"Open cases about: {topic}"),
        b.menu("cases", "Which cases?", options, several=True),
        b.radio_buttons("how", "What shall happen?", how),
        b.text_field("text_0", "The text, for each of them", value=text) | {"optional": True},
    ]
    title = f"Case {case.id} and others"
    return build_modal("several", title, blocks, {"case": case.id}, submit="Next: check")


def confirm_several(
    case_id: int, chosen: Sequence[Case], *, text: str, text_id: int, warnings: Sequence[str]
) -> View:
    """Return the last check before several cases are decided: who gets what."""
    to = "\n".join(f"{case.id}: {case.sender}" for case in chosen[:MAX_SHOWN_RECIPIENTS])
    says = (
        f"*Each of these {len(chosen)} people gets this text in a mail of their own:*"
        if text
        else f"*These {len(chosen)} cases are closed, and nobody gets a mail:*"
    )
    blocks: list[b.Block] = [
        *(b.list_warnings(warnings) if warnings else ()),
        b.markdown(says),
        *b.quote_all(to),
        *(b.preformatted_all(text) if text else ()),
    ]
    metadata = {
        "case": case_id, "text": text_id,
        "cases": [[case.id, case.version] for case in chosen],
    }  # fmt: skip
    yes = "Send to each" if text else "Close them"
    return build_modal("decide_several", f"{len(chosen)} cases", blocks, metadata, submit=yes)


def choose_merge(case: Case, others: Sequence[Case]) -> View:
    """Return the modal to choose the case of the same sender that a case becomes a part of."""
    blocks: list[b.Block] = [
        b.markdown(
            f"Case {case.id} becomes a part of the one that you choose, and its mail stands in the "
            "thread there. Nothing is sent; they get one answer to both. It cannot be undone."
        ),
        b.menu("into", "Which case of theirs?", [(str(each.id), _option(each)) for each in others]),
    ]
    metadata = {"case": case.id, "v": case.version}
    return build_modal("merge", f"Case {case.id}: merge", blocks, metadata, submit="Merge")


def _start(text: str) -> str:
    return truncate(" ".join(text.split()), 34)


def _option(case: Case) -> str:
    words = truncate(" ".join(defang(first_words(case)).split()), 48)
    return f"{case.id} · {words} · {mask_address(case.sender)}"
