"""Weighs whether a program wrote a mail, and whether somebody asks something in it.

No single word decides. Phrases of a kind of program in the body, parts of the subject and the
structure of the mail each add weight; a sentence in which a person asks something speaks against
it. The phrases of all languages stand in bot/data/mail_programs.yaml.

A program's mail can be worded in countless ways, but it says few things: your message has arrived,
a colleague looks at it within two days, nobody reads this mailbox, the office is closed. Each is a
statement that consists of parts ("your message" and "arrived"), and each part is a list of words in
many languages. Both stand in bot/data/mail_statements.yaml.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache

import re2

from bot.channels.mail.parse import ParsedMail
from bot.channels.mail.phrasing import (
    ADDRESS,
    ADDRESS_WORD,
    UNSPACED,
    MailSentence,
    compile_patterns,
    holds_pattern,
    normal_form,
    pattern_table,
    split_mail_sentences,
)
from bot.channels.mail.rule_words import has_local_part_in, is_reply, strip_subject_prefixes

# A mail of this weight counts as written by a program if nobody asks anything in it.
PROGRAM_WEIGHT = 3
# A mail of this weight counts as written by a program whatever is asked in it.
CERTAIN_WEIGHT = 7
# Subtracted from the weight if a person writes about programs' mail.
ABOUT_PROGRAMS_DISCOUNT = 4
# The row of the table that holds an acknowledgement's phrases that promise an answer.
PROMISE_ROW = 2
# A phrase that fills this share of a part of the subject makes the mail a program's.
WHOLE_SUBJECT_SHARE = 0.6
# A phrase of an automatic answer that fills this share of the first part makes it certain.
EXACT_SUBJECT_SHARE = 0.9
CLAUSE_END = re2.compile(r",|\b(?:and|und|et|y|och|og|en|oraz)\b")
QUOTED_TEXT = re2.compile(r"\"[^\"\n]+\"|“[^”\n]+”|„[^“”\n]+[“”]|«[^»\n]+»|「[^」\n]+」")
SUBJECT_LINE = re2.compile(
    r"(?im)^[^\n]*\b(?:subject|betreff|objet|asunto|oggetto|assunto|onderwerp|temat|件名|主题|"
    r"主旨|제목|тема|विषय|الموضوع)\s?[:：][^\n]*$"
)
MACHINE_SUBJECT = re2.compile(
    r"(?i)^(?:cron <[^>]+>|\[(?:firing|resolved)[:\]]|\*\* ?(?:problem|recovery|acknowledgement)\b|"
    r"(?:problem|recovery|resolved|ok|critical|warning)(?: (?:host|service) alert)?: .* is )"
)
ADDRESS_EDGES = ".'!?…”’"
# The least words, or letters of a script without spaces, in a sentence that asks something.
MIN_ASKING_WORDS, MIN_ASKING_LETTERS = 2, 4
WORD = re2.compile(r"[\pL\pN]")
SUBJECT_SPLIT = re2.compile(r"\s[-–—|/]\s|[:：|\[\]【】()（）「」「」«»\"]+")
REPORT_FILE = re2.compile(
    r"(?i)^[^!\s]+![^!\s]+!\d+!\d+(?:![^!\s]*)?\.(?:xml|json)?(?:\.?(?:gz|zip))?$"
)
REPORT_TYPES = ("application/tlsrpt+gzip", "application/tlsrpt+json")
# The number that a ticket system writes into a subject.
REFERENCE = re2.compile(
    r"(?i)[\[【(][^\])】]*\d{2,}[^\])】]*[\])】]|[#№]\s?\d{2,}|\b[A-Z]{2,6}-?\d{4,}|"
    r"(?:case|ticket|request|incident|reference|ref|fall|vorgang|dossier|demande|caso|solicitud|"
    r"chamado|protocolo|richiesta|zgłoszenie|工单|受付番号|접수번호|заявка|обращение)\W{1,3}\d{2,}"
)
DATA_FILE_START = re2.compile(r"^\s*(?:\{\s*\"\w+\"\s*:|<\?xml )")
REACTION_TYPE = "text/vnd.google.email-reaction+json"
FIELD = re2.compile(r"(?m)^[\s*_>|-]{0,6}[\pL][\pL\pM '’/()*.-]*\s?[:：]\s*\S")
# Characters of a field's name: a longer text before a colon is a sentence.
MAX_FIELD_NAME = 60


class ProgramKind(StrEnum):
    """The kinds of mail that programs send; the names are the keys of the table of phrases."""

    ACKNOWLEDGEMENT = "acknowledgement"
    AUTOMATIC = "automatic"
    ABSENCE = "absence"
    CHALLENGE = "challenge"
    RECEIPT = "receipt"
    RECALL = "recall"
    REACTION = "reaction"
    CALENDAR = "calendar"
    SURVEY = "survey"
    REPORT = "report"
    ALERT = "alert"
    NEWSLETTER = "newsletter"
    WRAPPER = "wrapper"


# Kinds whose phrases do not count in a mail whose writer says I or my.
IMPERSONAL = (ProgramKind.ACKNOWLEDGEMENT, ProgramKind.AUTOMATIC, ProgramKind.SURVEY)
# Kinds that quote the subject of another mail, so that a quoted question is asked by nobody here.
ABOUT_A_MAIL = (ProgramKind.RECEIPT, ProgramKind.RECALL, ProgramKind.REACTION, ProgramKind.CALENDAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramEvidence:
    """The evidence that a program wrote a mail, and whether somebody asks something in it.

    `weights` holds the weight of the evidence for each kind of program's mail. `composed` is the
    part of the weights that comes only from statements in free wording: it may cause a mail to be
    held, but never a mail to be dropped in which somebody asks. `hints` counts evidence outside the
    text: a help desk's address as the sender, a ticket number in the subject. `asks` leaves out
    what a mail about another mail quotes, and what follows the beginning of a list of help topics;
    `may_ask` leaves out nothing, so that no mail is dropped in which somebody may ask. `about` says
    that a person writes about programs' mail, `structural` that the structure alone makes it
    certain that a program wrote the mail, `wordless` that it holds no letter and no digit, `form`
    that it holds several fields of a form.
    """

    weights: dict[ProgramKind, int] = field(default_factory=dict)
    composed: int = 0
    hints: int = 0
    asks: bool = False
    may_ask: bool = False
    about: bool = False
    structural: bool = False
    wordless: bool = False
    form: bool = False

    @property
    def weight(self) -> int:
        """The sum of the weights of all kinds; less where a person writes about programs' mail."""
        return sum(self.weights.values()) - (ABOUT_PROGRAMS_DISCOUNT if self.about else 0)

    @property
    def is_program(self) -> bool:
        """Does the mail read as if a program had written it, with nobody asking beside it?"""
        if self.asks or self.weight <= 0:
            return self.weight >= CERTAIN_WEIGHT
        return self.weight + self.hints >= PROGRAM_WEIGHT

    @property
    def kind(self) -> ProgramKind | None:
        """The kind with the greatest weight; None when there is none."""
        return max(self.weights, key=self.weights.__getitem__, default=None)

    @property
    def nobody_asks(self) -> bool:
        """Is there nothing in the mail for a person to answer?

        A filter's report (WRAPPER) encloses somebody's mail, so there always is.
        """
        if ProgramKind.WRAPPER in self.weights or self.form:
            return False
        return not self.may_ask or self.weight - self.composed >= CERTAIN_WEIGHT


