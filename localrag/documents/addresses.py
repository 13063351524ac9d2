"""Which network addresses may be fetched from, and connections that go nowhere else."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Beyond what `is_global` of every supported Python refuses: IANA special-purpose registries, and IPv6 forms that lead to IPv4.
_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "192.0.0.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "240.0.0.0/4",
        "::/96",  # IPv4-compatible
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
    )
)


class RefusedAddress(Exception):  # noqa: N818  the message is the address; `web` makes the sentence
    """An address the policy does not permit."""


class AddressPolicy:
    """Public addresses only: what the internet routes, not this machine, the local network or a way round to them."""

    def permits(self, address: Address) -> bool:
        """Whether a connection to this address may be made."""
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            return self.permits(address.ipv4_mapped)
        if not address.is_global or address.is_multicast or address.is_reserved:
            return False
        return not any(address in network for network in _REFUSED if network.version == address.version)


class AnyAddress(AddressPolicy):
    """Every address, this machine and the local network included."""

    def permits(self, address: Address) -> bool:
        return True


class Deadline:
    """A moment after which everything that still waits on a watched socket is ended.

    A socket's own timeout starts again with every byte, so a server that drips would hold it for ever. At the deadline the
    watched socket is shut down instead: whatever waits on it, TLS handshake and headers included, returns at once.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._watched: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    @property
    def remaining_s(self) -> float:
        """Seconds left, never below a millisecond: a socket takes 0 for "do not wait"."""
        return max(0.001, self._end - time.monotonic())

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._end

    def watch(self, connection: socket.socket) -> None:
        """Watch this connection instead of the one before. A duplicate is kept: TLS takes the original over."""
        with self._lock:
            self._release()
            self._watched = connection.dup()
        if self.is_over:
            self._cut()

    def close(self) -> None:
        self._timer.cancel()
        with self._lock:
            self._release()

    def _release(self) -> None:
        if self._watched is not None:
            self._watched.close()
            self._watched = None

    def _cut(self) -> None:
        with self._lock:
            if self._watched is not None:
                try:
                    self._watched.shutdown(socket.SHUT_RDWR)
                except OSError:
                    self._release()


class Guard:
    """Makes the connections of one fetch: resolves a name once, checks every address, connects to a checked one only.

    Since the checked address itself is connected to, a name server that answers differently the next time (DNS rebinding)
    gains nothing, and odd spellings of an address (0x7f.1, 2130706433) mean what the resolver makes of them.
    """

    def __init__(self, policy: AddressPolicy, deadline: Deadline) -> None:
        self._policy = policy
        self.deadline = deadline

    def connect(self, host: str, port: int) -> socket.socket:
        """A connected socket. Raises RefusedAddress: by the policy. OSError: not resolved or not connected."""
        problem: OSError = OSError("no address")
        for family, kind, protocol, _, where in self._permitted(host, port):
            connection = socket.socket(family, kind, protocol)
            try:
                self.deadline.watch(connection)
                connection.settimeout(self.deadline.remaining_s)
                connection.connect(where)
            except OSError as exc:
                connection.close()
                problem = exc
            else:
                return connection
        raise problem

    def _permitted(self, host: str, port: int) -> list[Any]:
        found = self._resolve(host, port)
        for entry in found:
            text = str(entry[4][0]).partition("%")[0]
            if not self._policy.permits(ipaddress.ip_address(text)):
                raise RefusedAddress(text)
        return found

    def _resolve(self, host: str, port: int) -> list[Any]:
        """All addresses of a host. The resolver cannot be given a time limit, so a thread waits for it."""
        answer: list[Any] = []
        failure: list[OSError] = []

        def ask() -> None:
            try:
                answer.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            except UnicodeError as exc:
                failure.append(socket.gaierror(str(exc)))
            except OSError as exc:
                failure.append(exc)

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(self.deadline.remaining_s)
        if failure:
            raise failure[0]
        if asking.is_alive() or not answer:
            raise TimeoutError("the name was not resolved")
        return answer


class GuardedHTTP(HTTPConnection):
    """A plain connection through a guard."""

    guard: Guard

    def _new_conn(self) -> socket.socket:
        return self.guard.connect(self.host.strip("[]"), self.port or 80)


class GuardedHTTPS(HTTPSConnection):
    """A TLS connection through a guard; the certificate and server name are those of the host's name, not its address."""

    guard: Guard

    def _new_conn(self) -> socket.socket:
        return self.guard.connect(self.host.strip("[]"), self.port or 443)
