"""Handles the menu *More* of a card: assign, passage, saved reply, several cases, merge."""

from collections.abc import Callable, Mapping
from typing import Any

from bot.channels.slack.context import HandlerContext
from bot.channels.slack.views import blocks as b
from bot.channels.slack.views import modals, more_menu_modals
from bot.channels.slack.views.cards import mention
from bot.channels.slack.views.modals import View
from bot.corpus.snippets import read_snippets
from bot.errors import BlockedError, InputError
from bot.journal import Case, CaseAction, CaseChange, Stage
from bot.journal.case_lists import CaseFilter
from bot.staff.case_actions import may_act, object_to_text
from bot.staff.staff_remarks import find_remarks

Ack = dict[str, Any]
CLOSE: Ack = {"response_action": "clear"}  # closes every open window
MAX_TOGETHER = 100  # cases that can be decided at once; a menu of Slack has no more
NO_SNIPPETS = "There are no saved replies. Put them into `snippets/en.yaml` of the knowledge."
NO_PASSAGE = "No passage of the post may answer this case as it stands. Write in your own words."
NO_TOPIC = (
    "No passage of the post is near to this case, so there is no topic to share. Where others "
    "ask the same, *Answer all* on its card reaches them."
)
NO_OTHERS = "There is no other open case of the same sender that you may decide."
NOT_MERGED = "One of the two has changed or belongs to somebody else. Nothing was merged."
CHOOSE, WRITE = "Choose at least one case.", "Write what they shall get, or choose to close them."
CHANGED = "The case has changed: it was not assigned. Look at the card again."
DONE = "✅ *{count} of {all} cases* are {what}."
LEFT = " These had changed or belong to somebody else, and nothing was done: {ids}."