def find_program_evidence(mail: ParsedMail) -> ProgramEvidence:
    """Return the evidence in the visible text, the subject and the parts of a mail."""
    visible_text = mail.visible.strip() or mail.text.strip()
    text = SUBJECT_LINE.sub("", visible_text)
    unquoted = split_mail_sentences(QUOTED_TEXT.sub(" ", text))
    personal = any(speaks_of_oneself(each) and not each.question for each in unquoted)
    weights = {kind: _weigh_phrases(kind, unquoted) for kind in ProgramKind}
    composed = {
        kind: max(0, _weigh_free_wording(kind, unquoted) - weights[kind]) for kind in ProgramKind
    }
    about_a_mail = any(weights[kind] >= PROGRAM_WEIGHT for kind in ABOUT_A_MAIL)
    own_sentences = unquoted if about_a_mail else split_mail_sentences(text)
    structure = _weigh_structure(mail, weights)
    for kind in ProgramKind:
        weights[kind] += composed[kind]
        in_subject = _weigh_subject(kind, mail.subject)
        if personal and kind in IMPERSONAL and not weights[kind]:
            in_subject = min(1, in_subject)  # a person who writes of themselves may head it so
        weights[kind] += in_subject + structure.get(kind, 0)
    hints = has_local_part_in(mail.sender, "desk_senders") + bool(REFERENCE.search(mail.subject))
    return ProgramEvidence(
        hints=hints,
        weights={kind: weight for kind, weight in weights.items() if weight},
        composed=sum(composed.values()),
        asks=_holds_question(own_sentences or split_mail_sentences(mail.subject)),
        may_ask=any(
            _may_be_asked(sentence)
            for sentence in split_mail_sentences(visible_text or mail.subject)
        ),
        about=any(_is_about_programs(sentence) for sentence in own_sentences),
        structural=max(structure.values(), default=0) >= CERTAIN_WEIGHT,
        wordless=not WORD.search(visible_text),
        form=sum(len(name) < MAX_FIELD_NAME for name in FIELD.findall(visible_text[:3000])) > 1,
    )


