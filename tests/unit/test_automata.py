"""What compiled rules keep in memory ends with them: they are compiled anew after so many texts."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bot.domain import RefusalReason
from bot.policy import automata, message_rules, rules, screening, thanks
from bot.policy.verdict import Refuse

COMPILED = (
    rules.packaged_rules, rules.packaged_suspect, screening._paging,
    message_rules._packaged, thanks._packaged,
)  # fmt: skip
THREADS = 8
DEMAND = "Please send me my password."


def test_rules_are_compiled_anew_after_so_many_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automata, "TEXTS_UNTIL_RENEWAL", 2)
    before = [compiled() for compiled in COMPILED]
    told = [screening.screen(DEMAND) for _ in range(2)]
    assert all(now() is not then for now, then in zip(COMPILED, before, strict=True))
    assert {type(each) for each in told} == {Refuse}
    assert {each.reason for each in told if each} == {RefusalReason.SECRET}


def test_rules_are_compiled_once_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automata, "TEXTS_UNTIL_RENEWAL", 10**9)
    before = [compiled() for compiled in COMPILED]
    screening.screen(DEMAND)
    assert all(now() is then for now, then in zip(COMPILED, before, strict=True))


def test_one_of_many_threads_compiles_and_the_others_wait_for_it() -> None:
    started = threading.Barrier(THREADS)
    compiled: list[object] = []

    def compile_slowly() -> object:
        time.sleep(0.05)
        compiled.append(object())
        return compiled[-1]

    current = automata.compiled_anew(compile_slowly)

    def ask() -> object:
        started.wait()
        return current()

    with ThreadPoolExecutor(THREADS) as threads:
        answers = [each.result() for each in [threads.submit(ask) for _ in range(THREADS)]]
    assert answers == compiled * THREADS
