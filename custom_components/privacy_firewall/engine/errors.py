"""What can go wrong in the engine, and whose fault it is.

    EngineError
    ├── Refused            the transmission's fault: denied, with a bounded reason
    ├── PathSyntaxError    a field path that is outside our subset of JSONPath
    ├── FramingError       a framing that is stated and that there is none of
    ├── ConsentError       a consent decision that cannot be recorded as asked
    │   └── NotCoarseError    what was to be given coarse passes as it is or not at all
    └── StorageError       the disk's fault: nothing leaves until it is mended
        └── StorageDamagedError   what stands there is no database, or no longer a whole one

No message of these errors holds a payload value: they end up in logs.
"""

from .model import Reason


class EngineError(Exception):
    """Base of all errors that the engine raises on purpose."""


class Refused(EngineError):
    """A transmission that cannot be let through, found while reading or checking it.

    `reason` is the bounded label; the message says what was wrong without any value of it.
    """

    def __init__(self, reason: Reason, what: str) -> None:
        """Keep the label beside the sentence."""
        super().__init__(what)
        self.reason = reason


class PathSyntaxError(EngineError):
    """A field path outside the supported subset of RFC 9535."""


class FramingError(EngineError):
    """A framing outside the closed set, or one that is none."""


class CatalogueError(EngineError):
    """A vendor's file that is not as it should be. It says which file, where in it, and what."""


class ConsentError(EngineError):
    """A consent decision about something that does not exist or may not be decided so."""


class NotCoarseError(ConsentError):
    """A coarse consent for what cannot be made coarse: it would stand, and pass nothing."""


class StorageError(EngineError):
    """The database cannot be read or written; whatever needed it does not leave."""


class StorageDamagedError(StorageError):
    """The file is damaged: more space will not mend it. It may be set aside for a new one."""
