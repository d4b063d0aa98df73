"""A WebSocket on the standard library: just enough of it to be Slack's end of Socket Mode."""

import base64
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from io import BufferedIOBase
from typing import Any

KEY = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA


def greeting(key: str) -> bytes:
    """The answer to the upgrade."""
    accept = base64.b64encode(hashlib.sha1((key + KEY).encode()).digest()).decode()
    head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return f"{head}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()


class Line:
    """One connection."""

    def __init__(self, connection: socket.socket, reading: BufferedIOBase) -> None:
        self.connection = connection
        self.reading = reading
        self.gone = False
        self.lock = threading.Lock()

    def send(self, told: dict[str, Any]) -> None:
        """An envelope."""
        self._frame(TEXT, json.dumps(told).encode())

    def close(self) -> None:
        """Hang up."""
        self.gone = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def read(self) -> Iterator[bytes]:
        """What the other side says, until it hangs up."""
        while not self.gone:
            try:
                opcode, raw = self._read()
            except (OSError, ValueError, struct.error):
                break
            if opcode == CLOSE:
                break
            if opcode == PING:
                self._frame(PONG, raw)
            if opcode == TEXT:
                yield raw
        self.gone = True

    def _read(self) -> tuple[int, bytes]:
        first, second = struct.unpack("BB", self.reading.read(2))
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", self.reading.read(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", self.reading.read(8))
        mask = self.reading.read(4)
        return first & 0x0F, bytes(b ^ mask[i % 4] for i, b in enumerate(self.reading.read(size)))

    def _frame(self, opcode: int, raw: bytes) -> None:
        size = len(raw)
        if size < 126:
            head = struct.pack("BB", 0x80 | opcode, size)
        elif size < 65536:
            head = struct.pack(">BBH", 0x80 | opcode, 126, size)
        else:
            head = struct.pack(">BBQ", 0x80 | opcode, 127, size)
        with self.lock, suppress(OSError):
            self.connection.sendall(head + raw)
