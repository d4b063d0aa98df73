"""Constructs every adapter and the desk, each when it is first asked for (the composition root)."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING, TypedDict, Unpack

from bot.adapters.e5 import E5, silent
from bot.answering.fit import Fit, can_learn
from bot.answering.responder import Responder
from bot.answering.signature_demands import find_signature_demand
from bot.app.classifiers import Classifiers
from bot.app.home_index import LEARNED, HomeIndex
from bot.app.mail_transport import MailTransport
from bot.corpus import Knowledge, Record, load, records_of
from bot.corpus.drift import Learned
from bot.corpus.limits import Limits, read_limits
from bot.errors import MissingError, SettingsError
from bot.files import (
    KEY_FILE,
    NEW_KEY,
    close_home,
    create_file,
    read_installation_key,
    read_key,
    replace_file,
)
from bot.llm.budget import Bounds, Budget
from bot.outbound import Outbound
from bot.ports import Judge, Retriever, Selector
from bot.settings import MailKind
from bot.text.incident_names import set_incident_names

if TYPE_CHECKING:
    from bot.adapters.cached_encoder import CachedEncoder
    from bot.adapters.chat_wordings import ChatWordings
    from bot.adapters.chroma import Changed, Chroma
    from bot.adapters.encoder import Encoder
    from bot.channels.mail.imap import ImapMailbox
    from bot.channels.mail.local import LocalMailbox, LocalSmtpServer
    from bot.channels.mail.rules import MailRuleContext
    from bot.channels.slack import Slack, SuggestionModel
    from bot.channels.web import WebDesk
    from bot.corpus.changes import ChangeKind
    from bot.corpus.team_answers import TeamAnswer, Trial
    from bot.desk import Desk
    from bot.infra.jobs import Jobs
    from bot.journal import Journal
    from bot.settings import Settings
    from bot.staff.label_review import LabelReview
    from bot.staff.outdated_answers import Recall
    from bot.staff.recall_batches import RecallBatches
    from bot.staff.shared_answers import AnswerSharing
    from bot.staff.team_answer_review import TeamAnswerReview

INCIDENT = "incident"  # the file of a home that names its incident
RESTORED = "restored"  # in the audit, when a backup was restored
LOOK_FIRST_SECONDS = 7 * 86_400  # after a restore: each reply is looked up before it is sent


class Parts(TypedDict, total=False):
    """Parts that the caller of App has already made, to be used in place of new ones."""

    budget: Budget
    desk: "Desk"
    journal: "Journal"
    knowledge: Knowledge
    limits: Limits
    mail: MailTransport
    mailbox: "LocalMailbox | ImapMailbox"
    outbound: Outbound
    responder: Responder


class App:
    """Builds each part once, when it is first asked for; `given` parts are used as they are."""

    def __init__(
        self,
        settings: "Settings",
        say: Callable[[str], None] = silent,
        *,
        once: bool = False,
        **given: Unpack[Parts],
    ) -> None:
        self.settings = settings
        self.say = say
        self.once = once  # one question only: not worth starting Chroma for
        vars(self).update(given)  # where a cached property keeps its value once it is computed

    @cached_property
    def knowledge(self) -> Knowledge:
        """The parsed knowledge folder; making it also sets the names of the incident.

        KnowledgeError when a file is wrong, or names the desk's own mailbox as a person's.
        """
        knowledge = load(self.settings.knowledge)
        knowledge.incident.check_apart(self.settings.address)
        set_incident_names(knowledge.incident.names)
        return knowledge

    @cached_property
    def fit(self) -> Fit | None:
        """The fit of the current knowledge, made where it is missing; None for too few wordings."""
        if stored_fit := self.home_index.read_kept_fit():
            return stored_fit
        if not can_learn(self.knowledge):
            self.say("warning: too few wordings to learn from; the desk reads the post alone")
            return None
        self.index()
        return self.home_index.read_fit()

    @property
    def learned(self) -> Learned | None:
        """The description of what the index in the home was made from; None without an index."""
        return Learned.read(self.settings.home / LEARNED)

    def _claim_home(self) -> None:
        """Record the incident of this home; SettingsError when it belongs to another incident."""
        key, note = self.knowledge.incident.key, self.settings.home / INCIDENT
        if not key:
            return
        if not note.exists():
            create_file(note, f"{key}\n")
        held = note.read_text(encoding="utf-8").strip()
        if held and held != key:
            raise SettingsError(_of_another(key, held, str(self.settings.home), "DESK_HOME"))
        if not held:
            replace_file(note, f"{key}\n")  # a power cut emptied it

    @cached_property
    def encoder(self) -> "CachedEncoder":
        """The encoder that makes embeddings, with its cache; SettingsError for an unknown name."""
        from bot.adapters.cached_encoder import CachedEncoder

        encoder: Encoder = E5(self.settings.models, self.say)
        if not self.settings.own_embeddings:
            from bot.adapters.openai_encoder import OpenAIEncoder

            model, key = self.settings.openai_embeddings
            encoder = OpenAIEncoder(model, key=key, base_url=self.settings.openai_base_url)
        return CachedEncoder(encoder, self.settings.home / "text-vectors.npz", self.say)

    @cached_property
    def home_index(self) -> HomeIndex:
        """The index in the home, with its vectors and its fit."""
        return HomeIndex(self.settings, self.knowledge, self.encoder, self.say)

    @cached_property
    def classifiers(self) -> Classifiers:
        """The judges of questions and classifiers of requests that the encoders and the knowledge
        allow.
        """
        return Classifiers(self.settings, self.knowledge, self.encoder, self.say)

    @cached_property
    def chroma(self) -> "Chroma":
        from bot.adapters.chroma import Chroma

        return Chroma(
            encoder=self.encoder, folder=self.settings.chroma, url=self.settings.chroma_url
        )

    @cached_property
    def responder(self) -> Responder:
        """The responder; without an encoder it finds candidates by words, and people decide."""
        try:
            return self._dense()
        except MissingError as error:
            self.say(f"warning: {error}; the desk goes on with word search, people decide")
            words = self.classifiers.search_words()
            return self._responder(words.retriever, words.judge)

    @cached_property
    def limits(self) -> Limits:
        return read_limits(self.settings.knowledge)

    @cached_property
    def budget(self) -> Budget:
        """The budget of the language model: calls and tokens an hour."""
        calls, tokens = self.settings.model_calls, self.settings.model_tokens_paid
        return Budget(Bounds.of(self.limits.model, calls=calls, tokens=tokens))

    @cached_property
    def selector(self) -> Selector | None:
        """The language model that selects passages; None when none is named."""
        if not self.settings.model:
            return None
        from bot.adapters.chat_model import ChatSelector

        return ChatSelector(
            self.settings.model_name, budget=self.budget, options=self.settings.model_options,
            deadline=self.limits.model.seconds,
        )  # fmt: skip

    @cached_property
    def outbound(self) -> Outbound:
        return Outbound(self.knowledge, self.settings.secrets)

    @cached_property
    def journal(self) -> "Journal":
        from bot.journal import Journal

        close_home(self.settings.home)
        self._claim_home()
        journal = Journal(self.settings.database, limits=self.limits, key=self.installation_key)
        if key := self.knowledge.incident.key:
            held = journal.name_incident(key)
            if held != key:
                journal.close()
                raise SettingsError(_of_another(key, held, "the database", "DESK_DATABASE_URL"))
        return journal

    @cached_property
    def jobs(self) -> "Jobs":
        from bot.infra.jobs import AT_ONCE, Jobs

        at_once = self.limits.model.messages if self.settings.model else AT_ONCE
        return Jobs(self.journal, self.settings.database, at_once=at_once)

    @cached_property
    def mail(self) -> MailTransport:
        """The mail transport that the settings choose."""
        return MailTransport(self.settings)

    @cached_property
    def mailbox(self) -> "LocalMailbox | ImapMailbox":
        if self.settings.mail is MailKind.IMAP:
            return self.mail.imap()
        from bot.channels.mail.local import LocalMailbox

        return LocalMailbox(self.settings.home / "mail")

    @cached_property
    def intake(self) -> "LocalSmtpServer | None":
        """The SMTP server that fills the local mailbox; None for an IMAP mailbox."""
        from bot.channels.mail.local import LocalMailbox, LocalSmtpServer

        if not isinstance(self.mailbox, LocalMailbox):
            return None
        return LocalSmtpServer(self.mailbox.new, self.settings.smtp_port, self.mailbox.wake)

    @cached_property
    def mail_policy(self) -> "MailRuleContext":
        """What the mail rules need to know of this desk; `serve` and `mail check` use the same."""
        from bot.channels.mail.rules import MailRuleContext

        return MailRuleContext(
            own=self.settings.own_addresses,
            authserv_id=self.settings.receiver,
            local=self.settings.mail is MailKind.LOCAL,
            needs_receiver=self.settings.needs_receiver,
            is_sent=self._sent_by_us,
            key=self.installation_key,
            finds_demand=lambda text: find_signature_demand(
                text, self.responder.request_classifier
            ),
        )

    @cached_property
    def installation_key(self) -> bytes:
        """The secret key that signs our mails and hashes the addresses that we answered."""
        return self.read_installation_key()

    def read_installation_key(self) -> bytes:
        """Return the key from the settings or from the home; a restore may bring another one."""
        if chosen := read_key(self.settings.installation_key.get_secret_value()):
            return chosen
        close_home(self.settings.home)
        return read_installation_key(self.settings.home)

    def check_installation_key(self, *, anew: bool = False) -> None:
        """Raise SettingsError when the desks that share the database have another key.

        With `anew` the key of this host becomes that of the installation.
        """
        mark = hmac.new(self.installation_key, b"the key of the installation", hashlib.sha256)
        if not self.journal.hold_key(mark.hexdigest(), anew=anew):
            raise SettingsError(
                f"{KEY_FILE} of this host is not that of the desks which share its database; copy "
                f"the file from one of them to {self.settings.home}, or set "
                f"DESK_INSTALLATION_KEY to its content. If it is lost everywhere, {NEW_KEY}"
            )

    def _sent_by_us(self, header: str) -> bool:
        """Return whether a mail of ours has this Message-ID; ids of another form need no query."""
        from bot.channels.mail.marks import find_own_ids

        return bool(find_own_ids(header.encode())) and self.journal.mail_outbox.contains(header)

    def records(self) -> list[Record]:
        """Return the records to index: the wordings, and each passage's heading and sentences."""
        return records_of(self.knowledge)

    def index(self) -> "Changed":
        """Bring the index up to date with the knowledge and the encoder, and make the fit.

        No fit is made when the knowledge holds too little (see `can_learn`), or when there is one
        of this version of the knowledge.
        """
        close_home(self.settings.home)
        self._claim_home()
        return self.home_index.update(self.chroma)

    @cached_property
    def desk(self) -> "Desk":
        from bot.channels.mail.compose import Composer
        from bot.desk import Desk

        out, was_sent = self.mail.out()
        # The texts of the post are recorded, so that answers can be corrected when they change.
        self.journal.corrections.record_passages(self.knowledge.every_passage)
        desk = Desk(
            knowledge=self.knowledge,
            responder=self.responder,
            journal=self.journal,
            outbound=self.outbound,
            compose=Composer(
                self.settings.address, links=self.knowledge.notes.links, key=self.installation_key
            ).reply,
            out=out,
            was_sent=was_sent,
        )
        desk.delivery.looks_first = self.journal.count_recent(RESTORED, LOOK_FIRST_SECONDS) > 0
        return desk

    @cached_property
    def sharing(self) -> "AnswerSharing":
        """The service that gives a person's answer to all who ask the same."""
        from bot.staff.shared_answers import AnswerSharing

        return AnswerSharing(self.desk)

    def recall(self, decided: "Mapping[str, ChangeKind]") -> "Recall":
        """Return the search for sent answers that no longer hold.

        `decided` holds the kind of change that a person chose, by the id of the passage.
        """
        from bot.staff.outdated_answers import Recall

        desk = self.desk
        # Cached, and made only when it is first needed.
        transferred = cache(lambda: self.classifiers.make_transfer_ranker(self.knowledge))

        def rank_units(question: str) -> list[tuple[str, str]]:
            ranker, vector = transferred(), self.encoder.embed_query
            ranked = ranker.rank_units(vector(question), question) if ranker else []
            return [(unit.passage, unit.text) for unit, _ in ranked]

        return Recall(
            knowledge=self.knowledge, journal=self.journal, responder=self.responder,
            outbound=self.outbound, compose=desk.compose,
            rank_units=rank_units if self.settings.own_embeddings else None, decided=decided,
        )  # fmt: skip

    @property
    def recall_batches(self) -> "RecallBatches":
        """The batches of corrections that follow a change of the post."""
        from bot.staff.recall_batches import RecallBatches

        return RecallBatches(
            lambda: self.recall({}), self.journal, per_minute=self.limits.corrections_per_minute
        )

    @cached_property
    def label_review(self) -> "LabelReview":
        """The service that finds questions which people answered, for the desk to learn from."""
        from bot.staff.label_review import TWO_PEOPLE, LabelReview

        return LabelReview(
            knowledge=self.knowledge, journal=self.journal, outbound=self.outbound,
            alone=len(self.settings.slack_people("slack_staff")) < TWO_PEOPLE,
        )  # fmt: skip

    @cached_property
    def team_answer_review(self) -> "TeamAnswerReview":
        """The service that takes answers of the support team into the knowledge."""
        from bot.staff.label_review import TWO_PEOPLE
        from bot.staff.team_answer_review import TeamAnswerReview

        return TeamAnswerReview(
            knowledge=self.knowledge, journal=self.journal, home=self.settings.home,
            try_answer=self.try_team_answer,
            alone=len(self.settings.slack_people("slack_staff")) < TWO_PEOPLE,
        )  # fmt: skip

    def try_team_answer(self, answer: "TeamAnswer") -> "Trial":
        """Try an answer of the team on the labelled questions; it takes about half a minute.

        MissingError where there is no encoder to compare questions by.
        """
        from bot.journal.clock import stamp
        from bot.staff.trial import as_if_approved, judge_trial, try_passage, without_answer

        self.encoder.check()
        beside, now = without_answer(answer, self.knowledge), as_if_approved(answer, self.knowledge)
        result = try_passage(
            answer.passage, (*beside.messages, *beside.exercises),
            before=self.classifiers.look_up_with(beside, self.responder.judge),
            after=self.classifiers.look_up_with(now, self.responder.judge),
        )  # fmt: skip
        return judge_trial(answer, result, now, stamp(self.journal.clock()))

    @cached_property
    def slack(self) -> "Slack | None":
        """The Slack channel of staff; None without a token, SettingsError for a wrong setting."""
        if not self.settings.slack:
            return None
        from bot.channels.slack import Slack, SlackAccess
        from bot.staff.gaps import find_gaps

        embed = self.encoder.encoder.embed_documents  # its vectors are not kept
        self.settings.check_slack()
        access = SlackAccess(
            bot_token=self.settings.slack_bot_token.get_secret_value(),
            app_token=self.settings.slack_app_token.get_secret_value(),
            signing_secret=self.settings.slack_signing_secret.get_secret_value(),
            channel=self.settings.slack_channel,
            staff=frozenset(self.settings.slack_people("slack_staff")),
            oncall=self.settings.slack_people("slack_oncall"),
            contacts=self.settings.contacts,
            model_price=self.settings.model_price,
        )
        return Slack(
            access,
            self.desk,
            home=self.settings.home,
            sender_check=self.mail.sender_check,
            enqueue_job=self.jobs.enqueue_decision_delivery,
            model=self.suggestion_model,
            recall=self.recall_batches,
            find_gaps=lambda since: find_gaps(self.journal, embed, since),
            team_answer_review=self.team_answer_review,
        )

    @cached_property
    def web(self) -> "WebDesk | None":
        """The desk in a browser; None when it is not wanted, SettingsError when not allowed."""
        if not self.settings.web_wanted:
            return None
        from bot.channels.web import WebDesk

        return WebDesk(
            self.desk,
            enqueue_job=self.jobs.enqueue_decision_delivery,
            write_mail=self._write_mail if self.settings.mail is MailKind.LOCAL else None,
            contacts=self.settings.contacts,
            answers=self.team_answer_review,
        )

    def _write_mail(self, sender: str, subject: str, text: str) -> None:
        """Put a mail into the local mailbox, as if it had come in."""
        from bot.channels.web.trial_mail import compose_trial_mail

        recipient = self.settings.address
        self.mail.folder("new").add(compose_trial_mail(sender, subject, text, recipient=recipient))
        self.mailbox.wake()

    @property
    def suggestion_model(self) -> "SuggestionModel | None":
        """The language model that drafts and translates for staff; None when none is named."""
        if not self.settings.model:
            return None
        from bot.adapters.chat_draft import ChatDrafter
        from bot.adapters.chat_translation import ChatTranslator
        from bot.channels.slack import SuggestionModel
        from bot.staff.suggestion import build_suggestion

        name, options = self.settings.model_name, self.settings.model_options
        budget, deadline = self.budget, self.limits.model.draft_seconds
        drafter = ChatDrafter(
            name, knowledge=self.knowledge, budget=budget, options=options, deadline=deadline
        )
        translator = ChatTranslator(name, budget=budget, options=options, deadline=deadline)
        return SuggestionModel(
            draft=lambda text: build_suggestion(drafter.draft(text), self.knowledge),
            translate=translator.translate,
            state=lambda: budget.state,
        )

    @property
    def wording_model(self) -> "ChatWordings | None":
        """The language model that proposes wordings of questions; None when none is named."""
        if not self.settings.model:
            return None
        from bot.adapters.chat_wordings import ChatWordings

        return ChatWordings(
            self.settings.model_name, budget=self.budget, options=self.settings.model_options,
            deadline=self.limits.model.draft_seconds,
        )  # fmt: skip

    def _dense(self) -> Responder:
        self.encoder.check()
        if self.home_index.outdated:
            self.index()
        return self._responder(self._retriever(), self.classifiers.choose_judge(self.fit))

    def learn_answers(self) -> bool:
        """Have the responder learn from new answers of people; return whether there were any.

        A desk without wordings learns them while it runs, in a second; others at an index run.
        """
        judge = self.classifiers.learn_answers(self.responder.judge)
        if judge is None:
            return False
        self.responder.judge = judge
        return True

    def _retriever(self) -> Retriever:
        if not self.once:
            return self.chroma
        from bot.adapters.exact_retriever import read_vectors

        return read_vectors(self.home_index.vectors, self.encoder)

    def _responder(self, retriever: Retriever, judge: Judge) -> Responder:
        return Responder(
            knowledge=self.knowledge, retriever=retriever, judge=judge, selector=self.selector,
            local=None if self.settings.own_embeddings else self.classifiers.search_words(),
            requests=self.classifiers.requests, contacts=self.classifiers.contacts,
        )  # fmt: skip


def _of_another(key: str, held: str, what: str, setting: str) -> str:
    return (
        f"{what} holds the desk of the incident {held!r}, and the knowledge folder is about "
        f"{key!r}; give each incident its own {setting}, or, if they are one incident, write its "
        "key in incident.yaml"
    )
