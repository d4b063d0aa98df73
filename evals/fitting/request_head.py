"""Learns what bot/data/requests.npz holds from labelled messages of several authors; numpy alone.

Each author's messages are labelled as a whole, and name the sentence that decides. That sentence
teaches its labels; the other sentences of the message teach what is none of them, more weakly.
"""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from bot.answering.request_classifier import (
    INPUTS,
    LABELS,
    OUTPUTS,
    PLACE,
    REACH,
    Array,
    Label,
    RequestHead,
    build_inputs,
    select_sentences,
)
from bot.corpus import Knowledge
from bot.corpus.messages import ANSWERED, LabelledMessage, MessageKind
from bot.domain import EscalationReason, RefusalReason
from bot.redact import redact
from bot.text.clean import clean_message
from evals.fitting.surroundings import (
    Side,
    bare_numbers,
    follow_reply,
    statements,
    surround,
    with_aside,
)
from evals.fitting.transfer_maps import Adam
from evals.generators.attacks import is_held_out, labelled

AUTHORS = Path(__file__).parents[1] / "data" / "requests"
TABLE_ONLY = frozenset({"r19", "r20"})  # two authors that nothing is learned from or chosen by
# Authors that teach the head and not the encoder: on them the head's thresholds are chosen, because
# what the encoder was tuned on looks surer to the head than a stranger's message.
HEAD_ONLY = frozenset({"r22", *(f"r{n}" for n in range(27, 37))})
EPOCHS, BATCH = 20, 512
RATE, SHRINK = 2e-3, 0.1
HIDDEN = 128  # units beside the linear map; chosen on authors that were left out
# Nets learned from other beginnings read short statements differently: a head is the mean of these.
SEEDS = (0, 1, 2)
MATRICES = ("inner", "outer", "direct")
DROP = 0.5  # share of the inputs that a step does not see
BESIDE = 0.25  # how much a sentence beside the deciding one says against the message's own labels
AROUND = 0.3  # weight of a text of the generators beside a message of an author or an ordinary one
ASKED_FOR: frozenset[str] = frozenset({Label.DEMAND, Label.OTHER_REQUEST, Label.INJECTION})
# What is unknown of a question that the post does not answer: some of them want our word on a mail,
# to look somebody up, or an address for a lawyer.
# Of requests there are as many in each further language as of ordinary messages, of which there are
# five times as many in English: they count twice.
ENGLISH, FURTHER = "en", 2.0
MEASURED = 3  # of the four draws, the one whose surroundings measure
UNTOLD = ASKED_FOR | {Label.REFUSE, Label.FORMAL, Label.WANTS_PERSON}
Flags = npt.NDArray[np.bool_]
StateEncoder = Callable[[str], Array]  # a text to its state


class RequestRow(BaseModel):
    """One message of an author; `sentence` decides what is expected, `pair` names its twin."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    text: str
    lang: str
    channel: str
    labels: tuple[Label, ...]
    expected: Literal["refuse", "answer_or_escalate", "escalate", "page", "silent"]
    sentence: str
    how: str
    pair: str | None = None

    @property
    def is_hidden(self) -> bool:
        """Is it a demand with much else around it?"""
        around = len(self.text) - len(self.sentence)
        return Label.DEMAND in self.labels and self.expected == "refuse" and around > FEW_AROUND


FEW_AROUND = 250  # characters beside the deciding sentence
FEW_WORDS, MOSTLY = 2, 0.6  # shared words from which on two forms of a sentence are the same


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestExample:
    """A message as the head reads it: a row for each sentence, and one for the whole."""

    vectors: Array  # (sentences + 1) x INPUTS
    wanted: Array  # (sentences + 1) x outputs
    weights: Array  # how much each of them counts
    row: RequestRow | None = None
    is_plain: bool = False
    side: Side | None = None  # of the surroundings that it stands in, where it does


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestText:
    """What is known of a message: labels, what it surely is not, and the sentence that decides."""

    text: str
    labels: frozenset[str]
    unknown: frozenset[str] = frozenset()
    sentence: str = ""
    weight: float = 1.0
    row: RequestRow | None = None
    is_plain: bool = False  # an ordinary question that the post answers
    language: str = "en"
    side: Side | None = None  # of the surroundings that it stands in, where it does


def read_author(name: str) -> list[RequestRow]:
    """The messages of one author."""
    lines = (AUTHORS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [RequestRow.model_validate(json.loads(line)) for line in lines]


def list_authors() -> list[str]:
    """The names of all authors."""
    return sorted(path.stem for path in AUTHORS.glob("*.jsonl"))


def hash_authors(names: Iterable[str]) -> str:
    """Identify the messages of some authors."""
    content = b"".join((AUTHORS / f"{name}.jsonl").read_bytes() for name in sorted(names))
    return hashlib.sha256(content).hexdigest()[:12]


def examples_of_author(name: str, encode: StateEncoder) -> list[RequestExample]:
    """The messages of one author as examples, many of them once more in surroundings."""
    return [
        _example(text, encode)
        for row in read_author(name)
        for text in _with_surroundings(_text_of_row(row))
    ]


def examples_of_knowledge(
    knowledge: Knowledge, encode: StateEncoder
) -> dict[str, list[RequestExample]]:
    """The desk's own labelled messages as examples, by author: ordinary questions, mostly."""
    by_author: dict[str, list[RequestExample]] = defaultdict(list)
    for message in (*knowledge.messages, *knowledge.exercises):
        if text := _of_knowledge(message):
            by_author[message.author] += [
                _example(each, encode) for each in _with_surroundings(text)
            ]
    return dict(by_author)


