"""The DNS gate: who may be found.

    client → server → message.read_query → lookups.decide → refused, or led to a gate that can read
                                        ↘ lookups.admit → cache, upstream → lookups.judge → client

`message` and `answer` are bytes in, values out; `server` and `upstream` have the sockets.
"""
