"""Redaction: which fields a message has, what replaces them, and the proof that it worked.

`fields` walks and rebuilds, `paths` names, `transforms` replaces, `identifiers` recognises what
names someone, `verify` reads the result again. Nothing here knows who asked.
"""
