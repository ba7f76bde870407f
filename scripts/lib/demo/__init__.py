"""A household in a folder: a real Home Assistant, appliances that talk, clouds that listen.

    processes        a process of ours, and its end
    cloud            the vendors' stand-ins: a process that writes down whatever arrives
    appliance        a fridge or a toothbrush: a process that reports when told
    payloads         what these two say
    at_home          what the fridge says to its own integration, which is `frostco` beside this
    home_assistant   Home Assistant: its folder, its start, its user, its interfaces
    household        all of it, set up through the integration's own flows
    dashboard        the consent switches on a page
    show             what is printed
    __main__         the demonstration: steps with expectations

Everything stays on this machine's loopback addresses; nothing is looked up and nothing installed.
The browser tests use the same household.
"""
