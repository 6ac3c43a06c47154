import asyncio

from simplevoice.tts.urgency import Urgency


class Work:
    """Tasks that hold a place until they are told to go on."""

    def __init__(self, urgency: Urgency) -> None:
        self.begun: list[str] = []
        self._urgency = urgency
        self._doors: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, name: str, due: float) -> asyncio.Task[None]:
        self._doors[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._hold(name, due))
        await settle()
        return self._tasks[name]

    async def end(self, name: str) -> None:
        self._doors[name].set()
        await self._tasks[name]
        await settle()

    async def _hold(self, name: str, due: float) -> None:
        async with self._urgency.place(due):
            self.begun.append(name)
            await self._doors[name].wait()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_so_many_work_at_once_and_the_most_urgent_is_next() -> None:
    work = Work(Urgency(2))
    for name, due in {"first": 9.0, "second": 9.0, "later": 5.0, "soon": 1.0, "soon, too": 1.0}.items():
        await work.ask(name, due)
    assert work.begun == ["first", "second"]
    for name in ("second", "soon", "soon, too", "first", "later"):
        await work.end(name)
    assert work.begun == ["first", "second", "soon", "soon, too", "later"]


async def test_who_leaves_while_waiting_is_passed_over() -> None:
    work = Work(Urgency(1))
    await work.ask("first", 0.0)
    leaving = await work.ask("leaving", 1.0)
    await work.ask("last", 2.0)
    leaving.cancel()
    await settle()
    await work.end("first")
    assert work.begun == ["first", "last"]
    await work.end("last")


async def test_a_place_given_to_who_is_leaving_goes_on_to_the_next() -> None:
    work = Work(Urgency(1))
    first = await work.ask("first", 0.0)
    leaving = await work.ask("leaving", 1.0)
    await work.ask("last", 2.0)
    first.cancel()
    await asyncio.sleep(0)  # the place is given now
    leaving.cancel()
    await settle()
    assert work.begun == ["first", "last"]
    await work.end("last")


async def test_work_that_fails_leaves_its_place() -> None:
    urgency = Urgency(1)
    for _ in range(3):
        try:
            async with urgency.place(0.0):
                raise OSError
        except OSError:
            pass
    work = Work(urgency)
    await work.ask("next", 0.0)
    assert work.begun == ["next"]
    await work.end("next")