class MoreMenuHandler:
    """Draws the modals behind *More* on a card, and does what a submitted one asks for."""

    def __init__(self, context: HandlerContext) -> None:
        self.context = context
        self.desk = context.desk
        self.cases = context.desk.journal.cases
        self.store = context.desk.journal.slack
        self.submissions: Mapping[str, Callable[[Mapping[str, Any], dict[str, Any], str], Ack]] = {
            "assign": self._assign,
            "passage": self._take_passage,
            "snippet": self._take_snippet,
            "merge": self._merge,
            "several": self._check_several,
            "decide_several": self._decide_several,
        }

    def draw_modal(self, action: str, case: Case, me: str) -> View | str:
        """Return the modal that an entry of *More* opens, or the text to show instead."""
        match action:
            case "assign":
                return more_menu_modals.assign_case(case)
            case "passage":
                return self._choose_passage(case)
            case "snippet":
                snippets = read_snippets(self.desk.knowledge.folder)
                return more_menu_modals.choose_snippet(case, snippets) if snippets else NO_SNIPPETS
            case "merge":
                others = self._others(case, me) if case.sender else []
                return more_menu_modals.choose_merge(case, others) if others else NO_OTHERS
            case _:
                if not case.topic:
                    return NO_TOPIC
                return more_menu_modals.choose_cases(case, self._alike(case, me), self._topic(case))

    def _others(self, case: Case, me: str) -> list[Case]:
        """Return the other open cases of the same sender that this person may decide."""
        found = self.cases.find(CaseFilter(sender=case.sender), limit=MAX_TOGETHER).ids
        read = (self.cases.read(i) for i in found if i != case.id)
        mine = (c for c in read if c and c.owner in ("", me))
        return [c for c in mine if c.proof.believed is case.proof.believed]

    def _alike(self, case: Case, me: str) -> list[Case]:
        """Return the open cases of the same topic and language that this person may decide."""
        wanted = CaseFilter(topics=frozenset({case.topic}), language=case.language)
        found = self.cases.find(wanted, limit=MAX_TOGETHER).ids
        read = (self.cases.read(i) for i in dict.fromkeys((case.id, *found)))
        alike = [c for c in read if c and c.open and c.owner in ("", me) and not c.needs_call]
        return alike[:MAX_TOGETHER] or [case]

    def _topic(self, case: Case) -> str:
        return self.context.cards.topics.get(case.topic, case.topic)

    def _assign(self, view: Mapping[str, Any], remembered: dict[str, Any], me: str) -> Ack:
        case, user = self._read(remembered), modals.read_person(dict(view), "person")
        permissions = self.context.staff_permissions
        if why := permissions.objection(user, permissions.team):
            says = "They are not on this desk's staff list." if user else "Choose somebody."
            return _wrong("person", says if user not in permissions.users else why)
        owner = f"slack:{user}"
        change = CaseChange(verb=f"assigned to {owner}", stage=Stage.CLAIMED, owner=owner)
        done = case and case.owner != owner and self.cases.change(
            case.id, actor=me, change=change, owner=case.owner, version=str(remembered.get("v"))
        )  # fmt: skip
        if not case or not done:
            now = case and self.cases.read(case.id)
            return (
                _say(case, CHANGED)
                if not now or now.owner != owner
                else {"response_action": "clear"}
            )
        self._tell(case, user, me)
        return {"response_action": "clear"}

    def _tell(self, case: Case, user: str, me: str) -> None:
        """Tell the new owner in a direct message, and the others in the thread of the card."""
        key = f"assigned:{case.id}:{case.version}"
        says = f"{mention(me)} has given case {case.id} to <@{user}>."
        where = f" Its card is in <#{self.context.channel}>; `/incident case {case.id}` shows it."
        self.store.enqueue(
            key, channel=self.context.channel, method="chat.postMessage", case_id=case.id,
            payload={
                "text": f"Case {case.id} changed hands", "blocks": [b.markdown(says)],
                "thread_of": case.parent or case.id,
            },
        )  # fmt: skip
        self.store.enqueue(
            f"{key}:{user}", channel=user, method="chat.postMessage",
            payload={"text": f"Case {case.id} is yours now", "blocks": [b.markdown(says + where)]},
        )  # fmt: skip

    def _choose_passage(self, case: Case) -> View | str:
        """Return the window with every passage of the post, those nearest to the case first."""
        if case.needs_call:
            return NO_PASSAGE
        near = [name for question in case.questions for name in question.passages]
        offered = {passage.id: passage for passage in self.desk.knowledge.offered}
        ranked = dict.fromkeys((*(name for name in near if name in offered), *offered))
        return more_menu_modals.choose_passage(
            case, [offered[name] for name in ranked], self.desk.knowledge.heading_of
        )

    def _take_passage(self, view: Mapping[str, Any], remembered: dict[str, Any], me: str) -> Ack:
        case, chosen = self._read(remembered), modals.read_choice(dict(view), "passage")
        if case is None or not may_act(case, me):
            return _say(case, "Somebody else has this case now. Nothing was sent.")
        text = self.desk.draft_with(case, [chosen])
        if not text:
            return _say(case, NO_PASSAGE)
        later = self.store.list_follow_ups(case.message_id)
        return _next(modals.edit_reply(case, kind="edit", text=text, later=later))

    def _take_snippet(self, view: Mapping[str, Any], remembered: dict[str, Any], me: str) -> Ack:
        case, chosen = self._read(remembered), modals.read_choice(dict(view), "snippet")
        language, _, number = chosen.partition(":")
        snippets = read_snippets(self.desk.knowledge.folder).get(language, ())
        if case is None or not number.isdecimal() or int(number) >= len(snippets):
            return _say(case, "That saved reply is gone. Nothing was sent.")
        if not case.open or case.owner not in ("", me):
            return _say(case, "Somebody else has this case now. Nothing was sent.")
        text = snippets[int(number)].text
        later = self.store.list_follow_ups(case.message_id)
        return _next(modals.edit_reply(case, kind="edit", text=text, later=later))

    def _merge(self, view: Mapping[str, Any], remembered: dict[str, Any], me: str) -> Ack:
        case, chosen = self._read(remembered), modals.read_choice(dict(view), "into")
        into = int(chosen) if chosen.isdecimal() else 0
        if case is None:
            return _say(case, NOT_MERGED)
        version = str(remembered.get("v"))
        done = self.cases.merge(case.id, into, actor=me, version=version)
        return CLOSE if done or case.joined == into else _say(case, NOT_MERGED)

    def _check_several(self, view: Mapping[str, Any], remembered: dict[str, Any], me: str) -> Ack:
        case, text = self._read(remembered), modals.read_reply(dict(view))
        if case is None:
            return _say(case, "There is no such case any more.")
        closes = modals.read_choice(dict(view), "how") == more_menu_modals.CLOSE
        picked = dict(v.partition(":")[::2] for v in modals.read_choices(dict(view), "cases"))
        alike = {str(c.id): c for c in self._alike(case, me)}
        chosen = [alike[i] for i, v in picked.items() if i in alike and alike[i].version == v]
        if not chosen:
            return _wrong("cases", CHOOSE)
        if not closes and (wrong := object_to_text(text, WRITE)):
            return _wrong("text_0", wrong)
        reply = "" if closes else text
        return _next(
            more_menu_modals.confirm_several(
                case.id, chosen, text=reply, text_id=self.store.store_text(reply),
                warnings=find_remarks(reply, self.desk.knowledge) if reply else (),
            )
        )  # fmt: skip

    def _decide_several(self, _view: Mapping[str, Any], remembered: dict[str, Any], me: str) -> Ack:
        stored_text = self.store.read_event(int(remembered.get("text") or 0))
        pairs = [(int(i), str(v)) for i, v in remembered.get("cases") or []]
        if stored_text is None or not pairs:
            return _say(None, "That took too long. Nothing was sent; please choose again.")
        text = str(stored_text.payload["text"])
        left = [i for i, version in pairs if not self._decide(i, version, text, me)]
        what = "answered, each in a mail of its own" if text else "closed without a mail"
        says = DONE.format(count=len(pairs) - len(left), all=len(pairs), what=what)
        return _say(None, says + LEFT.format(ids=", ".join(map(str, left))) * bool(left))

    def _decide(self, case_id: int, version: str, text: str, me: str) -> bool:
        """Decide one of several cases; True also where this person has done it already."""
        action = CaseAction.EDITED if text else CaseAction.RESOLVED
        try:
            if self.desk.resolve(
                case_id, actor=me, action=action, text=text, version=version,
                enqueue_job=self.context.enqueue_job, hold_seconds=self.context.undo_seconds,
            ):  # fmt: skip
                return True
        except (InputError, BlockedError):
            pass
        now = self.cases.read(case_id)
        done = now.decision if now else None
        return bool(done and done.actor == me and done.action is action)

    def _read(self, remembered: Mapping[str, Any]) -> Case | None:
        number = remembered.get("case")
        return self.cases.read(number) if isinstance(number, int) else None


def _wrong(block_id: str, says: str) -> Ack:
    return {"response_action": "errors", "errors": {block_id: says}}


def _say(case: Case | None, says: str) -> Ack:
    return _next(modals.show_message(case.id if case else 0, says))


def _next(view: View) -> Ack:
    return {"response_action": "update", "view": view}
