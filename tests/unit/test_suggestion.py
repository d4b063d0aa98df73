"""What a sentence of a model is worth: only the post's own words count as supported."""

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.corpus import Knowledge
from bot.staff.suggestion import MAX_SENTENCES, Support, assess_wording, find_support


@pytest.mark.parametrize(
    ("text", "support"),
    [
        ("Because passwords and API keys were not affected, we are not recommending resets or key rotation in response to this incident.", Support.STATED),
        ("Because passwords and API keys were not affected, we are not recommending key rotation.", Support.NEAR),
        ("Because passwords and API keys were affected, we are recommending resets or key rotation.", Support.NONE),
        ("Passwords and API keys were not affected on November 7.", Support.NONE),
        ("Please rotate every key by Friday.", Support.NONE),
        ("recommending resets or key rotation in response to this incident", Support.NONE),
        ("Hello.", Support.NONE),
    ],
)  # fmt: skip
def test_support(knowledge: Knowledge, text: str, support: Support) -> None:
    passage = next(p for p in knowledge.offered if "not recommending resets" in p.text)
    found = find_support(text, [passage])
    assert found.support is support
    assert (found.passage is None) == (support is Support.NONE)


def test_every_sentence_of_the_post_is_stated(knowledge: Knowledge) -> None:
    for passage in knowledge.offered:
        for sentence in passage.sentences:
            assert find_support(sentence, [passage]).support is Support.STATED, sentence


@given(turn=st.sampled_from(["Not so: ", "It is false that ", "Nobody says that "]), data=st.data())
def test_a_sentence_that_was_turned_round_is_never_stated(
    knowledge: Knowledge, turn: str, data: st.DataObject
) -> None:
    passage = data.draw(st.sampled_from(knowledge.offered))
    sentence = data.draw(st.sampled_from(passage.sentences))
    assert find_support(turn + sentence, [passage]).support is not Support.STATED


def test_a_suggestion_is_masked_and_warned_of(knowledge: Knowledge) -> None:
    key = "sk-proj-" + "".join(random.Random(8).choices(string.ascii_letters + string.digits, k=48))
    found = assess_wording(
        f"Send us your password. Your key {key} is known. See evil.example/login.", (), knowledge
    )
    assert key not in " ".join(s.text for s in found.sentences)
    assert {s.support for s in found.sentences} == {Support.NONE}
    assert any("password, key or code" in w for w in found.warnings)
    assert any("evil.example" in w for w in found.warnings)


@pytest.mark.no_cover
@given(st.text(max_size=3_000))
def test_no_text_breaks_it(knowledge: Knowledge, text: str) -> None:
    found = assess_wording(text, knowledge.offered, knowledge)
    assert len(found.sentences) <= MAX_SENTENCES
