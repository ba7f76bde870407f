"""The HTTP gate: `server` takes requests from appliances, `upstream` sends what may leave.

aiohttp speaks HTTP on both sides; `answers` is what an appliance hears when it is denied.
"""
