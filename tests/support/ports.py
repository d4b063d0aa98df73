"""Finds ports on which a test can listen."""

import itertools
import os
import socket

# Below the range from which Linux takes a port for each outgoing connection and for port 0: none of
# these is given to somebody else between the time it is found here and the time it is listened on.
FIRST, COUNT = 12_000, 20_000
STRIDE = 7_919  # processes with neighbouring ids, such as the workers of a run, begin far apart
_offsets = itertools.count(os.getpid() * STRIDE)


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on, another one each time."""
    return next(port for port in _candidates() if _is_free(port))


def _candidates() -> "itertools.islice[int]":
    return itertools.islice((FIRST + offset % COUNT for offset in _offsets), COUNT)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def is_open(port: object) -> bool:
    """Return whether somebody listens on this port of the loopback interface."""
    with socket.socket() as probe:
        return not probe.connect_ex(("127.0.0.1", int(str(port))))
