"""Recorded transmissions, sent through a running firewall to something that keeps what arrives.

    recording   a line of the file, read
    wire        the appliance: bytes as recorded, over a socket
    recorder    the cloud: everything that arrives, kept
    household   the firewall, running in a loop that leads every connection to the recorder
    leaves      the items of a message, read by the standard library alone
    leaks       withheld items, looked for in what arrived
    show        what people are shown
    __main__    the order of things

`leaves` and `leaks` share no code with the engine: they would not notice a mistake of theirs.
"""
