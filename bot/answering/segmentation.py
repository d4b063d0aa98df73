"""Splits a message into its questions, each with the sentence before it where it needs context.

It goes by form alone (punctuation, openings, greetings); the meaning is decided later.
"""

import re
from collections.abc import Sequence

import re2

from bot.domain import Question
from bot.text.link_shortening import LINK
from bot.text.words import points_back

MAX_QUESTIONS = 8
# The figures below count words.
SMALL = 3  # a line with so many words in lower case is a sentence and no signature
SHORT = 5  # a question of so many or fewer cannot be understood alone
FEW = 2  # so few without a question mark are no question beside a longer one: "Just confirm."
FOLLOW_UP = 2  # of so few a question is only understood with the message before: "When exactly?"
ASIDE = 3  # a statement of so few may stand between a rumour and the question about it
MAX_WORDS = 90  # of a view: the encoder reads little more, and a long text blurs its topic

GREETING = re.compile(
    r"^\s*(?:hi|hello|hey|dear|good (?:morning|afternoon|evening|day)|greetings|to whom it may concern|hallo|"
    r"guten (?:tag|morgen|abend)|sehr geehrte\w*|liebe[sr]?|bonjour|bonsoir|madame|monsieur|hola|buen[oa]s "
    r"(?:d[ií]as|tardes|noches)|estimad[oa]s?|ol[áa]|bo[am] (?:dia|tarde|noite)|prezad[oa]s?|ciao|buongiorno|salve|"
    r"gentil[ei]|spett\S*|goedendag|hoi|beste|geachte|dzień dobry|cześć|witam|szanowni)\b[^.?!\n]{0,40}[,.!:\-–]?\s*$",
    re.IGNORECASE,
)
OPENING = re.compile(
    r"^\s*(?:hi|hello|hey|dear|good (?:morning|afternoon|evening|day)|greetings|hallo|guten (?:tag|morgen|abend)|"
    r"bonjour|hola|ol[áa]|ciao|buongiorno|goedendag|dzień dobry)"
    r"(?: (?:there|all|team|everyone|folks|support|sir or madam|sir/madam|sir|madam|guys|zusammen|à tous|"
    r"a todos|allemaal|(?-i:[A-Z][\w'-]{1,20})))*\s*[,.!:\-–]+\s*",
    re.IGNORECASE,
)
CLOSING = re.compile(
    r"^\s*(?:thanks|thank you|thx|ty|cheers|(?:kind |best |warm |many )?(?:regards|wishes)|best|sincerely|yours|sent from|"
    r"looking forward|mit freundlichen|viele grüße|vielen dank|danke|merci|cordialement|gracias|saludos|obrigad[oa]|"
    r"atenciosamente|grazie|cordiali saluti|bedankt|met vriendelijke|dziękuję|pozdrawiam)\b",
    re.IGNORECASE,
)
SIGNATURE = re.compile(r"^\s*(?:[-–—_]{2,}|[A-Z][\w'-]+(?: [A-Z][\w.'-]*){0,2}),?\s*$")
ASKS = re.compile(
    r"^\W*(?:(?:and|so|but|also|or|ok|okay|well|please|pls|now|then|btw|actually|just|first|second|third|next|finally|"
    r"lastly|secondly|thirdly|question|quick question|sorry|yes|no)\b[,: ]*)*"
    r"(?:who|whom|whose|what|whats|what's|when|where|why|how|which|is|are|was|were|am|do|does|did|has|have|had|can|could|"
    r"should|would|will|shall|may|might|must|any|tell me|give me|show me|explain|confirm|list|describe|clarify|check|send|"
    r"let me know|i (?:need|want|would like|'d like|wish) to (?:know|understand|find out|confirm|hear|ask|check)|"
    r"i(?: am|'m) (?:wondering|asking|not sure|unsure)|i wonder|wondering|need to know|not sure|don'?t know|no idea|"
    r"the question is|i (?:can't|cannot|couldn't) (?:tell|figure|find))\b",
    re.IGNORECASE,
)
ANNOUNCES = re.compile(
    r"^\W*(?:(?:and|so|but|ok|okay|well|please|pls|just|now)\b[,: ]*)*(?:give|tell|answer|explain|say|clarify|confirm|advise|"
    r"let (?:me|us) know|(?:i|we)(?: would|'d)? (?:want|need|like|love|have) to (?:know|ask|understand)|"
    r"(?:i|we)(?: am|'m| are|'re) (?:asking|wondering|writing)|wondering|asking|my question|a question|question|one question)\b",
    re.IGNORECASE,
)
ASKS_INSIDE = re.compile(
    r"\b(?:(?:need|want|wants|like|love) to know|asks? (?:me |us )?(?:if|whether|what|how|who|why|when|which)|"
    r"asking (?:if|whether|what|how)|wonder(?:s|ing)? (?:if|whether|what|how|who|why)|tell me|let me know|figure out|"
    r"find out|(?:not sure|unsure) (?:if|whether|what)|worried (?:that|about|my)|afraid|"
    r"please (?:confirm|explain|clarify|advise|tell|list|send|delete|check)|(?:could|can|would|do) you|should (?:i|we))\b",
    re.IGNORECASE,
)
ENUMERATED = re.compile(r"(?:^|(?<=\s))\(?(?:[a-h]|[1-9]|i{1,3}|iv)\)\s+(?=\S)")
LISTED = re.compile(r"^(?:[-*•]|\d+[.)])\s+")
SENTENCE_END = re.compile(
    r"(?<=[?!？！。؟।])[\"”’)]*\s*(?=\S)|(?<=[a-z0-9)\]\"”’'à-ÿ][.;])\s+(?=\S)"
)
ADDRESS = re2.compile(r"[^\s<>@]+@[^\s<>@]+")
LETTERS = re.compile(r"[^\W\d_]{2}|[^\W\d_\u0000-\u2e7f]")
ENDS_ASKING = ("?", "？", "؟", "か。", "吗。", "吗", "까", "까요.", "나요.", "呢。")


