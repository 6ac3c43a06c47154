"""The engines of a daemon: made and warmed up once, shared by all conversations, released when nobody converses."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

import msgspec
import structlog

from simplevoice import llm, memory, stt, tts
from simplevoice.config import Config, LimitsConfig
from simplevoice.engines.engine import Engine, EngineHealth
from simplevoice.engines.lending import Lending
from simplevoice.engines.lent import Ears, Engines, Lender
from simplevoice.errors import EngineError, SimpleVoiceError
from simplevoice.importing import ONE_AT_A_TIME
from simplevoice.llm import LanguageModel
from simplevoice.models.fetching import Fetching
from simplevoice.observation import Observation, log_turn
from simplevoice.performance import Performance
from simplevoice.shielded import to_its_end
from simplevoice.stt import Transcriber
from simplevoice.tts import Speaker
from simplevoice.turnstile import Turnstile, places_of

log = structlog.get_logger(__name__)

WARM_UP_ORDER = ("stt", "tts", "llm")
"""The language model takes longest, and a turn reaches it behind recognition."""


class ServiceHealth(msgspec.Struct, frozen=True):
    """How the engines are."""

    stt: EngineHealth
    llm: EngineHealth
    tts: EngineHealth

    @property
    def broken(self) -> list[str]:
        """The engines without which there is no turn."""
        return [f for f in self.__struct_fields__ if not getattr(self, f).usable]

    @property
    def good(self) -> bool:
        """Whether everything works as configured."""
        return all(getattr(self, f).state == "ready" for f in self.__struct_fields__)


class SimpleVoiceService:
    """Owns the engines. ``open_ears`` loads the small models; it blocks, and runs in a thread."""

    def __init__(
        self,
        limits: LimitsConfig,
        transcriber: Transcriber,
        model: LanguageModel,
        speaker: Speaker,
        open_ears: Callable[[], Ears],
        instructions: str | None = None,
    ) -> None:
        self.performance = Performance()
        self.turnstile = Turnstile(places_of(limits), limits.turn_wait_seconds)
        self.observation = Observation(log_turn, self.performance.record)
        self.load_seconds: dict[str, float] = {}
        """How long it took last to load, by role, and ``ears`` for the small models."""
        self._limits = limits
        self._transcriber = transcriber
        self._model = model
        self._speaker = speaker
        self._instructions = instructions
        self._open_ears = open_ears
        self._ears: Ears | None = None
        self.fetching = Fetching()
        self._lending = Lending()
        self._loading = asyncio.Lock()
        self._begun: asyncio.Task[None] | None = None
        self._under_way = asyncio.Event()
        self._warming: asyncio.Task[None] | None = None
        self._users = 0
        self._idle: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Begin to load, until all parts are at it; ``start`` goes on with it, and raises what it raises."""
        self._begun = asyncio.create_task(self._start(), name="begin")
        await self._under_way.wait()

    async def start(self) -> None:
        """Load what is not loaded yet. Raises EngineError or ModelError.

        It is warmed up behind that: a turn can do without, and would have to wait for it.
        """
        begun, self._begun = self._begun, None
        await (begun or self._start())

    async def _start(self) -> None:
        async with self._loading:
            cold = {role: engine for role, engine in self._roles.items() if not engine.health().usable}
            await self._load(self._load_ears(), *(self._load_engine(role, e) for role, e in cold.items()))
            if cold:
                self._warming = asyncio.create_task(self._warm_up(cold), name="warm-up")

    @property
    def _loaded(self) -> bool:
        """Whether everything is there, and stays: nothing is being loaded or unloaded."""
        return (
            not self._loading.locked()
            and self._ears is not None
            and all(engine.health().usable for engine in self._engines)
        )

    @property
    def engines(self) -> Engines:
        """What the next turn works with. Raises EngineError while they are not loaded."""
        if self._ears is None:
            raise EngineError("the engines are not loaded")
        return Engines(self._transcriber, self._model, self._speaker, *self._ears, self._instructions)

    @contextmanager
    def lend(self) -> Iterator[Engines]:
        """Lend the engines for one turn, which keeps them to its end, also when they are replaced meanwhile."""
        engines = self.engines
        with self._lending.lend((engines.model, engines.speaker)):
            yield engines

    async def prepare(self, old: Config, new: Config) -> Callable[[], None]:
        """Make, load and warm up the engines whose settings differ, beside those at work.

        Gives what puts them in force, from the next turn on.
        Raises EngineError or ModelError, and leaves things as they are.
        """
        made: dict[str, Engine] = {}
        if new.llm != old.llm:
            made["llm"] = model = await asyncio.to_thread(llm.create, new.llm, new.models)
        if (new.tts, new.voices) != (old.tts, old.voices):
            made["tts"] = speaker = await asyncio.to_thread(tts.create, new.tts, new.voices, new.models)
        try:
            await self._load(*(self._prepare(role, engine) for role, engine in made.items()))
        except BaseException:
            await asyncio.gather(*(engine.close() for engine in made.values()))
            raise

        def commit() -> None:
            self._limits, self._instructions = new.limits, new.llm.instructions
            self.turnstile.resize(places_of(new.limits), new.limits.turn_wait_seconds)
            if "llm" in made:
                self._lending.replace(self._model)
                self._model = model
            if "tts" in made:
                self._lending.replace(self._speaker)
                self._speaker = speaker

        return commit

    @property
    def workers(self) -> list[Executor | None]:
        """Every thread pool that turns are worked on in; None is the event loop's own."""
        return [None, *(pool for engine in self._engines for pool in engine.workers)]

    async def close(self) -> None:
        """Unload everything."""
        begun, self._begun = self._begun, None
        if begun is not None:
            begun.cancel()
            await asyncio.gather(begun, return_exceptions=True)
        await self._cancel_idle()
        await self._lending.close()
        await self._unload()

    def health(self) -> ServiceHealth:
        """Tell how the engines are, without asking anybody."""
        return ServiceHealth(*(engine.health() for engine in self._engines))

    def in_use(self) -> "_Use":
        """Keep the engines loaded by ``async with``; behind the last one they are released after a while."""
        return _Use(self)

    async def borrow(self) -> None:
        """Load the engines for somebody who gives them back."""
        self._users += 1
        try:
            if self._idle is not None:
                await self._cancel_idle()
            if not self._loaded:
                await self.start()
        except BaseException:
            self.give_back()
            raise

    def give_back(self) -> None:
        """Use them no more."""
        self._users -= 1
        if self._users == 0:
            self._idle = asyncio.create_task(self._let_go(), name="idle release")

    @property
    def configured(self) -> dict[str, str]:
        """The engines that the configuration asks for, by role."""
        return {role: engine.name for role, engine in self._roles.items()}

    @property
    def _engines(self) -> tuple[Engine, Engine, Engine]:
        return self._transcriber, self._model, self._speaker

    @property
    def _roles(self) -> dict[str, Engine]:
        return dict(zip(ServiceHealth.__struct_fields__, self._engines, strict=True))

    async def _load(self, *parts: Coroutine[Any, Any, None]) -> None:
        """Load several things at once; what can't be finished leaves no fetch running."""
        self.fetching = Fetching()
        try:
            with self.fetching.followed():
                async with asyncio.TaskGroup() as tasks:
                    for part in parts:
                        tasks.create_task(part)
        except* SimpleVoiceError as failures:
            raise failures.exceptions[0] from None

    async def _load_ears(self) -> None:
        self._under_way.set()  # in this round of the loop all others begin, too
        if self._ears is None:
            started = time.monotonic()
            self._ears = await asyncio.to_thread(self._open_ears)
            self.load_seconds["ears"] = time.monotonic() - started

    async def _load_engine(self, role: str, engine: Engine) -> None:
        started = time.monotonic()
        await engine.load()
        self.load_seconds[role] = seconds = time.monotonic() - started
        health = msgspec.to_builtins(engine.health())  # only what is known
        log.info("engine_ready", **health, seconds=round(seconds, 2))

    async def _prepare(self, role: str, engine: Engine) -> None:
        await self._load_engine(role, engine)
        await engine.warm_up()

    async def _warm_up(self, engines: Mapping[str, Engine]) -> None:
        """Warm up one after the other, while turns may come. What fails shows in the engine's health."""
        started = time.monotonic()
        for role in sorted(engines, key=WARM_UP_ORDER.index):
            try:
                await engines[role].warm_up()
            except EngineError as error:
                log.warning("warm_up_failed", engine=engines[role].name, problem=str(error))
            except Exception:
                log.exception("warm_up_crashed", engine=engines[role].name)
        log.info("warmed_up", seconds=round(time.monotonic() - started, 2))

    async def _let_go(self) -> None:
        """Release what conversations held, and later, if the operator wants it, the models."""
        await asyncio.sleep(self._limits.idle_release_seconds)
        await asyncio.gather(*(engine.release() for engine in self._engines))
        memory.tidy()
        log.info("engines_released")
        if self._limits.unload_after_seconds:
            await asyncio.sleep(max(0.0, self._limits.unload_after_seconds - self._limits.idle_release_seconds))
            # Cut short by a newcomer, it would leave an engine that is half closed and says that it is ready.
            await to_its_end(self._unload())
            log.info("engines_unloaded")

    async def _unload(self) -> None:
        async with self._loading:
            if self._warming is not None:
                self._warming.cancel()
                await asyncio.wait([self._warming])
            await asyncio.gather(*(engine.close() for engine in self._engines))
            if self._ears is not None:
                self._ears.voice_activity.close()
            self._ears = None

    async def _cancel_idle(self) -> None:
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.cancel()
            await asyncio.wait([idle])


class _Use:
    """Somebody's use of the engines. Not a generator: each connection holds one, and that is several times as large."""

    __slots__ = ("_service",)

    def __init__(self, service: SimpleVoiceService) -> None:
        self._service = service

    async def __aenter__(self) -> Lender:
        await self._service.borrow()
        return self._service

    async def __aexit__(self, *_: object) -> None:
        self._service.give_back()


def create_service(config: Config) -> SimpleVoiceService:
    """Make the configured engines, unloaded."""
    return SimpleVoiceService(
        config.limits,
        stt.create(config.stt, config.models),
        llm.create(config.llm, config.models),
        tts.create(config.tts, config.voices, config.models),
        lambda: _import_ears()(config),
        config.llm.instructions,
    )


def _import_ears() -> Callable[[Config], Ears]:
    """Import what takes as long as reading some weights does."""
    with ONE_AT_A_TIME:
        from simplevoice.engines.ears import open_ears
    return open_ears
