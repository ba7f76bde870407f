"""The privacy firewall's engine: decides, redacts, proves and records. It knows no Home Assistant.

The words. An *appliance* reports *data points*; a *recipient* receives at *endpoints* for one
*purpose*; the household's *consent* joins a data point and a recipient. What an appliance tries to
send is a *transmission*; it meets a *gate*, which asks the *policy* for a *verdict*: permit, redact
or deny, with a reason, and for redact the *obligations* per field.

The way through. A gate reads one transmission and hands it to `pipeline`, which goes:

    payload.read → learning → policy.decide → redaction (fields, transforms) → payload.write
    → redaction.verify → journal.append → back to the gate, which sends what came out

All but the journal is one pure function, `examination.examine`.

Names go a way of their own, `lookups`: a question has no fields to redact. It is refused, led to a
gate that can read, or asked anew of the household's resolvers:

    message.read_query → name_rules.decide → journal.append → upstream → name_rules.judge → client

Beside both ways stands `watching`, which decides nothing: whom appliances insist on, what broke
when a recipient was refused, and what did not (`need_rules`).

Beside the way through, `match` says which data points other integrations show as entities already.

Apart from all of it stands `exposures`: what Home Assistant itself hands to assistants. It is a
record only; no gate is in that way.

A gate never decides; the policy never touches a socket; redaction never knows who asked. What
cannot be read, decided or recorded does not leave.

The seam. `Firewall` takes frozen values (`model`) and hands out frozen events; nothing else of the
engine is meant for use from outside.
"""

from .addresses import unmapped
from .catalogue import Role
from .conntrack import Flow, flows
from .diagnosis import Trouble, diagnose
from .errors import (
    ConsentError,
    EngineError,
    NotCoarseError,
    PathSyntaxError,
    StorageDamagedError,
    StorageError,
)
from .export import Format
from .exposures import ELSEWHERE, Exposure, Exposures, ExposureState
from .faces import Face, Faces, load as load_faces, may_be_same
from .files import all_paths, start_over
from .firewall import SEEN_FOR, Firewall
from .journal import Query
from .lists import BlockList, ListError, load as load_lists
from .matching import (
    Candidate as MatchCandidate,
    Entity as MatchEntity,
    Point as MatchPoint,
    Reason as MatchReason,
    ReasonKind as MatchReasonKind,
    Result as MatchResult,
    Sample as MatchSample,
    State as MatchState,
    match,
)
from .names import expand as expand_name, fold as fold_name
from .neighbours import Neighbours
from .preview import Preview
from .receipts import Receipt, subject_of
from .redaction.paths import parse as parse_path
from .routes import Routes
from .selftest import Report as SelfTestReport

__all__ = [
    "ELSEWHERE",
    "SEEN_FOR",
    "BlockList",
    "ConsentError",
    "EngineError",
    "Exposure",
    "ExposureState",
    "Exposures",
    "Face",
    "Faces",
    "Firewall",
    "Flow",
    "Format",
    "ListError",
    "MatchCandidate",
    "MatchEntity",
    "MatchPoint",
    "MatchReason",
    "MatchReasonKind",
    "MatchResult",
    "MatchSample",
    "MatchState",
    "Neighbours",
    "NotCoarseError",
    "PathSyntaxError",
    "Preview",
    "Query",
    "Receipt",
    "Role",
    "Routes",
    "SelfTestReport",
    "StorageDamagedError",
    "StorageError",
    "Trouble",
    "all_paths",
    "diagnose",
    "expand_name",
    "flows",
    "fold_name",
    "load_faces",
    "load_lists",
    "match",
    "may_be_same",
    "parse_path",
    "start_over",
    "subject_of",
    "unmapped",
]