def split_questions(text: str) -> tuple[Question, ...]:
    """Return the questions of `text` in order, at most MAX_QUESTIONS.

    Where no sentence asks, the whole message is one question; where none has words, there is none.
    """
    spoken = [s for s in spoken_sentences(text) if not _says_nothing(s)]
    if not spoken:
        return ()
    if len(spoken) == 1:
        return (Question(text=_shortened(spoken[0])),)
    asking = [i for i, s in enumerate(spoken) if asks(s)]
    asking = [i for i in asking if "?" in spoken[i] or len(spoken[i].split()) > FEW] or asking
    if not asking:
        asking = [i for i, s in enumerate(spoken) if ASKS_INSIDE.search(s)]
    if not asking:
        return (Question(text=_shortened(" ".join(spoken))),)
    return tuple(_question(spoken, i) for i in asking[:MAX_QUESTIONS])


def split_sentences(text: str) -> list[str]:
    """Return every sentence of `text` in order, without list marks and quoted lines."""
    sentences: list[str] = []
    for line in text.replace("\r", "").split("\n"):
        bare = line.strip()
        if not bare or bare.startswith(">"):
            continue
        for item in ENUMERATED.split(LISTED.sub("", bare)):
            sentences += [s.strip() for s in SENTENCE_END.split(item) if s.strip()]
    return sentences


def views(question: Question) -> tuple[str, ...]:
    """Return the texts under which a question is looked up, the shortest first.

    A question without context is looked up as it is. One that rests on its context is looked up
    only together with it, because alone it asks something else: "Is that what happened?" after a
    rumour. Any other question is looked up both alone and with its context.
    """
    if not question.context:
        return (question.text,)
    with_context = _shortened(f"{question.context} {question.text}")
    return (with_context,) if rests_on_context(question) else (question.text, with_context)


