"""The nouns of the firewall: frozen values that every other module passes along.

Three groups, from the outside in:

* what a household states: `Appliance`, `Recipient`, `Endpoint`, `Consent`, together a `Policy`;
* what an appliance does: `Transmission`, read into a payload tree of `Field`s;
* what is decided about it: `Verdict` with a `Reason` and an `Obligation` per field.

The payload tree is made of plain `dict`, `list`, `str`, `bool` and `None`, because decoders produce
these fastest, plus small types that keep what plain ones lose: `Number` (a number's own spelling),
`Text` (a form value's own escaping), `Blob` (bytes), `Embedded` (a tree inside a string), and of
names `Again` (one that stood before), `Unnamed` (none of its own), `Label` (a number) and `Mark`
(the format's, not the appliance's).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from math import inf
from typing import NamedTuple, Self, override
from urllib.parse import urlsplit


class Outcome(StrEnum):
    """What becomes of a transmission."""

    PERMIT = "permit"
    REDACT = "redact"
    DENY = "deny"


class Reason(StrEnum):
    """Why: a bounded label, safe for counters, events and logs. Sentences are in `policy.py`."""

    ALL_CONSENTED = "all_consented"
    SOME_WITHHELD = "some_withheld"
    LET_THROUGH = "let_through"
    LOCKDOWN = "lockdown"
    CONSENTS_SUSPENDED = "consents_suspended"
    NOTHING_CONSENTED = "nothing_consented"
    NOTHING_RELEASED = "nothing_released"
    DENY_ALL_MODE = "deny_all_mode"
    UNKNOWN_APPLIANCE = "unknown_appliance"
    AMBIGUOUS_APPLIANCE = "ambiguous_appliance"
    UNCLAIMED_ENDPOINT = "unclaimed_endpoint"
    UNCLAIMED_NAME = "unclaimed_name"
    STEERED = "steered"
    NO_GATE_READS = "no_gate_reads"
    OPAQUE_CONSENTED = "opaque_consented"
    OPAQUE_NOT_CONSENTED = "opaque_not_consented"
    INFRASTRUCTURE = "infrastructure"
    INFRASTRUCTURE_REFUSED = "infrastructure_refused"
    UNKNOWN_CLIENT = "unknown_client"
    UNKNOWN_CLIENT_REFUSED = "unknown_client_refused"
    CLIENT_NOT_RECOGNISED = "client_not_recognised"
    LISTED = "listed"
    LOCAL_NAME = "local_name"
    QUESTION_NOT_ALLOWED = "question_not_allowed"
    ALIAS_REFUSED = "alias_refused"
    PRIVATE_ANSWER = "private_answer"
    RATE_EXCEEDED = "rate_exceeded"
    TOO_MANY_DATA_POINTS = "too_many_data_points"
    SEGMENT_WITHHELD = "segment_withheld"
    SIGNED_OVER_WITHHELD = "signed_over_withheld"
    POLICY_NOT_LOADED = "policy_not_loaded"
    POLICY_CHANGED = "policy_changed"
    UNREADABLE = "unreadable"
    UNKNOWN_ENCODING = "unknown_encoding"
    DUPLICATE_KEY = "duplicate_key"
    TRAILING_BYTES = "trailing_bytes"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    TOO_SLOW = "too_slow"
    BOMB = "bomb"
    PATH_CONFLICT = "path_conflict"
    BAD_REQUEST = "bad_request"
    PROTOCOL_NOT_ALLOWED = "protocol_not_allowed"
    EGRESS_CHECK_FAILED = "egress_check_failed"
    IDENTITY_FOUND = "identity_found"
    WITHHELD_VALUE_FOUND = "withheld_value_found"
    UPSTREAM_ADDRESS_REFUSED = "upstream_address_refused"
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    STORAGE_FAILED = "storage_failed"
    INTERNAL_ERROR = "internal_error"


class Purpose(StrEnum):
    """What a recipient says it wants the data for. Another purpose is another recipient."""

    SERVICE = "service"
    FUNCTION = "function"
    ANALYTICS = "analytics"
    MARKETING = "marketing"


class Level(StrEnum):
    """How much of a data point a consent gives."""

    EXACT = "exact"
    COARSE = "coarse"


class ConsentState(StrEnum):
    """The states of a consent record, after ISO/IEC TS 27560."""

    REQUESTED = "requested"
    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Measure(StrEnum):
    """What the household does beside its consents; none of them changes one.

    `LOCKDOWN` denies everything. `LET_THROUGH` permits one appliance everything, for a time.
    `RESTORED` suspends the consents that came back with a backup.
    """

    LOCKDOWN = "lockdown"
    LET_THROUGH = "let_through"
    RESTORED = "restored"


class Action(StrEnum):
    """What redaction does with one field."""

    RELEASE = "release"
    COARSEN = "coarsen"
    NEUTRALISE = "neutralise"
    DROP = "drop"


class Category(StrEnum):
    """What kind of thing a data point tells, as far as its name and shape give it away."""

    READING = "reading"
    SETTING = "setting"
    TIME = "time"
    TEXT = "text"
    IDENTIFIER = "identifier"
    CREDENTIAL = "credential"
    MEDIA = "media"
    HEALTH = "health"
    PRESENCE = "presence"
    LOCATION = "location"
    CHILDREN = "children"
    SAFETY = "safety"
    REQUEST = "request"
    OPAQUE = "opaque"


class Nature(StrEnum):
    """What sort of item a data point is, whatever it tells of."""

    IDENTIFIER = "identifier"
    CREDENTIAL = "credential"
    SETTING = "setting"
    READING = "reading"
    COUNTER = "counter"
    TIME = "time"
    PLACE = "place"
    PERSON = "person"
    MEDIA = "media"
    TEXT = "text"


class Sensitive(StrEnum):
    """What a data point tells of people that deserves more thought than the rest."""

    HEALTH = "health"
    PRESENCE = "presence"
    LOCATION = "location"
    RELIGION = "religion"
    CHILDREN = "children"
    VOICE = "voice"
    IMAGE = "image"
    CONTACTS = "contacts"
    NETWORK = "network"


class Drift(StrEnum):
    """In what a data point is no longer what was granted. A change of type needs no such word."""

    UNIT = "unit"
    RANGE = "range"
    PRECISION = "precision"
    FORM = "form"


class Remainder(StrEnum):
    """What happens to a message of which only a part is consented."""

    REDACT = "redact"
    DENY = "deny"


class Answer(StrEnum):
    """What an appliance hears when its transmission was denied."""

    CALM = "calm"
    REFUSE = "refuse"


class Kind(StrEnum):
    """The type of a leaf. A consent is given for the kinds seen when it was given."""

    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"
    NULL = "null"
    EMPTY = "empty"


class Number(str):
    """A number in its own spelling, so that `1.10` stays `1.10` and big integers stay whole."""

    __slots__ = ()


class Blob(str):
    """Bytes, as lower-case hexadecimal: one item, whole, whatever they may mean."""

    __slots__ = ()


class Text(str):
    """A string that arrived escaped (form, query); `spelling` is how it stood there."""

    __slots__ = ("spelling",)
    spelling: str

    @classmethod
    def spelled(cls, value: str, spelling: str) -> Text:
        """Make one from the decoded value and its own spelling."""
        text = cls(value)
        text.spelling = spelling
        return text


class Again(str):
    """A member name that stood before in the same object, as elements of XML may.

    Its path is that of the first: all of them are one data point, as elements of an array are.
    """

    __slots__ = ("ordinal",)
    ordinal: int

    @classmethod
    def numbered(cls, name: str, ordinal: int) -> Self:
        """Make the name that stands here for the `ordinal`-th time, the first being 0."""
        again = cls(name)
        again.ordinal = ordinal
        return again

    @override
    def __eq__(self, other: object) -> bool:
        """Be another member than the first of this name."""
        return str.__eq__(self, other) is True and self.ordinal == getattr(other, "ordinal", 0)

    @override
    def __ne__(self, other: object) -> bool:
        """Be the opposite, which a string would decide by its text."""
        return not self == other

    @override
    def __hash__(self) -> int:
        """Hash like the plain name where it is the first."""
        return hash((str(self), self.ordinal)) if self.ordinal else str.__hash__(self)


class Unnamed(Again):
    """What an element of XML holds beside its attributes and children: its path is the element's.

    So `<temp>4</temp>` and `<temp unit="C">4</temp>` have their value in one place.
    """

    __slots__ = ()


class Label(str):
    """A member name that is a whole number where it came from."""

    __slots__ = ()


class Mark(str):
    """A member name that the format gives: what stands around the one member, `#1` for a tag."""

    __slots__ = ()


@dataclass(slots=True)
class Embedded:
    """A tree inside a string: JSON in a string, or base64 of JSON.

    `encoding` is `json`, `base64` or `base64url`; `raw` is the string as it stood.
    """

    encoding: str
    raw: str
    tree: Tree


type Tree = dict[str, Tree] | list[Tree] | Embedded | str | bool | None
type Leaf = dict[str, Tree] | list[Tree] | str | bool | None


class Field(NamedTuple):
    """Which item of a message: its path and the siblings that give it its meaning.

    `path` is our subset of RFC 9535 on the message's tree, arrays and data-like names collapsed:
    `$.body.doors[*].open`, `$.query.tempf`, `$.header['user-agent']`, `$.path[2]`.
    `siblings` are `name=value` pairs from the outside in, e.g. `("type=1",)`; the single word
    `("name",)` means the data-like member name itself.
    """

    path: str
    siblings: tuple[str, ...] = ()

    @override
    def __str__(self) -> str:
        """Return the path with its siblings, for people."""
        return f"{self.path} ({', '.join(self.siblings)})" if self.siblings else self.path


REQUEST_FIELD = Field("$.request")
"""That the appliance calls this endpoint at all: what remains when everything else is withheld."""
OPAQUE_FIELD = Field("$.opaque")
"""All that an appliance sends to a recipient where no gate can read it: whole or not at all."""
OPAQUE_TEMPLATE = "opaque traffic"
"""In place of an endpoint template: what cannot be read has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a transmission came from, as the gate saw it. An address alone can be spoofed.

    `mac` is None where it is not known yet, and empty where none can be: of this machine, and
    of whoever is behind another router.
    """

    address: str
    mac: str | None = None
    token: str | None = None
    others: tuple[str, ...] = ()
    """Further addresses that are known to have its MAC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transmission:
    """One HTTP request, read whole. `target` is path and query as sent, without any token.

    `host` is the vendor's host the request is meant for, lower-case and without a port, or None
    where only the appliance's own base URL can tell. Header names keep their spelling and order.
    """

    gate: str
    source: Source
    method: str
    host: str | None
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


