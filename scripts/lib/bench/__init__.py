"""Measurements of the firewall beside a peer, in one run and by turns.

    measure     cases, turns, medians, and how far the turns lie apart
    benches/    one file per bench; each has a `run(options)` that yields cases
    messages    what is sent: made up, in the shapes that appliances send
    household   where the engine is imported from
    servers     gate, bare proxy and cloud, each as a process of its own
    load        requests over kept-alive connections, as fast as they are answered
    __main__    the command line and the table

A new bench is a new file in `benches`; nothing else needs to know.
"""
