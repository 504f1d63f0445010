"""What an operator may decide about calls."""

from __future__ import annotations

from msgspec import Struct


class IceServer(Struct, frozen=True, kw_only=True):
    """A STUN or TURN server that is asked for candidates of ours."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None


class WebRtcSettings(Struct, frozen=True, kw_only=True):
    ice_servers: tuple[IceServer, ...] = ()
    """None by default: nothing outside is ever contacted unasked."""
    host_addresses: tuple[str, ...] = ()
    """Local IP addresses to offer; empty: those of all interfaces."""
    public_addresses: tuple[str, ...] = ()
    """Under which the world reaches this machine, on the same ports: a NAT of one to one."""
    port_min: int = 0
    port_max: int = 0
    """UDP ports for media; 0: any.  A call takes one for each local address."""
    gather_timeout_s: float = 5.0
    """How long STUN and TURN servers may take to answer."""
    setup_timeout_s: float = 15.0
    """From the answer until media and data channel are up; then the call is given up."""
    close_timeout_s: float = 2.0
    """How long the last events of a call that is closed may take to arrive."""
    max_calls: int = 1000
    """At once; more are refused."""
    load_when_asked: bool = False
    """Load the libraries, which takes a second, with the first offer and not at the start."""