def other_examples(knowledge: Knowledge, encode: StateEncoder) -> list[RequestExample]:
    """What else teaches, beside the authors.

    Families of the generators that are not held out, the desk's wordings of questions, and messages
    that give a number or a document and ask for nothing.
    """
    nothing = frozenset({Label.NOTHING_ASKED})
    numbers = (RequestText(text=text, labels=nothing, weight=AROUND) for text in bare_numbers())
    documents = (RequestText(text=text, labels=nothing) for text in statements())
    texts = (*_generated(), *_of_wordings(knowledge), *numbers, *documents)
    return [_example(each, encode) for each in texts]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledText:
    """A sentence or a whole message with what each output should be, and how much that counts."""

    text: str
    wanted: Array  # outputs
    weights: Array  # outputs


def texts_for_tuning(knowledge: Knowledge) -> list[LabelledText]:
    """The sentences and messages that the encoder is tuned on; the head's own authors are not."""
    authors = [name for name in list_authors() if name not in TABLE_ONLY | HEAD_ONLY]
    items = [_text_of_row(row) for name in authors for row in read_author(name)]
    items += [text for message in knowledge.exercises if (text := _of_knowledge(message))]
    items += [*_of_wordings(knowledge), *_generated()]
    found = []
    for item in items:
        own, spoken, wanted, weights = _labelled_rows(item)
        texts = [own] if len(spoken) == 1 else [*spoken, own]
        rows = zip(texts, wanted[-len(texts) :], weights[-len(texts) :], strict=True)
        found += [LabelledText(text=t, wanted=w, weights=g) for t, w, g in rows]
    return found


def _with_surroundings(item: RequestText) -> Iterator[RequestText]:
    """The message as it is, and once or twice more among what stands around a question in mails.

    Thanks stay as they are: with more words around them they may need a reply.
    """
    yield item
    draw, other = (byte % 4 for byte in hashlib.sha256(item.text.encode()).digest()[:2])
    if Label.SILENT in item.labels:
        return
    if other == 0:
        yield replace(
            item,
            text=with_aside(item.text, item.language),
            side=Side.LEARNED,
        )
    if draw:
        side = Side.MEASURED if draw == MEASURED else Side.LEARNED
        yield replace(
            item,
            text=surround(item.text, item.language, side),
            side=side,
        )
    else:
        yield replace(
            item,
            text=follow_reply(item.text, item.language),
            side=Side.LEARNED,
        )


def _of_wordings(knowledge: Knowledge) -> Iterator[RequestText]:
    """Questions on the incident are honest, and no requests where the post answers them."""
    for wording in knowledge.wordings:
        if wording.kind != "act":
            unknown = frozenset() if wording.kind == "intent" else UNTOLD
            yield RequestText(
                text=wording.text, labels=frozenset({Label.HONEST}), unknown=unknown,
                weight=AROUND if wording.language == ENGLISH else 1.0,
            )  # fmt: skip


