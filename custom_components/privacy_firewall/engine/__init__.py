"""The privacy firewall's engine: decides, redacts, proves and records. It knows no Home Assistant.

The words. An *appliance* reports *data points*; a *recipient* receives at *endpoints* for one
*purpose*; the household's *consent* joins a data point and a recipient. What an appliance tries to
send is a *transmission*; it meets a *gate*, which asks the *policy* for a *verdict*: permit, redact
or deny, with a reason, and for redact the *obligations* per field. What a data point tells about
people is its *topic*; of a long report, those of one topic form a *group* per recipient, which has
one switch and no consent of its own (`grouping`).

The way through. A gate reads one transmission and hands it to `pipeline`, which goes:

    payload.read → learning → policy.decide → redaction (fields, transforms) → payload.write
    → redaction.verify → journal.append → back to the gate, which sends what came out

All but the journal is one pure function, `examination.examine`.

What a data point is comes from its name and values (`traits`) and from figures (`profiles`); where
a granted one is another thing than those say, `drift` tells so before the policy decides.

Names go a way of their own, `lookups`: a question has no fields to redact. It is refused, led to a
gate that can read, or asked anew of the household's resolvers:

    message.read_query → name_rules.decide → journal.append → upstream → name_rules.judge → client

Beside both ways stands `watching`, which decides nothing: whom appliances insist on, what broke
when a recipient was refused, and what did not (`need_rules`).

What is known of vendors is data, in `catalogue`: it names what is learned, proposes recipients and
calms the appliances of a vendor; it decides nothing.

Beside the way through, `samples` keeps in memory what was seen last of each data point, and `match`
says by them which other integrations show as entities already.

Apart from all of it stands `exposures`: what Home Assistant itself hands to assistants. It is a
record only; no gate is in that way.

A gate never decides; the policy never touches a socket; redaction never knows who asked. What
cannot be read, decided or recorded does not leave.

The seam. `Firewall` takes frozen values (`model`) and hands out frozen events; nothing else of the
engine is meant for use from outside.
"""

from .addresses import unmapped
from .beside import Beside, split as split_path
from .catalogue import Role
from .catalogue.known import Catalogue, load as load_vendors
from .catalogue.vendor import EntityKind, Known, StateClass, StatedRecipient
from .conntrack import Flow, flows
from .diagnosis import Trouble, diagnose
from .errors import (
    ConsentError,
    EngineError,
    FramingError,
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
from .grouping import Group, group_key
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
    twins as match_twins,
)
from .names import expand as expand_name, fold as fold_name
from .neighbours import Neighbours
from .payload.framing import parse as parse_framing, spell as spell_framing
from .point_preview import PointPreview, RecipientPreview
from .preview import Preview
from .receipts import Receipt, subject_of
from .redaction.paths import parse as parse_path
from .revealing import Revealed
from .routes import Routes
from .samples import Samples
from .selftest import Report as SelfTestReport
from .topics import TOPICS_OF_GROUPS, Topic, topic_of

__all__ = [
    "ELSEWHERE",
    "SEEN_FOR",
    "TOPICS_OF_GROUPS",
    "Beside",
    "BlockList",
    "Catalogue",
    "ConsentError",
    "EngineError",
    "EntityKind",
    "Exposure",
    "ExposureState",
    "Exposures",
    "Face",
    "Faces",
    "Firewall",
    "Flow",
    "Format",
    "FramingError",
    "Group",
    "Known",
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
    "PointPreview",
    "Preview",
    "Query",
    "Receipt",
    "RecipientPreview",
    "Revealed",
    "Role",
    "Routes",
    "Samples",
    "SelfTestReport",
    "StateClass",
    "StatedRecipient",
    "StorageDamagedError",
    "StorageError",
    "Topic",
    "Trouble",
    "all_paths",
    "diagnose",
    "expand_name",
    "flows",
    "fold_name",
    "group_key",
    "load_faces",
    "load_lists",
    "load_vendors",
    "match",
    "match_twins",
    "may_be_same",
    "parse_framing",
    "parse_path",
    "spell_framing",
    "split_path",
    "start_over",
    "subject_of",
    "topic_of",
    "unmapped",
]