UNCLEAR_FRAMING = "unclear"
"""Where several claim an endpoint and state different framings: none that can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a recipient receives: `METHOD scheme://host[:port]/prefix`. Method `*` is any.

    `framing` is what stands around each body, in the words of `payload.framing`; it says how to
    read, not where to, and is no part of the one-line form.
    """

    host: str
    prefix: str = "/"
    method: str = "*"
    scheme: str = "https"
    port: int | None = None
    framing: str = ""

    def claims(self, method: str, host: str, path: str) -> bool:
        """Tell whether a request belongs here; a prefix ends at a segment's border."""
        if self.host != host or self.method not in ("*", method):
            return False
        prefix = self.prefix.rstrip("/")
        return path == prefix or path.startswith(prefix + "/")

    @property
    def origin(self) -> str:
        """Return `scheme://host[:port]` for the connection upstream."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port else "")

    @classmethod
    def parse(cls, line: str) -> Endpoint:
        """Read the one-line form `[METHOD ]http[s]://host[:port][/prefix]`; raises `ValueError`."""
        method, _, url = line.strip().rpartition(" ")
        parts = urlsplit(url.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("an endpoint is a method and a URL with http or https")
        if parts.query or parts.fragment or parts.username or parts.password:
            raise ValueError("an endpoint has no query, fragment or credentials")
        method = method.strip().upper() or "*"
        if method != "*" and not (method.isascii() and method.isalpha()):
            raise ValueError("an endpoint starts with an HTTP method or *")
        prefix = parts.path or "/"
        if "//" in prefix or "%" in prefix or any(one in (".", "..") for one in prefix.split("/")):
            raise ValueError("an endpoint's path is plain: no escapes, dot or empty segments")
        return cls(
            host=parts.hostname.rstrip(".").encode("idna").decode(),
            prefix=prefix,
            method=method,
            scheme=parts.scheme,
            port=parts.port,
        )

    @override
    def __str__(self) -> str:
        """Return the one-line form in which households state it."""
        return f"{self.method} {self.origin}{self.prefix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Appliance:
    """A thing at home that reports. Recognised by address, MAC or token; all that are set agree.

    `base_url` is the cloud meant by an appliance that calls the gate by its own address; `promoted`
    are the ids of data points the household picked to have entities. `owner` is the person whose
    data it tells, where it is one person's (a toothbrush): consents are then theirs. `kept` are the
    ids of data points that have a switch of their own by now, and the keys of groups that have one.
    """

    id: str
    name: str
    addresses: frozenset[str] = frozenset()
    macs: frozenset[str] = frozenset()
    token: str | None = None
    base_url: str | None = None
    remainder: Remainder = Remainder.REDACT
    answer: Answer = Answer.CALM
    promoted: frozenset[str] = frozenset()
    owner: str | None = None
    kept: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """An organisation receiving for one purpose.

    `functional` are field paths of identifiers its cloud needs to accept anything; they ride along
    with consented data and never alone. `neutral` are paths whose withheld value is replaced by a
    constant instead of being dropped. `allow_private` permits an upstream on the home network.
    `names` are the hosts it is reached at by traffic that no gate can read. `storage`, `retention`
    and `policy` (an address) are where it says it stores, for how long, and its own words; each
    empty where it states nothing.
    """

    id: str
    organisation: str
    purpose: Purpose
    endpoints: tuple[Endpoint, ...]
    benefit: str = ""
    if_refused: str = ""
    functional: frozenset[str] = frozenset()
    neutral: frozenset[str] = frozenset()
    allow_private: bool = False
    names: frozenset[str] = frozenset()
    storage: str = ""
    retention: str = ""
    policy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPoint:
    """One item an appliance reports at one endpoint template (`POST host/path/*`).

    `recipients` are the ids of those that claim the endpoint. `name` is for people; `unit` and
    `quantity` are set where they could be recognised. It never holds a value. `sensitive` only
    grows; `evidence` says why, in words of names and figures, a line each.
    """

    id: str
    appliance_id: str
    template: str
    field: Field
    name: str
    kinds: frozenset[Kind]
    category: Category
    recipients: tuple[str, ...]
    unit: str | None = None
    quantity: str | None = None
    first_seen: float = 0.0
    nature: Nature | None = None
    sensitive: frozenset[Sensitive] = frozenset()
    evidence: tuple[str, ...] = ()


def data_point_id(appliance_id: str, template: str, item: Field) -> str:
    """Return the stable id of a data point: 16 hex digits over everything that identifies it."""
    text = "\x1f".join((appliance_id, template, item.path, *item.siblings))
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def opaque_id(appliance_id: str) -> str:
    """Return the id of the data point that stands for an appliance's traffic nobody can read."""
    return data_point_id(appliance_id, OPAQUE_TEMPLATE, OPAQUE_FIELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider:
    """Who decides, and by which means.

    `how` is `switch`, `button`, `action`, `automation`, `repair`, `panel` or, of the firewall
    itself, `time`, `asking`, `drift`, `restore`. `person` is the id of the Home Assistant user who
    acted, `context` the id of the action's context. `notice_shown` tells whether the notice was
    before their eyes; otherwise it was only available (a bare switch shows none). `group` is the
    key of the group whose switch withdrew, and may bring back.
    """

    how: str
    person: str | None = None
    context: str | None = None
    notice_shown: bool = False
    group: str | None = None


type Item = tuple[str, str, str]
"""Appliance id, data point id, recipient id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """The household's newest decision for a data point and a recipient.

    `until` (seconds since 1970) ends it by itself. `functional` are the identifiers its notice
    named; of traffic that cannot be read, the names it may go to. `subject` is whose consent it is:
    the id of a Home Assistant person, or None for the household. `number` is the record's in the
    ledger; `requested` tells that the household is asked since, `asked` under which notice.
    `is_suspended` takes it out of force until someone confirms it, `drift` until someone decides
    anew: the data point is no longer what was granted. What is withdrawn keeps `level` and `drift`:
    giving it again is no finer, and is still a question. `group` is the key of the group with which
    it was withdrawn, None where it was by its own name.
    """

    appliance_id: str
    data_point_id: str
    recipient_id: str
    state: ConsentState
    level: Level = Level.EXACT
    kinds: frozenset[Kind] = frozenset()
    decided_at: float = 0.0
    until: float | None = None
    functional: frozenset[str] = frozenset()
    notice: str | None = None
    subject: str | None = None
    number: int = 0
    requested: bool = False
    asked: str | None = None
    is_suspended: bool = False
    drift: Drift | None = None
    group: str | None = None

    @property
    def pair(self) -> tuple[str, str]:
        """Return what it is about: data point id, recipient id."""
        return self.data_point_id, self.recipient_id

    @property
    def item(self) -> Item:
        """Return what it is about, with whose data point it is."""
        return self.appliance_id, self.data_point_id, self.recipient_id

    @property
    def in_force(self) -> bool:
        """Tell whether data may pass under it. When it ends by itself the policy judges."""
        return self.state is ConsentState.GIVEN and not self.is_suspended and self.drift is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligation:
    """What redaction must do with one field; `unit` guides the size of a coarse value's bucket."""

    action: Action
    kinds: frozenset[Kind] = frozenset()
    category: Category = Category.TEXT
    unit: str | None = None


RELEASE = Obligation(action=Action.RELEASE)
DROP = Obligation(action=Action.DROP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The decision about one transmission. A field without an obligation is dropped."""

    outcome: Outcome
    reason: Reason
    appliance: Appliance | None = None
    recipients: tuple[Recipient, ...] = ()
    obligations: Mapping[Field, Obligation] = field(default_factory=dict[Field, Obligation])
    policy_version: int = 0
    until: float = inf
    """When the first of the consents it rests on runs out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingRequest:
    """What may leave: checked, encoded, and complete. Nothing is added to it on the way out."""

    method: str
    origin: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    allow_private: bool = False


class Protection(StrEnum):
    """What is true of an appliance now, as observed.

    `NOT_SEEN`: none of its transmissions passed the gate of late, so nothing is known.
    `MONITORED`: let through for a time, on purpose; journalled and nothing else.
    `CANNOT_SEE_INSIDE`: of late a name was answered under a consent for opaque traffic.
    `BYPASSING`: it is there, and was seen to go, or must be going, by ways that no gate is on.
    """

    PROTECTED = "protected"
    MONITORED = "monitored"
    CANNOT_SEE_INSIDE = "cannot_see_inside"
    BYPASSING = "bypassing"
    NOT_SEEN = "not_seen"
    GATE_DOWN = "gate_down"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplianceStatus:
    """What was observed of an appliance since the journal began; times in seconds since 1970."""

    protection: Protection
    permitted: int = 0
    redacted: int = 0
    denied: int = 0
    last_seen: float | None = None
    last_disclosure: float | None = None