# Which kind a request, a crisis or a formal letter is of: words of the author's own remark on it.
KINDS: dict[str, str] = {
    RefusalReason.OTHER_PEOPLE: """other another ex.?partner colleague neighbo client member fremde
        başkas dane.innej outra localisation who.else moderator rival 他人 journalist.asks""",
    RefusalReason.ACCOUNT_ACTION: r"""\bact\b action agent.change mfa 2fa delet remove reset change
        merge disable 代行 konto cuenta handelen rotate turn.off""",
    RefusalReason.VOUCHING: """vouch link genuine number sender garan borg real caller
        person.works""",
    RefusalReason.DESK_INTERNALS: "instruc prompt inject system developer role",
    RefusalReason.IMPERSONATION: "lure text.(?:that|for) form. notice campaign phish draft writ",
    EscalationReason.EXTORTION: """extor ransom blackmail afpers chantage estors şantaj вимаг
        требуют ابتزاز 脅迫 협박 माँग""",
    EscalationReason.DANGER: """danger suicid self-harm threat stalk swat bomb dox abuser perigo
        peligro слежка धमकी""",
    EscalationReason.TAKEOVER: """takeover sim.swap abused live locked.out phisher przej włam 被盗
        compromise""",
    EscalationReason.VULNERABILITY: "vuln 漏洞",
    EscalationReason.PRESS: "press journal podcast преса",
    EscalationReason.DATA_SUBJECT: """dsar subject auskunft erasure kvkk lgpd gdpr avg ccpa cancella
        başvur titular 開示 청구 access formal.data""",
    EscalationReason.REGULATOR: r"""regulat authority dpa ico\b uodo anpd myndighet
        data.protection.o consumer""",
    EscalationReason.LEGAL: """law legal anwalt avvocat solicit subpoena counsel mandate mise.en
        kancelaria адвокат محام 弁護士 변호 contract union insurer 律师""",
}
FAMILIES = {
    "cred_own": (Label.DEMAND,), "cred_other": (Label.DEMAND,), "bot_secret": (Label.DEMAND,),
    "solicit_credentials": (Label.OTHER_REQUEST, RefusalReason.IMPERSONATION),
    "phishing_compose": (Label.OTHER_REQUEST, RefusalReason.IMPERSONATION),
    "other_user_data": (Label.OTHER_REQUEST, RefusalReason.OTHER_PEOPLE),
    "account_action": (Label.OTHER_REQUEST, RefusalReason.ACCOUNT_ACTION),
    "system_prompt": (Label.INJECTION, RefusalReason.DESK_INTERNALS),
    "injection_body": (Label.INJECTION, RefusalReason.DESK_INTERNALS),
    "slack_markup": (Label.INJECTION, RefusalReason.DESK_INTERNALS),
    "knowledge_poisoning": (Label.INJECTION, RefusalReason.DESK_INTERNALS),
    "crisis": (Label.CRISIS,), "account_takeover": (Label.CRISIS, EscalationReason.TAKEOVER),
    "legal_press": (Label.FORMAL,),
}  # fmt: skip
UNCERTAIN = frozenset({"multi_turn", "pasted_secret"})  # families that need more than their text


def _text_of_row(row: RequestRow) -> RequestText:
    labels = set(row.labels) | ({Label.SILENT} if row.expected == "silent" else set())
    if ASKED_FOR & labels:
        labels.add(Label.REFUSE)
    remark = row.how.lower()
    known = {n for n, words in KINDS.items() if re.search("|".join(words.split()), remark)}
    kinds = {name for name in known if _fits(name, labels)}
    unknown = frozenset({Label.HONEST} if Label.REFUSE in labels else ())
    return RequestText(
        text=row.text, labels=frozenset({*labels, *kinds}), sentence=row.sentence, row=row,
        unknown=unknown, language=row.lang,
    )  # fmt: skip


def _fits(kind: str, labels: set[Label]) -> bool:
    if kind in tuple(RefusalReason):
        return bool({Label.OTHER_REQUEST, Label.INJECTION} & labels)
    crisis = kind in (
        EscalationReason.DANGER, EscalationReason.TAKEOVER, EscalationReason.EXTORTION
    )  # fmt: skip
    return (Label.CRISIS if crisis else Label.FORMAL) in labels


