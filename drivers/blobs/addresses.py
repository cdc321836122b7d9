"""Which addresses the service may connect to on behalf of somebody who only gave a URL."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Public by Python's list (3.11), but not the public's: the metadata services of Azure and Oracle, and 6to4 relays.
SPECIAL_IPV4 = tuple(IPv4Network(each) for each in ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24"))
# All of IPv6 that is handed out to the public, and what tunnels out of it: Teredo, 6to4; documentation (RFC 9637).
PUBLIC_IPV6 = IPv6Network("2000::/3")
SPECIAL_IPV6 = tuple(IPv6Network(each) for each in ("2001::/23", "2002::/16", "3fff::/20"))
# Networks whose addresses are IPv4 ones in their last 32 bits: mapped (RFC 4291), and NAT64 (RFC 6052).
EMBEDDING = tuple(IPv6Network(each) for each in ("::ffff:0:0/96", "64:ff9b::/96"))


def parse_networks(blocks: Sequence[str]) -> tuple[Network, ...]:
    """Read CIDR blocks. Raise ValueError for what is none."""
    return tuple(ip_network(block) for block in blocks)


def may_connect(text: str, allowed: Sequence[Network]) -> bool:
    """Tell whether an address is in an allowed network, or a public one.

    Loopback, private, link-local, shared, multicast, reserved and metadata addresses are not public. An address that
    means an IPv4 one, mapped or by NAT64, is judged as that; 6to4 and Teredo are never public.
    """
    address = _meant(ip_address(text))
    return any(address in network for network in allowed) or _is_public(address)


def _meant(address: Address) -> Address:
    embedded = isinstance(address, IPv6Address) and any(address in network for network in EMBEDDING)
    return IPv4Address(int(address) & 0xFFFFFFFF) if embedded else address


def _is_public(address: Address) -> bool:
    if address.is_multicast or not address.is_global:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in SPECIAL_IPV4)
    return address in PUBLIC_IPV6 and not any(address in network for network in SPECIAL_IPV6)
