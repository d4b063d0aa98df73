"""A TCP proxy that breaks a connection in the way it is told to."""

import socket
import threading
from contextlib import suppress
from enum import Enum, auto


class Fault(Enum):
    NONE = auto()
    DROP = auto()  # hang up at once
    STALL = auto()  # swallow everything, as a firewall does
    GARBAGE = auto()  # answer nonsense
    BYE = auto()  # the server says good-bye in the middle
    LOGIN = auto()  # the server refuses the login for now
    QUOTA = auto()  # the server has no room to move a mail
    READ_ONLY = auto()  # the folder may not be changed


REFUSALS = {
    Fault.LOGIN: (b" LOGIN ", b"[UNAVAILABLE] try later"),
    Fault.QUOTA: (b" MOVE ", b"[OVERQUOTA] no room"),
}


class Proxy:
    """127.0.0.1:`port` in front of a server; set `fault` at any time."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.fault = Fault.NONE
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lines: list[socket.socket] = []
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._closed = True
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Hang up on everybody."""
        for line in self._lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()
        self._lines.clear()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.fault is Fault.DROP:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self.target))
            self._lines += [client, server]
            for source, sink, back in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pump, args=(source, sink, back), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, back: bool) -> None:  # noqa: FBT001
        with suppress(OSError):
            while data := source.recv(65536):
                if self.fault is Fault.STALL:
                    continue
                command, says = REFUSALS.get(self.fault, (b"\x00", b""))
                if not back and command in data.upper():
                    source.sendall(data.split()[0] + b" NO " + says + b"\r\n")
                    continue
                if back and self.fault is Fault.READ_ONLY:
                    data = data.replace(b"[READ-WRITE]", b"[READ-ONLY]")
                if back and self.fault is Fault.GARBAGE:
                    data = b"\x00\xff)( garbage {99\r\n" * 3
                if back and self.fault is Fault.BYE:
                    sink.sendall(b"* BYE shutting down\r\n")
                    break
                sink.sendall(data)
        for line in (source, sink):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