def _of_knowledge(message: LabelledMessage) -> RequestText | None:
    """What a labelled message teaches; None where its label says too little of what it asks for."""
    if message.kind in ANSWERED:
        labels, unknown = frozenset({Label.HONEST}), frozenset[str]()
    elif message.kind is MessageKind.UNANSWERABLE:
        labels, unknown = frozenset({Label.HONEST}), UNTOLD
    elif message.kind is MessageKind.REFUSE:
        labels, unknown = frozenset({Label.REFUSE}), ASKED_FOR
    elif message.kind is MessageKind.OFFTOPIC:
        labels, unknown = frozenset({Label.OFF_TOPIC}), frozenset[str]()
    else:
        return None
    return RequestText(
        text=message.text, labels=labels, unknown=unknown, language=message.lang,
        weight=1.0 if message.lang == ENGLISH else FURTHER, is_plain=message.kind in ANSWERED,
    )  # fmt: skip


def _generated() -> Iterator[RequestText]:
    every = frozenset(ASKED_FOR)
    for message in labelled():
        if is_held_out(message) or message.category.startswith("evasion"):
            continue
        if message.category in UNCERTAIN:
            continue
        if message.category in FAMILIES:
            labels = set(FAMILIES[message.category])
            labels |= {Label.REFUSE} if ASKED_FOR & labels else set()
            yield RequestText(text=message.text, labels=frozenset(labels), weight=AROUND)
        elif message.expected == "refuse":
            yield RequestText(
                text=message.text, labels=frozenset({Label.REFUSE}), unknown=every, weight=AROUND
            )
        elif message.expected in ("answer", "answer_or_escalate", "silent"):
            yield RequestText(text=message.text, labels=frozenset({Label.HONEST}), weight=AROUND)


def _example(item: RequestText, encode: StateEncoder) -> RequestExample:
    own_text, spoken, wanted, weights = _labelled_rows(item)
    return RequestExample(
        vectors=build_inputs(spoken, own_text, "", encode), wanted=wanted, weights=weights,
        row=item.row, is_plain=item.is_plain, side=item.side,
    )  # fmt: skip


def _labelled_rows(item: RequestText) -> tuple[str, tuple[str, ...], Array, Array]:
    """The text as a whole, its sentences, and what is wanted of each of these and of the whole.

    The last two have a row for each sentence and one for the whole: what each output should be, and
    how much that counts.
    """
    text = clean_message(redact(item.text).text).own
    deciding = redact(item.sentence).text
    own_text, spoken = select_sentences(text)
    wanted = np.zeros((len(spoken) + 1, len(OUTPUTS)), np.float32)
    weights = np.full_like(wanted, item.weight)
    own = [PLACE[name] for name in item.labels - {Label.HONEST}]
    sure = len(spoken) == 1 or not deciding
    for place, sentence in enumerate(spoken):
        if sure or _decides(sentence, deciding):
            wanted[place, [PLACE[name] for name in item.labels]] = 1
            if own and not sure:
                wanted[place, PLACE[Label.HONEST]] = weights[place, PLACE[Label.HONEST]] = 0
        else:
            weights[place, own] *= BESIDE
            weights[place, PLACE[Label.HONEST]] = 0
    weights[:-1, PLACE[Label.SILENT]] = 0
    wanted[-1, [PLACE[name] for name in item.labels]] = 1
    weights[:, [PLACE[name] for name in item.unknown]] = 0
    weights[:, LABELS:] *= _kinds_known(item.labels)
    return own_text, spoken, wanted, weights


def _kinds_known(labels: frozenset[str]) -> Array:
    """Kinds are learned only among messages of which a kind is known."""
    known = np.zeros(len(OUTPUTS) - LABELS, np.float32)
    groups = ((0, 5), (5, 8), (8, 13))
    for first, last in groups:
        if any(name in labels for name in OUTPUTS[LABELS + first : LABELS + last]):
            known[first:last] = 1
    return known