def rests_on_context(question: Question) -> bool:
    """Return whether a question is only understood together with its context.

    It is where it points back to a statement, points back in at most SHORT words, or continues an
    earlier message in two words ("When exactly?"). A longer question after another question is not,
    although a word of it points back: "Where was my key? Do they know which browser I use?"
    """
    if question.follows and _is_fragment(question.text):
        return True
    if not question.context or not points_back(question.text):
        return False
    return len(question.text.split()) <= SHORT or not asks(question.context)


def whole(text: str) -> str:
    """Return the message without its greeting and close, cut to what the encoder can use."""
    return _shortened(" ".join(spoken_sentences(text)) or text)


def asks(sentence: str) -> bool:
    """Return whether the sentence has the form of a question or a request."""
    bare = sentence.rstrip(" \"')”’")
    return bare.endswith(ENDS_ASKING) or bool(ASKS.match(sentence))


def announces(sentence: str) -> bool:
    """Return whether the sentence only announces a question: "I want to know about my key." """
    return "?" not in sentence and bool(ANNOUNCES.match(sentence))


def needs_context(question: str) -> bool:
    """Return whether a question should get a context: it is short, or points back."""
    words = question.split()
    return len(words) <= SHORT or (len(words) <= 12 and points_back(question))


def _is_fragment(question: str) -> bool:
    return len(question.split()) <= FOLLOW_UP and not _is_dense(question)


def _question(spoken: list[str], position: int) -> Question:
    text = _shortened(spoken[position])
    if not position or not needs_context(text):
        return Question(text=text)
    first = position - 1
    # "I am worried." says nothing of what the question points back to.
    while first and points_back(text) and _is_aside(spoken[first]):
        first -= 1
    return Question(text=text, context=" ".join(spoken[first:position]))


def _is_aside(sentence: str) -> bool:
    """Is the sentence a short statement, whose subject more likely stands before it?"""
    return len(sentence.split()) <= ASIDE and not asks(sentence) and not _is_dense(sentence)


def _is_dense(sentence: str) -> bool:
    """Is it in a script without spaces, where words cannot be counted?"""
    return any(c >= "\u3040" for c in sentence)


def spoken_sentences(text: str) -> list[str]:
    """Return the sentences of `text` without greeting, close and signature."""
    kept: list[str] = []
    for sentence in split_sentences(text):
        if GREETING.match(sentence):
            continue
        without_opening = OPENING.sub("", sentence)
        ends = kept and "?" not in without_opening and len(without_opening.split()) < 9
        if not without_opening.strip() or (
            ends and (CLOSING.match(without_opening) or SIGNATURE.match(without_opening))
        ):
            continue
        kept.append(without_opening.strip())
    return kept


def without_signature_lines(lines: Sequence[str]) -> list[str]:
    """Return the sentences without the lines of names, offices and numbers below a close.

    A postscript stays, as it has several words in lower case.
    """
    closes = next((i for i, s in enumerate(lines) if i and CLOSING.match(s)), len(lines))
    below = (s for s in lines[closes:] if not CLOSING.match(s))
    return [*lines[:closes], *(s for s in below if _has_words(s))]


def _has_words(sentence: str) -> bool:
    # In a script without capitals a signature cannot be told, so that the line counts as words.
    if any(c.isalpha() and not (c.isupper() or c.islower()) for c in sentence):
        return True
    return sum(word[0].islower() for word in sentence.split()) >= SMALL


def _says_nothing(sentence: str) -> bool:
    """Return whether the sentence is without words: only links, numbers, addresses and marks."""
    return not LETTERS.search(ADDRESS.sub(" ", LINK.sub(" ", sentence)))


def _shortened(text: str) -> str:
    words = text.split()
    if len(words) > MAX_WORDS:
        return " ".join(words[:MAX_WORDS])
    return text[: MAX_WORDS * 12]