def asks_answer_elsewhere(text: str, own_addresses: set[str]) -> bool:
    """Does a sentence ask for the answer at an address that is none of the known ones?

    `own_addresses` holds addresses in lower case.
    """
    for position in _statements_with_addresses(text):
        others = [
            a
            for a in ADDRESS.findall(position)
            if a.lower().strip(ADDRESS_EDGES) not in own_addresses
        ]
        if not others or "·" in position or "|" in position:
            continue
        words = normal_form(ADDRESS.sub(f" {ADDRESS_WORD} ", position))
        if holds_pattern("elsewhere", words) and not holds_pattern("not_elsewhere", words):
            return True
    return False


def _statements_with_addresses(text: str) -> Iterator[str]:
    """Yield sentences that are no questions; addresses stay whole, for a colon ends no sentence
    here.
    """
    for paragraph in re2.split(r"\n\s*\n", text[:20_000]):
        pieces = re2.split(r"([.!]\s|[。！？?])", " ".join(paragraph.split()) + " ")
        for index in range(0, len(pieces), 2):
            if pieces[index + 1 : index + 2] not in (["?"], ["？"]):
                yield pieces[index]


def _weigh_phrases(kind: ProgramKind, sentences: list[MailSentence]) -> int:
    """Return the weight of the phrases of a kind that the sentences hold.

    In a mail whose writer says I or my, only the other sentences count for the impersonal kinds. An
    acknowledgement may say I where it also promises an answer, as a person's autoresponder does.
    """
    if kind not in IMPERSONAL:
        return _sum_rows(kind, sentences)
    if kind is ProgramKind.ACKNOWLEDGEMENT and any(
        holds_pattern(kind, each.form, PROMISE_ROW) for each in sentences
    ):
        return _sum_rows(kind, sentences)
    return _sum_rows(kind, [each for each in sentences if not speaks_of_oneself(each)])


def _weigh_free_wording(kind: ProgramKind, spoken: list[MailSentence]) -> int:
    """Return the weight of statements in free wording, at most PROGRAM_WEIGHT (holds a mail)."""
    if kind in IMPERSONAL:
        spoken = [each for each in spoken if not speaks_of_oneself(each)]
    return min(PROGRAM_WEIGHT, weigh_statements(kind, spoken))


def _is_about_programs(sentence: MailSentence) -> bool:
    """Does a person write about programs' mail, or want a person instead of a program?"""
    if holds_pattern("wants_nobodys_answer", sentence.form):
        return True
    return holds_pattern("about_programs", sentence.form) and not _is_stated(sentence)


def _is_stated(sentence: MailSentence) -> bool:
    """Does it make a statement of programs in free wording, and does its writer not say I or my?"""
    kinds = (ProgramKind.ACKNOWLEDGEMENT, ProgramKind.AUTOMATIC, ProgramKind.ABSENCE)
    stating = max(weigh_statements(kind, [sentence]) for kind in kinds)
    return stating >= PROMISE_ROW and not speaks_of_oneself(sentence)


def _sum_rows(kind: ProgramKind, spoken: list[MailSentence]) -> int:
    """Return the sum of the weights whose phrases some sentence holds; each row counts once."""
    rows = [
        row for row in _pattern_rows(kind) if any(holds_pattern(kind, s.form, row) for s in spoken)
    ]
    return sum(rows)


def _pattern_rows(kind: ProgramKind) -> tuple[int, ...]:
    return tuple(
        row
        for row in (1, 2, PROGRAM_WEIGHT, CERTAIN_WEIGHT)
        if compile_patterns(kind, row) is not None
    )


def _weigh_subject(kind: ProgramKind, subject: str) -> int:
    """Return CERTAIN_WEIGHT for a subject that only an automatic answer has, else less.

    The weight depends on the share of a part of the subject that a phrase fills.
    """
    patterns = compile_patterns(kind, "subjects")
    if patterns is None or not subject:
        return 0
    hint = int(holds_pattern(kind, normal_form(subject), "hints"))
    shares: list[float] = []
    parts = [
        normal_form(part)
        for part in SUBJECT_SPLIT.split(strip_subject_prefixes(subject))
        if part.strip()
    ]
    for part in filter(None, parts):
        match = patterns.search(part)
        shares.append((match.end() - match.start()) / len(part) if match else 0.0)
    best = max(shares, default=0.0)
    if not best:
        return hint
    if subject.rstrip().endswith(("?", "？", "؟")) or best < WHOLE_SUBJECT_SHARE:
        return 1
    claims = (
        kind is ProgramKind.AUTOMATIC and shares[0] >= EXACT_SUBJECT_SHARE and not is_reply(subject)
    )
    return CERTAIN_WEIGHT if claims else PROGRAM_WEIGHT


