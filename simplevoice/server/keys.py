"""What the handlers share, by typed key."""

from aiohttp import web

from simplevoice.history import SessionStore
from simplevoice.registry import ConnectionRegistry
from simplevoice.server.admission.places import Places
from simplevoice.server.admission.stay import Stays
from simplevoice.server.admission.tickets import Tickets
from simplevoice.server.admission.tokens import TokenStore
from simplevoice.server.lifecycle import Lifecycle
from simplevoice.server.live import Live
from simplevoice.server.metrics import Metrics
from simplevoice.server.speeches import Speeches
from simplevoice.server.traffic import Traffic
from simplevoice.service import SimpleVoiceService

LIVE = web.AppKey("live", Live)
REGISTRY = web.AppKey("registry", ConnectionRegistry)
SERVICE = web.AppKey("service", SimpleVoiceService)
SESSIONS = web.AppKey("sessions", SessionStore)
TOKENS = web.AppKey("tokens", TokenStore)
TICKETS = web.AppKey("tickets", Tickets)
STAYS = web.AppKey("stays", Stays)
PLACES = web.AppKey("places", Places)
SPEECHES = web.AppKey("speeches", Speeches)
LIFECYCLE = web.AppKey("lifecycle", Lifecycle)
TRAFFIC = web.AppKey("traffic", Traffic)
METRICS = web.AppKey("metrics", Metrics)
