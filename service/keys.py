"""Everything a handler may reach for, by typed key."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from aiohttp import web

from drivers.metadefs.protocol import MetadefStore
from drivers.protocol import ImageStore
from service.caller import Caller
from service.data.tools import Tools
from service.dispatch import PromptRoutes
from service.limits.protocol import LimitSource
from service.openapi.documentation import Documentation
from service.openapi.page import PageFile
from service.policy.engine import Policy
from service.rules import Rules
from service.settings import Settings
from service.showing import Showing
from service.tokens.protocol import TokenVerifier
from service.validation import ImageSchema

SETTINGS: web.AppKey[Settings] = web.AppKey("SETTINGS", Settings)
STORE: web.AppKey[ImageStore] = web.AppKey("STORE")
POLICY: web.AppKey[Policy] = web.AppKey("POLICY", Policy)
VERIFIER: web.AppKey[TokenVerifier] = web.AppKey("VERIFIER")
LIMITS: web.AppKey[LimitSource] = web.AppKey("LIMITS")
RULES: web.AppKey[Rules] = web.AppKey("RULES", Rules)
SHOWING: web.AppKey[Showing] = web.AppKey("SHOWING", Showing)
TOOLS: web.AppKey[Tools] = web.AppKey("TOOLS", Tools)
IMAGE_SCHEMA: web.AppKey[ImageSchema] = web.AppKey("IMAGE_SCHEMA", ImageSchema)
CLOCK: web.AppKey[Callable[[], datetime]] = web.AppKey("CLOCK")
NEW_IMAGE_ID: web.AppKey[Callable[[], str]] = web.AppKey("NEW_IMAGE_ID")
NEW_REQUEST_ID: web.AppKey[Callable[[], str]] = web.AppKey("NEW_REQUEST_ID")
DRAINING: web.AppKey[asyncio.Event] = web.AppKey("DRAINING", asyncio.Event)
SCHEMAS: web.AppKey[Mapping[str, bytes]] = web.AppKey("SCHEMAS")
PROMPT_ROUTES: web.AppKey[PromptRoutes] = web.AppKey("PROMPT_ROUTES", PromptRoutes)
METADEFS: web.AppKey[MetadefStore] = web.AppKey("METADEFS")
METADEF_SCHEMAS: web.AppKey[Mapping[str, bytes]] = web.AppKey("METADEF_SCHEMAS")
DOCUMENTATION: web.AppKey[Documentation] = web.AppKey("DOCUMENTATION", Documentation)
PAGE_FILES: web.AppKey[Mapping[str, PageFile]] = web.AppKey("PAGE_FILES")

CALLER: web.RequestKey[Caller] = web.RequestKey("CALLER", Caller)