def _weigh_structure(mail: ParsedMail, weights: dict[ProgramKind, int]) -> dict[ProgramKind, int]:
    """Return the weights that the parts, attachments and subject of the mail give by their
    form.
    """
    structure: dict[ProgramKind, int] = {}
    if REACTION_TYPE in mail.content_types:
        structure[ProgramKind.REACTION] = CERTAIN_WEIGHT
    reported = any(REPORT_FILE.search(each.name) for each in mail.attachments)
    if reported or set(REPORT_TYPES) & set(mail.content_types):
        structure[ProgramKind.REPORT] = CERTAIN_WEIGHT
    if DATA_FILE_START.search(mail.text):
        structure[ProgramKind.REPORT] = CERTAIN_WEIGHT
    if MACHINE_SUBJECT.search(strip_subject_prefixes(mail.subject)) or MACHINE_SUBJECT.search(
        mail.subject.strip()
    ):
        structure[ProgramKind.ALERT] = CERTAIN_WEIGHT
    if "text/calendar" in mail.content_types:
        answered = weights[ProgramKind.CALENDAR] or _weigh_subject(
            ProgramKind.CALENDAR, mail.subject
        )
        structure[ProgramKind.CALENDAR] = PROGRAM_WEIGHT if answered else 0
    return structure


def _holds_question(spoken: list[MailSentence]) -> bool:
    """Is there a sentence in which a person asks for something?"""
    helping = False
    for sentence in spoken:
        if not helping and _is_asked(sentence):
            return True
        helping = helping or holds_pattern("listing", sentence.form)
    return False


def _is_asked(sentence: MailSentence) -> bool:
    if not _is_long_enough(sentence.form) or holds_pattern("service_questions", sentence.form):
        return False
    if sentence.question:
        return not weigh_statements(ProgramKind.SURVEY, [sentence])
    if _is_stated(sentence):
        return False
    clauses = [normal_form(clause) for clause in CLAUSE_END.split(sentence.text)]
    return any(
        holds_pattern("demands", clause_form) and not _is_program_sentence(clause_form)
        for clause_form in clauses
    )


def _may_be_asked(sentence: MailSentence) -> bool:
    return sentence.question or holds_pattern("demands", sentence.form)


def _is_program_sentence(sentence_form: str) -> bool:
    return any(
        holds_pattern(kind, sentence_form, row)
        for kind in ProgramKind
        for row in _pattern_rows(kind)
        if row > 1
    )


def _is_long_enough(sentence_form: str) -> bool:
    if UNSPACED.search(sentence_form):
        return len(sentence_form.replace(" ", "")) >= MIN_ASKING_LETTERS
    return len(sentence_form.split()) >= MIN_ASKING_WORDS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Statement:
    """A statement of a program: its weight, and groups of parts.

    A sentence makes the statement if it holds at least one part of each group.
    """

    weight: int
    parts: tuple[tuple[str, ...], ...]

    def fits(self, sentence_form: str) -> bool:
        """Does a sentence, in its normal form, make this statement?"""
        return all(
            any(holds_pattern(part, sentence_form) for part in group) for group in self.parts
        )


def weigh_statements(kind: str, spoken: Iterable[MailSentence]) -> int:
    """Return the sum of the weights of the statements of a kind that some sentence makes.

    The result is 0 for a kind without statements. A question states nothing, except in a survey.
    """
    forms = [each.form for each in spoken if kind == "survey" or not each.question]
    return sum(
        each.weight for each in _statements(kind) if any(each.fits(sentence) for sentence in forms)
    )


def speaks_of_oneself(sentence: MailSentence) -> bool:
    """Does the writer of the sentence say I or my?"""
    return holds_pattern("own_voice", sentence.form) and not holds_pattern(
        "not_own_voice", sentence.form
    )


@cache
def _statements(kind: str) -> tuple[_Statement, ...]:
    """Return the statements of a kind, as the table lists them."""
    rows = pattern_table()["statements"]
    return tuple(_parse_statements(rows[kind])) if isinstance(rows, dict) and kind in rows else ()


def _parse_statements(rows: Iterable[str]) -> Iterator[_Statement]:
    for row in rows:
        weight, *parts = row.split()
        yield _Statement(weight=int(weight), parts=tuple(tuple(p.split("|")) for p in parts))
