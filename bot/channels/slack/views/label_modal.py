"""Draws the modal in which a second person agrees that the desk learns from answered questions."""

from collections.abc import Mapping, Sequence

from bot.channels.slack.mrkdwn import escape, truncate
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views.cards import mention
from bot.channels.slack.views.modals import View, build_modal
from bot.staff.label_review import ProposedLabel

MOST_SHOWN = 30  # labels of a window, three blocks each; the others come when these are decided
QUESTION = 300  # characters of a question that are shown
ANSWER = 300  # characters of what was sent
OPTION = 60  # characters of a question in the menu
OWN_WORDS = "in their own words: such questions go on to people"


def show_labels(
    labels: Sequence[ProposedLabel], topics: Mapping[str, str], texts: Mapping[str, str]
) -> View:
    """Return the modal with the labels of other people.

    `topics` are the titles and `texts` the texts of passages, by their ids.
    """
    labels_shown = labels[:MOST_SHOWN]
    blocks: list[b.Block] = [
        b.markdown(
            "Others answered these questions. Agree, and the desk answers such questions like "
            "this by itself. Look at each: is this what answers it?"
        )
    ]
    for label in labels_shown:
        titles = [topics.get(name, name) for name in label.passages]
        titled = "; ".join(f"*{escape(truncate(title, 120))}*" for title in titles)
        how = f"with {titled}" if titled else OWN_WORDS
        by = mention(label.answered_by)
        blocks.append(b.quote(label.question, QUESTION))
        blocks.append(b.small_print(f"{label.number}: {by} answered {how}"))
        if sent := " ".join(texts[name] for name in label.passages if name in texts):
            blocks.append(b.plain_small_print(truncate(sent, ANSWER)))
    options = [
        (str(label.number), truncate(f"{label.number}: {label.question}", OPTION))
        for label in labels_shown
    ]
    blocks.append(
        b.menu("without", "Which of them are wrong?", options, several=True) | {"optional": True}
    )
    numbers = [label.number for label in labels_shown]
    return build_modal(
        "labels", "Learn from answers", blocks, {"labels": numbers}, submit="Learn the others"
    )
