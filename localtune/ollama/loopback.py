"""Addresses that lead back to this machine."""

from __future__ import annotations

import ipaddress

# Where a server listens that listens everywhere -> where this machine itself finds it.
NEAR = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def leads_back(address: str) -> bool:
    """Whether an IP address, or the name localhost, leads to the machine it is asked from."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
