"""The household's resolvers: asked over UDP, over TCP where that is too small, or over TLS.

Whoever did not see a question has to guess its number, the port it came from and the case of each
letter of the name (RFC 5452; draft-vixie-dnsext-dns0x20). A resolver that was stated with a name is
asked over TLS (RFC 7858) and never in the clear.

    resolvers   which one is asked next, and for how long
    hearing     whether any of them answers at all
    datagrams   the UDP sockets to one of them
    streams     the connection to one of them, TCP or TLS
    question    what is asked, and who waits for it; no sockets
"""

from .question import ResolverError
from .resolvers import Resolvers

__all__ = ["ResolverError", "Resolvers"]
