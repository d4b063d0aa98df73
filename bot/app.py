"""Constructs every adapter and the Desk; the only place that does (the composition root)."""

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from bot.adapters.e5 import E5, silent
from bot.answering.contacts import AGAIN as CONTACTS_AGAIN
from bot.answering.contacts import ContactReader, packaged_contacts
from bot.answering.demands import find_demand
from bot.answering.evidence import Answers
from bot.answering.fit import VERSION, Fit, can_learn, learn, read_fit, write_fit
from bot.answering.judges import (
    CandidateJudge,
    FittedJudge,
    LabelledJudge,
    TransferredJudge,
)
from bot.answering.labels import FEWEST_LABELS, LabelledReader, labels_of
from bot.answering.requests import AGAIN as HEAD_AGAIN
from bot.answering.requests import RequestReader, packaged_head
from bot.answering.responder import Responder
from bot.answering.transfer import TransferJudge, UnitIndex, read_transfer
from bot.corpus import Knowledge, Record, load, records_of
from bot.corpus.drift import Learned
from bot.corpus.learned import labels_version
from bot.corpus.limits import Limits, read_limits
from bot.corpus.messages import read_messages
from bot.corpus.units import units_of
from bot.domain import HealthLine
from bot.errors import DeliveryError, MissingError, SettingsError
from bot.files import (
    KEY_FILE,
    NEW_KEY,
    close_home,
    locked,
    read_installation_key,
    read_key,
    replace_file,
)
from bot.llm.budget import Bounds, Budget
from bot.outbound import Outbound
from bot.ports import Judge, Lookup, MailArchive, MailOut, Retriever, Selector
from bot.settings import MailKind
from bot.text.incident_names import set_incident_names

if TYPE_CHECKING:
    from bot.adapters.cached_encoder import CachedEncoder
    from bot.adapters.chat_wordings import ChatWordings
    from bot.adapters.chroma import Changed, Chroma
    from bot.adapters.encoder import Encoder
    from bot.channels.mail.imap import ImapMailbox
    from bot.channels.mail.local import Folder, LocalMailbox, LocalSmtpServer
    from bot.channels.mail.rules import MailRuleContext
    from bot.channels.slack import Slack, SuggestionModel
    from bot.channels.web import WebDesk
    from bot.corpus.changes import ChangeKind
    from bot.corpus.team_answers import TeamAnswer, Trial
    from bot.desk import Desk
    from bot.infra.jobs import Jobs
    from bot.journal import Journal
    from bot.settings import Settings
    from bot.staff.answers_to_learn import Learning
    from bot.staff.recall import Recall
    from bot.staff.recall_batches import RecallBatches
    from bot.staff.shared_answers import AnswerSharing
    from bot.staff.team_answers import TeamAnswers

STAMP = "index.version"
LEARNED = "index.learned"  # what the index was made from, for `doctor`
INCIDENT = "incident"  # the file of a home that names its incident
NO_AUTHENTICATION = "not authenticated (local mailbox); set DESK_AUTHSERV_ID for real mail"
NO_RECEIVER_SET = (
    "DESK_AUTHSERV_ID is not set, so nobody proves who sends a mail: every mail is held for a "
    "person. Set it to the name in the Authentication-Results headers of your mail server"
)
EVERYBODY_ACCEPTED = (
    "DESK_AUTHSERV_ID=none: nobody proves who sends a mail, and the owner accepts that replies can "
    "go to people whose address somebody else used"
)
RESTORED = "restored"  # in the audit, when a backup was restored
LOOK_FIRST_SECONDS = 7 * 86_400  # how long each reply is looked up before it is sent, after that


