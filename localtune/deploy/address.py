"""Where a server listens: whether it can, who reaches it there, and under which URL."""

from __future__ import annotations

import errno
import socket
from typing import Any

from localtune.errors import ConfigError
from localtune.ollama.loopback import NEAR, leads_back


def check_free(host: str, port: int) -> None:
    """Raise ConfigError where nothing can listen at a host and port: taken, forbidden, not ours."""
    for family, _, _, _, address in _resolved(host, port):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except OSError as error:
            raise _refused(host, port, error) from error


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host. Raises ConfigError where there is no such host."""
    found = (str(address[0]).partition("%")[0] for *_, address in _resolved(host, 0))
    return all(map(leads_back, found))


def local_url(host: str, port: int) -> str:
    """Return the URL by which this machine reaches a server that listens at a host and port."""
    near = NEAR.get(host, host)
    return f"http://[{near}]:{port}" if ":" in near else f"http://{near}:{port}"


def _resolved(host: str, port: int) -> list[Any]:
    """Return the addresses of a host; for a name that has several, those of IPv4 if there are."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"--host is {host!r}, which is no name or address of this machine.",
            "Use 127.0.0.1, or 0.0.0.0 for every address.",
        ) from error
    return [entry for entry in found if entry[0] == socket.AF_INET] or found


def _refused(host: str, port: int, error: OSError) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        hint = f"Choose another with --port, such as {port + 1 if port < 65535 else port - 1}."
        return ConfigError(f"Another program listens at {host}, port {port}.", hint)
    if error.errno in (errno.EACCES, errno.EPERM):
        return ConfigError(f"Port {port} needs an administrator.", "Use 1024 or more for --port.")
    return ConfigError(
        f"--host {host} isn't an address of this machine ({error.strerror}).",
        "Use 127.0.0.1, or 0.0.0.0 for every address.",
    )
