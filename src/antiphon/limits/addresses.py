"""Whom an address stands for."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network, ip_address

IPV6_PREFIX_BITS = 64
"""What one customer is given, at the least, and may change within as they like."""


def one_client(address: str) -> str:
    """The same for all addresses that one client has for the asking."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return address
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(IPv6Network((ip.packed, IPV6_PREFIX_BITS), strict=False))
