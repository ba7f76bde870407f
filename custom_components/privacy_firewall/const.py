"""Names that several files share: keys of stored data, and what Home Assistant knows us by."""

from typing import Final

from homeassistant.const import Platform

DOMAIN: Final = "privacy_firewall"
PLATFORMS: Final = (
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.EVENT,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
)
DATABASE: Final = "privacy_firewall.db"
"""The engine's file, in the configuration folder: an update replaces the integration's own."""
EVENT_TRANSMISSION: Final = "privacy_firewall_transmission"
EVENT_CONSENT: Final = "privacy_firewall_consent"
EVENT_REQUEST: Final = "privacy_firewall_request"
EVENT_GRANT_ENDING: Final = "privacy_firewall_grant_ending"
EVENT_NEW_ITEMS: Final = "privacy_firewall_new_items"
EVENT_RETRY_STORM: Final = "privacy_firewall_retry_storm"
EVENT_EXPOSURE: Final = "privacy_firewall_exposure"

PERSON: Final = "person"
"""The domain of Home Assistant's persons; by name, so that the integration need not be there."""

SUBENTRY_APPLIANCE: Final = "appliance"
SUBENTRY_RECIPIENT: Final = "recipient"

# The entry's options.
CONF_WHO_MAY_GRANT: Final = "who_may_grant"
EVERYONE: Final = "everyone"
ADMINISTRATORS: Final = "administrators"
CONF_GUARDIANS: Final = "guardians"
"""Whether administrators may grant what belongs to a person (a child without a login, say)."""
CONF_KEEP_VALUES: Final = "keep_values"
"""Whether the journal keeps the values that left; those held back it never has."""
CONF_JOURNAL_DAYS: Final = "journal_days"
DEFAULT_JOURNAL_DAYS: Final = 30
CONF_JOURNAL_MEGABYTES: Final = "journal_megabytes"
DEFAULT_JOURNAL_MEGABYTES: Final = 100
CONF_JOURNAL_IN_BACKUPS: Final = "journal_in_backups"
CONF_NO_APPLIANCES: Final = "no_appliances"
"""Clients of the DNS gate, by MAC or address, that the household said are no appliances."""
CONF_DNS_GATE: Final = "dns_gate"
"""What the household chose for the DNS gate, a mapping; `host` and `port` are as elsewhere."""
CONF_ENABLED: Final = "enabled"
CONF_RESOLVERS: Final = "resolvers"
CONF_REFUSAL: Final = "refusal"
CONF_INFRASTRUCTURE: Final = "infrastructure"
CONF_ALLOWED: Final = "allowed"
CONF_LOCAL_DOMAINS: Final = "local_domains"
CONF_UNKNOWN_CLIENTS: Final = "unknown_clients"
FORWARDED: Final = "forwarded"
REFUSED: Final = "refused"
CONF_REFUSED_NETWORKS: Final = "refused_networks"
CONF_LISTS: Final = "lists"
CONF_TELL_OF_STRANGERS: Final = "tell_of_strangers"
DNS_PORT: Final = 53

CONF_HANDED_OUT: Final = "handed_out"
"""Whether and of which entities is watched what Home Assistant itself hands out, a mapping;
`entities` are ids of the registry, empty for those of appliances."""
CONF_ENTITIES: Final = "entities"

# An appliance's subentry; `name`, `device_id` and `token` are Home Assistant's own constants.
CONF_ADDRESSES: Final = "addresses"
CONF_MACS: Final = "macs"
CONF_BASE_URL: Final = "base_url"
CONF_REMAINDER: Final = "remainder"
CONF_ANSWER: Final = "answer"
CONF_PROMOTED: Final = "promoted"
CONF_OWNER: Final = "owner"
"""The person whose data it tells: the id of their entity in the registry, or None."""

# A recipient's subentry.
CONF_ORGANISATION: Final = "organisation"
CONF_PURPOSE: Final = "purpose"
CONF_BENEFIT: Final = "benefit"
CONF_IF_REFUSED: Final = "if_refused"
CONF_ENDPOINTS: Final = "endpoints"
CONF_NAMES: Final = "names"
"""Hosts reached by traffic that no gate can read, as exact names or templates of them."""
CONF_FRAMING: Final = "framing"
CONF_FUNCTIONAL: Final = "functional"
CONF_NEUTRAL: Final = "neutral"
CONF_ALLOW_PRIVATE: Final = "allow_private"
CONF_STORAGE: Final = "storage"
CONF_RETENTION: Final = "retention"
CONF_POLICY: Final = "policy"
"""What it states of itself: where it stores, for how long, and the address of its own words."""