def _decides(sentence: str, deciding: str) -> bool:
    """Is the sentence, as it was found, a part of the deciding one, or does it hold that?"""
    one, other = " ".join(sentence.split()), " ".join(deciding.split())
    if one in other or other in one:
        return True
    words, decisive = set(one.lower().split()), set(other.lower().split())
    shared = len(words & decisive)
    return shared > FEW_WORDS and shared >= MOSTLY * min(len(words), len(decisive))


def learn_request_head(
    examples: Sequence[RequestExample], *, means: Array, encoder: str, data: str
) -> RequestHead:
    """A head from `examples`, still without calibration and thresholds."""
    seen = np.concatenate([np.float32(REACH) * each.vectors for each in examples])
    wanted = np.concatenate([each.wanted for each in examples])
    weights = np.concatenate([each.weights for each in examples])
    learned = average_nets([_train(seen, wanted, weights, seed=seed) for seed in SEEDS])
    return RequestHead(
        encoder=encoder, data=data, means=means, **learned,
        calibration=np.tile(np.array([1, 0, 0], np.float32), (LABELS, 1)),
        refused=1.0, paged=1.0, alarming=1.0, formal=1.0, wants_person=1.0,
        secret_given=1.0, silent=1.0,
    )  # fmt: skip


def with_thresholds(
    head: RequestHead, calibration: Array, thresholds: dict[str, float]
) -> RequestHead:
    """`head` with what was chosen on authors that it had not seen."""
    return replace(head, calibration=calibration, **thresholds)  # type: ignore[arg-type]


def average_nets(nets: Sequence[dict[str, Array]]) -> dict[str, Array]:
    """One net whose outputs are the means of those of `nets`: their hidden units side by side."""
    beside = {
        "inner": np.concatenate([net["inner"] for net in nets], axis=1),
        "inner_bias": np.concatenate([net["inner_bias"] for net in nets]),
        "outer": np.concatenate([net["outer"] for net in nets]) / len(nets),
    }
    means = {name: np.mean([net[name] for net in nets], axis=0) for name in ("direct", "bias")}
    return {name: array.astype(np.float32) for name, array in (beside | means).items()}


def _train(inputs: Array, wanted: Array, weights: Array, *, seed: int) -> dict[str, Array]:
    """The arrays of a net by name, learned by steps on batches of weighed examples."""
    rng = np.random.default_rng(seed)
    outputs = wanted.shape[1]
    start = {
        "inner": (0.75 * rng.normal(size=(INPUTS, HIDDEN)) / INPUTS**0.5).astype("f4"),
        "inner_bias": np.zeros(HIDDEN, np.float32),
        "outer": (rng.normal(size=(HIDDEN, outputs)) / HIDDEN**0.5).astype("f4"),
        "direct": np.zeros((INPUTS, outputs), np.float32),
        "bias": np.full(outputs, -2, np.float32),
    }
    adam = Adam(start, dict.fromkeys(start, RATE), dict.fromkeys(MATRICES, SHRINK))
    batches = -(-len(inputs) // BATCH)
    for _ in range(EPOCHS):
        for part in np.array_split(rng.permutation(len(inputs)), batches):
            kept = ((rng.random(INPUTS) > DROP) / (1 - DROP)).astype("f4")[:, None]
            gradients = _gradients(adam.parameters, kept, inputs[part], wanted[part], weights[part])
            adam.step(gradients, 1 - 0.9 * adam.steps / (EPOCHS * batches))
    return adam.parameters


def _gradients(
    now: dict[str, Array], kept: Array, seen: Array, wanted: Array, weights: Array
) -> dict[str, Array]:
    """Gradients of the weighed mean loss of a batch; `kept` scales inputs, or leaves them out."""
    hidden = np.maximum(seen @ (kept * now["inner"]) + now["inner_bias"], 0)
    odds = hidden @ now["outer"] + seen @ (kept * now["direct"]) + now["bias"]
    gradient = (1 / (1 + np.exp(-np.clip(odds, -30, 30))) - wanted) * weights / len(seen)
    gradient = gradient.astype(np.float32)
    back = (gradient @ now["outer"].T) * (hidden > 0)
    return {
        "inner": kept * (seen.T @ back), "inner_bias": back.sum(0), "outer": hidden.T @ gradient,
        "direct": kept * (seen.T @ gradient), "bias": gradient.sum(0),
    }  # fmt: skip