class Parts(TypedDict, total=False):
    """Parts of an App that its caller has made already."""

    budget: Budget
    desk: "Desk"
    journal: "Journal"
    knowledge: Knowledge
    limits: Limits
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
        self._labels_learned = ""  # the version of the answers that the responder has learned
        vars(self).update(given)  # where a cached property keeps its value once it is computed

    @cached_property
    def knowledge(self) -> Knowledge:
        """KnowledgeError where it is wrong, or names our own mailbox as a person's."""
        knowledge = load(self.settings.knowledge)
        knowledge.incident.check_apart(self.settings.address)
        set_incident_names(knowledge.incident.names)
        return knowledge

    @cached_property
    def fit(self) -> Fit | None:
        """What was learned from this very knowledge; None where it holds too little."""
        if kept := self._kept_fit():
            return kept
        if not can_learn(self.knowledge):
            self.say("warning: too few wordings to learn from; the desk reads the post alone")
            return None
        self.index()
        return read_fit(self._fit_file)

    @property
    def learned(self) -> Learned | None:
        """What the index in the home was made from; None where there is none."""
        return Learned.read(self.settings.home / LEARNED)

    def _kept_fit(self) -> Fit | None:
        """What an earlier run learned from this very knowledge, if it can still be read.

        The wordings are not needed for it, and reading them would slow down every start.
        """
        if self._outdated or not self._fit_file.exists():
            return None
        try:
            return read_fit(self._fit_file)
        except MissingError as error:
            self.say(f"warning: {error}")
            return None

    def _claim_home(self) -> None:
        """Note whose home this is; SettingsError where it is that of another incident."""
        key, note = self.knowledge.incident.key, self.settings.home / INCIDENT
        if not key:
            return
        held = note.read_text(encoding="utf-8").strip() if note.exists() else ""
        if held and held != key:
            raise SettingsError(_of_another(key, held, str(self.settings.home), "DESK_HOME"))
        if not held:
            note.write_text(f"{key}\n", encoding="utf-8")

    @cached_property
    def encoder(self) -> "CachedEncoder":
        """What the vectors are made by; SettingsError for a name that there is not."""
        from bot.adapters.cached_encoder import CachedEncoder

        encoder: Encoder = E5(self.settings.models, self.say)
        if not self.settings.own_embeddings:
            from bot.adapters.openai_encoder import OpenAIEncoder

            model, key = self.settings.openai_embeddings
            encoder = OpenAIEncoder(model, key=key, base_url=self.settings.openai_base_url)
        return CachedEncoder(encoder, self.settings.home / "text-vectors.npz", self.say)

    @cached_property
    def chroma(self) -> "Chroma":
        from bot.adapters.chroma import Chroma

        return Chroma(
            encoder=self.encoder, folder=self.settings.chroma, url=self.settings.chroma_url
        )

    @cached_property
    def responder(self) -> Responder:
        """The desk that decides, or one that only finds candidates where no vectors can be had."""
        try:
            return self._dense()
        except MissingError as error:
            self.say(f"warning: {error}; the desk goes on with word search, people decide")
            words = self._words()
            return self._responder(words.retriever, words.judge)

    @cached_property
    def limits(self) -> Limits:
        return read_limits(self.settings.knowledge)

    @cached_property
    def budget(self) -> Budget:
        """What the model may cost."""
        calls, tokens = self.settings.model_calls, self.settings.model_tokens_paid
        return Budget(Bounds.of(self.limits.model, calls=calls, tokens=tokens))

    @cached_property
    def selector(self) -> Selector | None:
        """The model, when one is named."""
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
    def mailbox(self) -> "LocalMailbox | ImapMailbox":
        if self.settings.mail is MailKind.IMAP:
            return self._imap()
        from bot.channels.mail.local import LocalMailbox

        return LocalMailbox(self.settings.home / "mail")

    @cached_property
    def intake(self) -> "LocalSmtpServer | None":
        """The SMTP port of the local mailbox; a real one has its own."""
        from bot.channels.mail.local import LocalMailbox, LocalSmtpServer

        if not isinstance(self.mailbox, LocalMailbox):
            return None
        return LocalSmtpServer(self.mailbox.new, self.settings.smtp_port, self.mailbox.wake)

    @cached_property
    def mail_policy(self) -> "MailRuleContext":
        """What the rules know of the desk: the same for `serve` and for `mail check`."""
        from bot.channels.mail.rules import MailRuleContext

        return MailRuleContext(
            own=self.settings.own_addresses,
            authserv_id=self.settings.receiver,
            local=self.settings.mail is MailKind.LOCAL,
            needs_receiver=self.settings.needs_receiver,
            is_sent=self._sent_by_us,
            key=self.installation_key,
            finds_demand=lambda text: find_demand(text, self.responder.request_reader),
        )

    @cached_property
    def installation_key(self) -> bytes:
        """The secret of this installation: it signs our mails and hashes whom we answered."""
        return self.read_installation_key()

    def read_installation_key(self) -> bytes:
        """The key as it is set or lies in the home now; a restore may bring another one."""
        if chosen := read_key(self.settings.installation_key.get_secret_value()):
            return chosen
        close_home(self.settings.home)
        return read_installation_key(self.settings.home)

    def check_installation_key(self, *, anew: bool = False) -> None:
        """Raise SettingsError where those who share the database have another key.

        `anew` makes the key of this host that of the installation.
        """
        mark = hmac.new(self.installation_key, b"the key of the installation", hashlib.sha256)
        if not self.journal.hold_key(mark.hexdigest(), anew=anew):
            raise SettingsError(
                f"{KEY_FILE} of this host is not that of the desks which share its database; copy "
                f"the file from one of them to {self.settings.home}, or set "
                f"DESK_INSTALLATION_KEY to its content. If it is lost everywhere, {NEW_KEY}"
            )

    @cached_property
    def sender_check(self) -> HealthLine:
        """Who authenticates the senders of mails, in words."""
        settings = self.settings
        says = f"authentication results of {settings.receiver}"
        if settings.needs_receiver:
            says = NO_RECEIVER_SET
        elif not settings.receiver:
            says = EVERYBODY_ACCEPTED if settings.accepts_any_sender else NO_AUTHENTICATION
        return HealthLine(name="sender", good=not settings.needs_receiver, says=says)

    def _sent_by_us(self, header: str) -> bool:
        """Is this the Message-ID of a mail of ours? Any other id needs no journal."""
        from bot.channels.mail.marks import find_own_ids

        return bool(find_own_ids(header.encode())) and self.journal.mail_outbox.contains(header)

    def was_sent(self, header: str) -> bool | None:
        """Does our own copy lie in the mailbox? None: no copy, which proves nothing."""
        with closing(self._imap()) as mailbox, suppress(DeliveryError):
            return mailbox.has(header) or None
        return None

    def records(self) -> list[Record]:
        """Every representation: the wordings, and each passage's heading and sentences."""
        return records_of(self.knowledge)

    def index(self) -> "Changed":
        """Bring the index up to date with the knowledge and the encoder, and learn from it.

        Nothing is learned where the knowledge holds too little (see `can_learn`), or where what was
        learned belongs to this very knowledge.
        """
        close_home(self.settings.home)
        self._claim_home()
        # Two processes that write into one embedded index at once leave it damaged.
        with locked(self.settings.chroma.resolve().with_suffix(".lock")):
            return self._index()

    def _index(self) -> "Changed":
        from bot.adapters.exact_retriever import write_vectors

        kept = self._kept_fit()
        changed = self.chroma.index(self.records(), self.say)
        write_vectors(self._vectors, *self.chroma.everything())
        if not can_learn(self.knowledge):
            self._fit_file.unlink(missing_ok=True)
        elif not kept:
            self.say("learning from the knowledge, a minute or two …")
            write_fit(self._fit_file, learn(self.knowledge, self.encoder.vectors).fit)
            self.encoder.save()
        Learned.of(self.knowledge).write(self.settings.home / LEARNED)
        # Last, for what it names is complete now.
        replace_file(self.settings.home / STAMP, self._index_version)
        return changed

    def folder(self, name: str) -> "Folder":
        """A Maildir of the local mailbox: new, sent."""
        from bot.channels.mail.local import Folder

        return Folder(self.settings.home / "mail" / name)

    @cached_property
    def desk(self) -> "Desk":
        from bot.channels.mail.compose import Composer
        from bot.desk import Desk

        out, was_sent = self._out()
        # What stands in the post today is kept, so that it can be corrected when it changes.
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
        desk.looks_first = self.journal.count_recent(RESTORED, LOOK_FIRST_SECONDS) > 0
        return desk

    @cached_property
    def sharing(self) -> "AnswerSharing":
        """What gives the answer of a person to all who ask the same."""
        from bot.staff.shared_answers import AnswerSharing

        return AnswerSharing(self.desk)

    def recall(self, decided: "Mapping[str, ChangeKind]") -> "Recall":
        """What looks for answers that no longer hold; `decided` are kinds that a person chose."""
        from bot.staff.recall import Recall

        desk = self.desk
        transferred = cache(lambda: self._transferred(self.knowledge))  # when it is first needed

        def rank_units(question: str) -> list[tuple[str, str]]:
            reader, vector = transferred(), self.encoder.embed_query
            ranked = reader.rank_units(vector(question), question) if reader else []
            return [(unit.passage, unit.text) for unit, _ in ranked]

        return Recall(
            knowledge=self.knowledge, journal=self.journal, responder=self.responder,
            outbound=self.outbound, compose=desk.compose,
            rank_units=rank_units if self.settings.own_embeddings else None, decided=decided,
        )  # fmt: skip

    @property
    def recall_batches(self) -> "RecallBatches":
        """What leads a change of the post to its corrections."""
        from bot.staff.recall_batches import RecallBatches

        return RecallBatches(
            lambda: self.recall({}), self.journal, per_minute=self.limits.corrections_per_minute
        )

    @cached_property
    def learning(self) -> "Learning":
        """What finds the questions that people answered, for the desk to learn from."""
        from bot.staff.answers_to_learn import TWO_PEOPLE, Learning

        return Learning(
            knowledge=self.knowledge, journal=self.journal, outbound=self.outbound,
            alone=len(self.settings.slack_people("slack_staff")) < TWO_PEOPLE,
        )  # fmt: skip

    @cached_property
    def team_answers(self) -> "TeamAnswers":
        """What takes the answers of the support team into the knowledge."""
        from bot.staff.answers_to_learn import TWO_PEOPLE
        from bot.staff.team_answers import TeamAnswers

        return TeamAnswers(
            knowledge=self.knowledge, journal=self.journal, home=self.settings.home,
            try_answer=self.try_team_answer,
            alone=len(self.settings.slack_people("slack_staff")) < TWO_PEOPLE,
        )  # fmt: skip

    def try_team_answer(self, answer: "TeamAnswer") -> "Trial":
        """Try an answer of the team on the labelled questions; it takes about half a minute.

        MissingError where there is no encoder to compare questions by.
        """
        from bot.journal.clock import stamp
        from bot.staff.trial import as_if_approved, judge_trial, try_passage, without

        self.encoder.check()
        beside, now = without(answer, self.knowledge), as_if_approved(answer, self.knowledge)
        result = try_passage(
            answer.passage, (*beside.messages, *beside.exercises),
            before=self._lookup(beside), after=self._lookup(now),
        )  # fmt: skip
        return judge_trial(answer, result, now, stamp(self.journal.clock()))

    def _lookup(self, knowledge: Knowledge) -> Lookup:
        """What the desk would answer by with this knowledge, learned anew where it is another."""
        from bot.adapters.exact_retriever import Exact

        records = records_of(knowledge)
        vectors = self.encoder.vectors([each.text for each in records])
        retriever = Exact(self.encoder, records, vectors)
        if knowledge.passages == self.knowledge.passages:
            return Lookup(retriever=retriever, judge=self.responder.judge)
        if not can_learn(knowledge):
            return Lookup(retriever=retriever, judge=self._first_day_judge(knowledge))
        fit = learn(knowledge, self.encoder.vectors).fit
        vector, threshold = self.encoder.embed_query, self.settings.threshold
        judge = FittedJudge(fit=fit, vector=vector, threshold=threshold)
        return Lookup(retriever=retriever, judge=judge)

    @cached_property
    def slack(self) -> "Slack | None":
        """The channel of staff, where a token is set; SettingsError names what is wrong."""
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
            sender_check=self.sender_check,
            enqueue_job=self.jobs.enqueue_decision_delivery,
            model=self.suggestion_model,
            recall=self.recall_batches,
            find_gaps=lambda since: find_gaps(self.journal, embed, since),
            team_answers=self.team_answers,
        )

    @cached_property
    def web(self) -> "WebDesk | None":
        """The desk in a browser, where it is wanted; SettingsError when it may not be."""
        if not self.settings.web_wanted:
            return None
        from bot.channels.web import WebDesk

        return WebDesk(
            self.desk,
            enqueue_job=self.jobs.enqueue_decision_delivery,
            write_mail=self._write_mail if self.settings.mail is MailKind.LOCAL else None,
            contacts=self.settings.contacts,
        )

    def _write_mail(self, sender: str, subject: str, text: str) -> None:
        """Put a mail into the local mailbox, as if it had come in."""
        from bot.channels.web.trial_mail import compose_trial_mail

        recipient = self.settings.address
        self.folder("new").add(compose_trial_mail(sender, subject, text, recipient=recipient))
        self.mailbox.wake()

    @property
    def suggestion_model(self) -> "SuggestionModel | None":
        """The model that words and translates for staff, when one is named."""
        if not self.settings.model:
            return None
        from bot.adapters.chat_draft import ChatDrafter
        from bot.adapters.chat_translation import ChatTranslator
        from bot.channels.slack import SuggestionModel
        from bot.staff.suggestion import suggestion_of

        name, options = self.settings.model_name, self.settings.model_options
        budget, deadline = self.budget, self.limits.model.draft_seconds
        drafter = ChatDrafter(
            name, knowledge=self.knowledge, budget=budget, options=options, deadline=deadline
        )
        translator = ChatTranslator(name, budget=budget, options=options, deadline=deadline)
        return SuggestionModel(
            draft=lambda text: suggestion_of(drafter.draft(text), self.knowledge),
            translate=translator.translate,
            state=lambda: budget.state,
        )

    @property
    def wording_model(self) -> "ChatWordings | None":
        """The model that writes how people may ask, when one is named."""
        if not self.settings.model:
            return None
        from bot.adapters.chat_wordings import ChatWordings

        return ChatWordings(
            self.settings.model_name, budget=self.budget, options=self.settings.model_options,
            deadline=self.limits.model.draft_seconds,
        )  # fmt: skip

    def _out(self) -> "tuple[MailOut, Callable[[str], bool | None]]":
        """Where replies go, and how to find out whether one went."""
        if self.settings.mail is MailKind.IMAP:
            from bot.channels.mail.smtp import SmtpOut

            return SmtpOut(self.settings.relay, address=self.settings.address), self.was_sent
        from bot.channels.mail.local import MaildirOut

        out = MaildirOut(self.folder("sent"))
        return out, out.was_sent

    @contextmanager
    def mail_archives(self) -> "Iterator[list[MailArchive]]":
        """Give the places where raw mails lie: the folders here, and those of a real mailbox."""
        from bot.channels.mail.local import LocalMailbox

        folder = self.settings.home / "mail"
        archives: list[MailArchive] = [LocalMailbox(folder)] if folder.exists() else []
        if self.settings.mail is MailKind.LOCAL:
            yield archives
            return
        with closing(self._imap()) as mailbox:
            yield [*archives, mailbox]

    def check_mail(self) -> None:
        """SettingsError for a setting of the real mailbox that cannot be right."""
        if self.settings.mail is MailKind.LOCAL:
            return
        from bot.channels.mail.smtp import SmtpOut

        with closing(self._imap()) as mailbox, suppress(DeliveryError):
            mailbox.can_move()
        with suppress(DeliveryError):
            SmtpOut(self.settings.relay, address=self.settings.address).check()

    def selftest(self) -> "Iterator[tuple[str, bool, str]]":
        """Try the real mailbox; sends a mail to ourselves."""
        from bot.channels.mail.selftest import selftest
        from bot.channels.mail.smtp import SmtpOut

        out = SmtpOut(self.settings.relay, address=self.settings.address)
        with closing(self._imap()) as mailbox:
            yield from selftest(mailbox, out, authserv_id=self.settings.receiver)

    def _imap(self) -> "ImapMailbox":
        from bot.channels.mail.imap import ImapMailbox

        return ImapMailbox(self.settings.imap)

    def _dense(self) -> Responder:
        self.encoder.check()
        if self._outdated:
            self.index()
        return self._responder(self._retriever(), self._judge())

    def _judge(self) -> Judge:
        """What was learned from the knowledge; else, what other incidents and answers taught.

        What was learned from so few wordings that it would hand over every question is not used
        where the post can be read alone, which takes the desk's own embedding model.
        """
        if self.fit and (self.fit.calibration.can_answer or not self.settings.own_embeddings):
            return FittedJudge(
                fit=self.fit, vector=self.encoder.embed_query, threshold=self.settings.threshold
            )
        self._labels_learned = labels_version(self.knowledge.folder)
        return self._first_day_judge(self.knowledge)

    def _first_day_judge(self, knowledge: Knowledge) -> Judge:
        """What reads a post without wordings, with the questions that people have answered."""
        reader = self._transferred(knowledge)
        if reader is None:
            return self._candidates
        vector, folder = self.encoder.embed_query, knowledge.folder
        messages = (*read_messages(folder / "messages"), *read_messages(folder / "exercises"))
        labels = labels_of(messages, list(knowledge.passages), self.encoder.vectors)
        if labels.answered < FEWEST_LABELS:
            return TransferredJudge(reader=reader, vector=vector)
        return LabelledJudge(
            reader=LabelledReader(reader, labels), vector=vector, threshold=self.settings.threshold
        )

    def learn_answers(self) -> bool:
        """Have the responder learn what people answered since; return whether there was anything.

        Only a desk without wordings learns as it runs, in a second; others do so at an index run.
        """
        now = labels_version(self.knowledge.folder)
        if now == self._labels_learned or not isinstance(
            self.responder.judge, TransferredJudge | LabelledJudge
        ):
            return False
        self.responder.judge = self._first_day_judge(self.knowledge)
        self._labels_learned = now
        return True

    def _transferred(self, knowledge: Knowledge) -> TransferJudge | None:
        """What other incidents taught; None where the vectors are not those it was learned with."""
        if not self.settings.own_embeddings:
            return None
        index = UnitIndex.of(
            units_of(knowledge.every_passage),
            title=knowledge.post.title,
            encoder=self.encoder.name,
            embed=self.encoder.vectors,
        )
        return TransferJudge(index, read_transfer(), threshold=self.settings.threshold)

    def _retriever(self) -> Retriever:
        if not self.once:
            return self.chroma
        from bot.adapters.exact_retriever import read_vectors

        return read_vectors(self._vectors, self.encoder)

    def _responder(self, retriever: Retriever, judge: Judge) -> Responder:
        return Responder(
            knowledge=self.knowledge, retriever=retriever, judge=judge, selector=self.selector,
            local=None if self.settings.own_embeddings else self._words(),
            requests=self._requests, contacts=self._contacts,
        )  # fmt: skip

    @cached_property
    def _requests(self) -> RequestReader | None:
        """Who reads what is asked for, on this machine's own encoder whatever the index is made by.

        None where that cannot be had, or is another than the head was made with.
        """
        head = packaged_head()
        encoder = self._encoder_of(head.encoder, "requests.npz", HEAD_AGAIN)
        return RequestReader(head=head, vector=encoder.vector) if encoder else None

    @cached_property
    def _contacts(self) -> ContactReader | None:
        """Who knows questions about a caller or a link; None as with `_requests`."""
        head = packaged_contacts()
        encoder = self._encoder_of(head.encoder, "contacts.yaml", CONTACTS_AGAIN)
        return ContactReader(head=head, vector=encoder.vector) if encoder else None

    def _encoder_of(self, name: str, file: str, remedy: str) -> E5 | None:
        """This machine's own encoder, where it is the one of this name that `file` was made with.

        None where it is missing, or another one: then a warning names the remedy.
        """
        encoder = self._own_encoder
        if encoder and encoder.name != name:
            self.say(f"warning: {file} is of another encoder; {remedy}")
            return None
        return encoder

    @cached_property
    def _own_encoder(self) -> E5 | None:
        """This machine's own encoder, whatever the index is made by; None where it is missing."""
        own = self.encoder.encoder
        encoder = own if isinstance(own, E5) else E5(self.settings.models, self.say)
        try:
            encoder.check()
        except MissingError:
            return None
        return encoder

    def _words(self) -> Lookup:
        """Word search, which finds candidates: nothing of it leaves the machine."""
        from bot.adapters.bm25 import BM25

        return Lookup(retriever=BM25(self.records()), judge=self._candidates)

    @property
    def _candidates(self) -> CandidateJudge:
        answers = Answers.of(list(self.knowledge.passages), self.knowledge.wordings)
        return CandidateJudge(answers=answers)

    @property
    def _outdated(self) -> bool:
        """Is the index gone, or was it made from other knowledge, by another encoder or version?"""
        stamp = self.settings.home / STAMP
        embedded = not self.settings.chroma_url
        if embedded and not (self.settings.chroma / "chroma.sqlite3").exists():
            return True
        return not stamp.exists() or stamp.read_text(encoding="utf-8") != self._index_version

    @property
    def _vectors(self) -> Path:
        return self.settings.home / "vectors.npz"

    @property
    def _fit_file(self) -> Path:
        return self.settings.home / "fit.npz"

    @property
    def _index_version(self) -> str:
        knowledge = self.knowledge
        versions = filter(None, (knowledge.question_version, knowledge.labels_version))
        return f"4.{VERSION} {self.encoder.name} {' '.join(versions)}"


def _of_another(key: str, held: str, what: str, setting: str) -> str:
    return (
        f"{what} holds the desk of the incident {held!r}, and the knowledge folder is about "
        f"{key!r}; give each incident its own {setting}, or, if they are one incident, write its "
        "key in incident.yaml"
    )
