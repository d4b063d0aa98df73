"""Hosts on this machine: each a network namespace with desks in it, which can lose its line and die.

Servers that listen on loopback alone are reached from there through a process that forwards. It
needs root and `ip` of iproute2.
"""

import asyncio
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bot.settings import Settings
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
END_SECONDS = 60.0  # that a desk has to finish what it is doing
COPIED = (
    "vectors.npz", "text-vectors.npz", "fit.npz", "index.version", "index.learned", "incident",
)  # fmt: skip


def missing() -> str:
    """Why there can be no hosts here; empty when there can."""
    if os.geteuid() != 0:
        return "a network namespace needs root"
    if not shutil.which("ip"):
        return "ip is not installed (Debian: iproute2)"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "this machine allows no network namespaces"


@dataclass(kw_only=True)
class Host:
    """A namespace with its processes; `address` is where it reaches this machine."""

    number: int
    namespace: str = ""
    line: str = ""  # the name of its line on this machine
    address: str = "127.0.0.1"
    processes: "list[subprocess.Popen[bytes]]" = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)
    dead: bool = False
    spent: float = 0.0  # CPU seconds of its processes when they were last looked at

    def pull_away(self) -> None:
        """Cut the line, then kill every process."""
        self.look()
        if self.line:
            _ip("link", "set", self.line, "down")
        self.dead = True
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def look(self) -> float:
        """Return the CPU seconds that its processes and their children have taken so far."""
        if not self.dead:
            self.spent = sum(_cpu_seconds(process.pid) for process in self.processes)
        return self.spent


@contextmanager
def host(number: int, *, alone: bool) -> Iterator[Host]:
    """Give a host: a namespace with a line to this machine, or this machine itself when alone."""
    if alone:
        yield Host(number=number)
        return
    # The names and the network hold the process id, so that runs beside each other do not meet.
    process = os.getpid()
    name = line = f"d{process}-{number}"
    network = f"10.{20 + process % 200}.{number}"
    _ip("netns", "add", name)
    try:
        _ip("link", "add", line, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("addr", "add", f"{network}.1/24", "dev", line)
        _ip("link", "set", line, "up")
        for command in (
            ("addr", "add", f"{network}.2/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"), ("link", "set", "lo", "up"),
        ):  # fmt: skip
            _ip("-n", name, *command)
        yield Host(number=number, namespace=name, line=line, address=f"{network}.1")
    finally:
        _ip("netns", "del", name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def end(host: Host) -> None:
    for process in host.processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    for process in host.processes:
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def start(host: Host, settings: Settings, home: Path, where: Mapping[str, str]) -> None:
    """Start one `serve` of a host on a home that has index, model and the common key."""
    home.mkdir()
    for name in COPIED:
        if (settings.home / name).exists():
            shutil.copy(settings.home / name, home)
    key = home.parent / "installation.key"
    if not key.exists():
        key.write_text(secrets.token_hex(32), encoding="ascii")
    shutil.copy(key, home)
    environment = {
        "PATH": f"{os.defpath}:/usr/sbin:/sbin", "PYTHONPATH": str(ROOT),
        "DESK_HOME": str(home), "DESK_MODEL_FOLDER": str(settings.models.resolve()),
        "DESK_HTTP_PORT": "0", "DESK_WEB": "false", "OPENBLAS_NUM_THREADS": "1", **where,
    }  # fmt: skip
    inside = ["ip", "netns", "exec", host.namespace] if host.namespace else []
    log = home / "log"
    with log.open("wb") as out:
        host.processes.append(
            subprocess.Popen(
                [*inside, sys.executable, "-m", "bot.cli", "serve"],
                env=environment, stdout=out, stderr=out, start_new_session=True,
            )
        )  # fmt: skip
    host.logs.append(log)


@contextmanager
def chroma_server(settings: Settings, folder: Path) -> Iterator[int]:
    """Run a Chroma server on a copy of the index; give its port."""
    copy = shutil.copytree(settings.chroma, folder / "chroma")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    program = Path(sys.executable).parent / "chroma"
    process = subprocess.Popen(
        [str(program), "run", "--path", str(copy), "--port", str(port), "--host", "127.0.0.1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        wait_until(lambda: _listens(port))
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def forwarding(addresses: Sequence[str], ports: Sequence[int]) -> Iterator[None]:
    """Let the hosts reach servers that listen on loopback alone, from a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.hosts", ",".join(addresses), *map(str, ports)]
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _cpu_seconds(process_id: int) -> float:
    """Return the CPU seconds of a process and of all below it, those that ended included."""
    try:
        told = (
            Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        )
        children = [
            int(child)
            for task in Path(f"/proc/{process_id}/task").iterdir()
            for child in (task / "children").read_text(encoding="ascii").split()
        ]
    except OSError:
        return 0.0
    return sum(map(int, told[11:15])) / CLOCK_TICKS + sum(map(_cpu_seconds, children))


async def _forward(addresses: Sequence[str], ports: Sequence[int]) -> None:
    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(65_536):
                writer.write(chunk)
                await writer.drain()
        writer.close()

    def serve(port: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pump(reader, back), pump(there, writer))

        return accept

    servers = [
        await asyncio.start_server(serve(port), address, port)
        for address in addresses
        for port in ports
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":  # the process that forwards
    asyncio.run(_forward(sys.argv[1].split(","), [int(port) for port in sys.argv[2:]]))
