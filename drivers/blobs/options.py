"""What an operator may tune of a blob store, whichever it is."""

import msgspec


class BlobOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that a storage may take over one step, and networks in which URLs of other hosts may be fetched.

    `allowed_networks` are CIDR blocks, such as `10.1.0.0/16`, beside the public addresses, which are always allowed.
    """

    timeout: float = 30.0
    allowed_networks: tuple[str, ...] = ()
