"""Where an Ollama server listens: --host or OLLAMA_HOST -> the URL that a client talks to.

Source: Host and ConnectableHost of envconfig/config.go in Ollama 0.33.
"""

from __future__ import annotations

import ipaddress
import os
import re
from urllib.parse import urlsplit

from localtune.errors import ConfigError
from localtune.ollama.loopback import NEAR, leads_back

PORT = "11434"
PORTS = {"http": "80", "https": "443"}  # where a scheme is named and no port
SPLIT = re.compile(r"\[([^\[\]]*)\]:([^:\[\]]*)|([^:\[\]]*):([^:\[\]]*)")


def server_url(host: str = "") -> str:
    """Return the URL of a server: of `host`, else of OLLAMA_HOST, else the usual one.

    A port that can't be one is read as Ollama reads it in OLLAMA_HOST, which is as none; in `host`
    it raises ConfigError, as does a scheme that isn't http or https.
    """
    named = host.strip()
    text = named or os.environ.get("OLLAMA_HOST", "").strip().strip("\"'").strip()
    scheme, found, rest = text.partition("://")
    scheme, rest = (scheme.lower(), rest) if found else ("http", text)
    if scheme not in PORTS:
        raise ConfigError(
            f"The address {text} is neither http:// nor https://.",
            "Give Ollama's address as HOST, HOST:PORT or a URL, with --host or OLLAMA_HOST.",
        )
    if not found and rest == "ollama.com":
        scheme, rest = "https", "ollama.com:443"
    place, _, path = rest.partition("/")
    name, port = _split(place, PORTS[scheme] if found else PORT)
    if not _is_port(port):
        if named:
            raise ConfigError(f"{port!r} in --host {host} is no port.", "A port is 0 to 65535.")
        port = PORTS[scheme] if found else PORT
    name = NEAR.get(name, name) or "127.0.0.1"
    name = f"[{name}]" if ":" in name else name
    return f"{scheme}://{name}:{port}/{path}".rstrip("/")


def _split(place: str, port: str) -> tuple[str, str]:
    """Return host and port; an address of IPv6 may stand in brackets, and alone without them."""
    found = SPLIT.fullmatch(place)
    if found:
        host, port = (part or "" for part in (found[1] or found[3], found[2] or found[4]))
        return _short(host), port
    return _short(place.strip("[]")), port


def _short(host: str) -> str:
    """Return an address in its shortest form, so that every way to write :: is known."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host


def _is_port(port: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,5}", port)) and int(port) <= 65535


def is_this_machine(url: str) -> bool:
    """Whether a URL leads to the machine it is asked from, over loopback."""
    return leads_back(urlsplit(url).hostname or "")
