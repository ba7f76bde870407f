"""Names that several files share: keys of stored data, and what Home Assistant knows us by."""

from typing import Final

from homeassistant.const import Platform

DOMAIN: Final = "privacy_firewall"
PLATFORMS: Final = (Platform.EVENT, Platform.SENSOR, Platform.SWITCH)
DATABASE: Final = "privacy_firewall.db"
"""The engine's file, in the configuration folder: an update replaces the integration's own."""
EVENT_TRANSMISSION: Final = "privacy_firewall_transmission"

SUBENTRY_APPLIANCE: Final = "appliance"
SUBENTRY_RECIPIENT: Final = "recipient"

# The entry's options.
CONF_WHO_MAY_GRANT: Final = "who_may_grant"
EVERYONE: Final = "everyone"
ADMINISTRATORS: Final = "administrators"

# An appliance's subentry; `name`, `device_id` and `token` are Home Assistant's own constants.
CONF_ADDRESSES: Final = "addresses"
CONF_MACS: Final = "macs"
CONF_BASE_URL: Final = "base_url"
CONF_REMAINDER: Final = "remainder"
CONF_ANSWER: Final = "answer"
CONF_PROMOTED: Final = "promoted"

# A recipient's subentry.
CONF_ORGANISATION: Final = "organisation"
CONF_PURPOSE: Final = "purpose"
CONF_BENEFIT: Final = "benefit"
CONF_IF_REFUSED: Final = "if_refused"
CONF_ENDPOINTS: Final = "endpoints"
CONF_FUNCTIONAL: Final = "functional"
CONF_NEUTRAL: Final = "neutral"
CONF_ALLOW_PRIVATE: Final = "allow_private"
