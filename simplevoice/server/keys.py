"""What the handlers share, by typed key."""

from aiohttp import web

from simplevoice.config import Config
from simplevoice.history import SessionStore
from simplevoice.registry import ConnectionRegistry
from simplevoice.server.lifecycle import Lifecycle
from simplevoice.service import SimpleVoiceService

CONFIG = web.AppKey("config", Config)
REGISTRY = web.AppKey("registry", ConnectionRegistry)
SERVICE = web.AppKey("service", SimpleVoiceService)
SESSIONS = web.AppKey("sessions", SessionStore)
LIFECYCLE = web.AppKey("lifecycle", Lifecycle)
