"""Implements `bench`: times this desk's whole decision beside a stock LangChain chain.

Machines differ and are shared; so the ratios of one run are the result, not the times.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from langchain_chroma import Chroma as StockChroma
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnablePassthrough

from bot.adapters.chroma import Chroma
from bot.adapters.e5 import silent
from bot.answering.judges import FittedJudge
from bot.answering.reply import compose_reply
from bot.answering.responder import Responder
from bot.app import App
from bot.corpus.index_records import Record
from bot.domain import Message
from bot.settings import read_settings
from evals.bench_cost import bench_cost
from evals.bench_mail import bench_mail
from evals.bench_queries import bench_queries
from evals.bench_surge import bench_surge
from evals.measuring.schema import CASES, load_cases
from evals.measuring.stats import quantile

PROMPT = "Answer the question from the context alone.\n\n{context}\n\nQuestion: {question}"
GROWTH = (1, 10, 100)


def bench(argv: Sequence[str]) -> int:
    """Print times and ratios; `--questions N` takes the first N English ones."""
    arguments = _parser().parse_args(argv)
    if arguments.journal:
        bench_queries(messages=arguments.journal)
        return 0
    app = App(read_settings(), _say)
    texts = [c.text for c in load_cases(CASES) if c.lang == "en" and len(c.text.split()) < 30]
    if arguments.surge or arguments.mail or arguments.hosts:
        _bench_running(app, texts, arguments)
        return 0
    texts = texts[: arguments.questions]
    desk = _decision(app, app.responder)
    with tempfile.TemporaryDirectory() as folder:
        chain = stock_chain(app, Path(folder))
        mine, theirs = _turns(texts, desk, chain.invoke)
    _row("this desk, decision and reply", mine)
    _row("stock LangChain chain", theirs)
    print(f"ratio of the medians: {quantile(mine, 0.5) / quantile(theirs, 0.5):.2f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"peak memory {peak} MB, both together")
    print(f"cold start of `ask`: {_cold():.2f} s")
    if arguments.grow:
        _grow(app, texts)
    return 0


def _bench_running(app: App, texts: Sequence[str], arguments: argparse.Namespace) -> None:
    """Print the one figure of a running desk that was asked for."""
    if arguments.surge:
        bench_surge(app, count=arguments.surge)
    elif arguments.mail:
        bench_cost(app, texts, mails=arguments.mail)
        bench_mail(app, texts, mails=arguments.mail)
    else:
        from evals.bench_hosts import bench_hosts

        bench_hosts(app.settings, texts, mails=arguments.hosts, out=arguments.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evals bench")
    parser.add_argument("--questions", type=int, default=150)
    parser.add_argument(
        "--grow", action="store_true", help="also with 10 and 100 times the records"
    )
    parser.add_argument(
        "--mail", type=int, metavar="N", help="only the running desk: N mails, and a full journal"
    )
    parser.add_argument(
        "--surge", type=int, metavar="N", help="only what N mails in an hour cost people"
    )
    parser.add_argument(
        "--hosts", type=int, metavar="N",
        help="only N mails at two hosts of which one is pulled away; needs root",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="write the figures of --hosts to this JSON file")
    parser.add_argument(
        "--journal", type=int, metavar="N", help="only what queries cost on N messages"
    )
    return parser


def stock_chain(app: App, folder: Path) -> Runnable[str, str]:
    """Retriever, prompt, fake chat model, parser, on the same embedding and passages."""
    store = StockChroma("passages", embedding_function=app.encoder, persist_directory=str(folder))
    passages = app.knowledge.post.passages
    store.add_documents([Document(p.text, metadata={"id": p.id}) for p in passages])
    model = FakeListChatModel(responses=["I do not know."])
    joined = store.as_retriever(search_kwargs={"k": 4}) | _join
    return (
        {"context": joined, "question": RunnablePassthrough()}
        | ChatPromptTemplate.from_template(PROMPT)
        | model
        | StrOutputParser()
    )


def _join(documents: list[Document]) -> str:
    return "\n\n".join(d.page_content for d in documents)


def _decision(app: App, responder: Responder) -> Callable[[str], object]:
    def decide(text: str) -> object:
        return compose_reply(responder.respond(Message(text=text)), app.knowledge)

    return decide


def _turns(
    texts: Sequence[str], one: Callable[[str], object], other: Callable[[str], object]
) -> tuple[list[float], list[float]]:
    """Milliseconds of each, turn by turn, so that noise falls on both."""
    for text in texts[:5]:
        one(text)
        other(text)
    mine, theirs = [], []
    for text in texts:
        # a mark that changes nothing keeps either from using the other's vector
        mine.append(_timed(one, f"{text} "))
        theirs.append(_timed(other, f" {text}"))
    return mine, theirs


def _timed(run: Callable[[str], object], text: str) -> float:
    began = time.perf_counter()
    run(text)
    return (time.perf_counter() - began) * 1000


def _row(name: str, times: Sequence[float]) -> None:
    print(f"{name:<32} p50 {quantile(times, 0.5):6.1f} ms   p95 {quantile(times, 0.95):6.1f} ms")


def _cold() -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "bot.cli", "ask", "Were my API keys exposed?"],
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - began


def _grow(app: App, texts: Sequence[str]) -> None:
    """How the decision's time grows with what is indexed; copies are told apart by a number."""
    if app.fit is None:
        _say("no fit: growth is measured on the fitted desk only")
        return
    own = {p.id for p in app.knowledge.post.passages}
    base = [r for r in app.records() if r.label in own]
    first = 0.0
    for times in GROWTH:
        with tempfile.TemporaryDirectory() as folder:
            chroma = Chroma(encoder=app.encoder, folder=Path(folder))
            chroma.index(_copies(base, times), silent)
            judge = FittedJudge(fit=app.fit, vector=app.encoder.embed_query)
            desk = _decision(app, Responder(knowledge=app.knowledge, retriever=chroma, judge=judge))
            spent = quantile([_timed(desk, f"{t} ") for t in texts[:60]][5:], 0.5)
        first = first or spent
        count = len(own) * times
        print(f"{count:>6} passages: p50 {spent:6.1f} ms, {spent / first:.2f} times the first")


def _copies(base: Sequence[Record], times: int) -> list[Record]:
    return [
        Record(text=f"{r.text} {n}" if n else r.text, label=r.label, answers=r.answers)
        for n in range(times)
        for r in base
    ]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
