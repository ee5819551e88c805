"""Each fault at each step of a delivery: one chat after the other, each with one failure."""

from collections.abc import Awaitable, Callable

from tests.golden.chat import Chat
from tests.golden.plant import Plant
from tests.golden.registry import scenario

FAULTS = (
    "reset-before",
    "reset-after",
    "hang-after",
    "status:503",
    "bad-json",
    "429:org",
    "429:customer",
    "status:409",
    "status:400",
    "status:403",
    "status:404",
)
OF_A_LIST = ("reset-before", "bad-json", "429:org", "status:403", "status:404")  # that is read once by each process
Talk = Callable[[Chat], Awaitable[None]]


async def says_hello(chat: Chat) -> None:
    chat.start()
    await chat.says("hello")


async def asks_for_a_human(chat: Chat) -> None:
    chat.start()
    await chat.wants_a_human()


async def is_served(chat: Chat) -> None:
    await says_hello(chat)
    await chat.is_done()


async def each_fault(plant: Plant, match: str, talk: Talk, *, anew: bool = False) -> None:
    """A chat for each fault, which hits the first request that matches; `anew`: of a process of its own."""
    await plant.start()
    for fault in OF_A_LIST if anew else FAULTS:
        plant.heading(fault)
        plant.sandbox.fail(match, fault)
        await talk(plant.chat(fault.replace(":", "-")))
        await plant.delivered()
        plant.sandbox.heal()
        if anew:
            await plant.stop()
            await plant.start()
    await plant.counted()


@scenario
async def fault_at_customer_look_up(plant: Plant) -> None:
    await each_fault(plant, "GET /v1/customers/*", says_hello)


@scenario
async def fault_at_customer(plant: Plant) -> None:
    await each_fault(plant, "POST /v1/customers", says_hello)


@scenario
async def fault_at_own_user(plant: Plant) -> None:
    await each_fault(plant, "GET /v1/users/current", says_hello, anew=True)


@scenario
async def fault_at_conversation(plant: Plant) -> None:
    await each_fault(plant, "POST /v1/conversations", says_hello)


@scenario
async def fault_at_message(plant: Plant) -> None:
    await each_fault(plant, "POST /v1/conversations/*/messages", says_hello)


@scenario
async def fault_at_teams(plant: Plant) -> None:
    await each_fault(plant, "GET /v1/teams", asks_for_a_human, anew=True)


@scenario
async def fault_at_note(plant: Plant) -> None:
    await each_fault(plant, "POST /v1/conversations/*/notes", asks_for_a_human)


@scenario
async def fault_at_tags(plant: Plant) -> None:
    await each_fault(plant, "POST /v1/conversations/*/tags", asks_for_a_human)


@scenario
async def fault_at_ticket(plant: Plant) -> None:
    await each_fault(plant, "PATCH /v1/conversations/*", asks_for_a_human)


@scenario
async def fault_at_closing(plant: Plant) -> None:
    await each_fault(plant, "PATCH /v1/conversations/*", is_served)


@scenario
async def fault_at_look_up_after_lost_answer(plant: Plant) -> None:
    """The answer is lost, and so is the first one to the question what became of it."""
    await plant.start()
    for made, asked in (
        ("POST /v1/conversations", "GET /v1/conversations/*"),
        ("POST /v1/conversations/*/messages", "GET /v1/messages/*"),
        ("POST /v1/conversations/*/notes", "GET /v1/notes/*"),
        ("PATCH /v1/conversations/*", "GET /v1/conversations/*"),
    ):
        plant.heading(made)
        plant.sandbox.fail(made, "reset-after")
        plant.sandbox.fail(asked, "status:503")
        chat = plant.chat(plant.another_name())
        await says_hello(chat)
        await chat.wants_a_human()
        await plant.delivered()
        plant.sandbox.heal()
    await plant.counted()


@scenario
async def refused_for_good(plant: Plant) -> None:
    """Body by body smaller, then set aside; the rest goes on."""
    await plant.start()
    for match in ("POST /v1/conversations/*/messages", "POST /v1/conversations/*/notes", "PATCH /v1/conversations/*"):
        plant.heading(match)
        plant.sandbox.fail(match, "status:400", times=None)
        chat = plant.chat(plant.another_name())
        await says_hello(chat)
        await chat.wants_a_human()
        await plant.delivered()
        plant.sandbox.heal()
        await chat.wants_a_human("once more")
        await plant.delivered()
    await plant.counted()


@scenario
async def a_conversation_that_is_refused_for_good(plant: Plant) -> None:
    await plant.start()
    plant.sandbox.fail("POST /v1/conversations", "status:400", times=None)
    await says_hello(plant.chat())
    await plant.delivered()
    await plant.counted()


@scenario
async def an_outage(plant: Plant) -> None:
    """One probe at a time, and all of it in order when it is over."""
    await plant.start()
    plant.sandbox.fail("*", "reset-before", times=None)
    chats = [plant.chat(name) for name in ("ann", "bob")]
    for chat in chats:
        chat.start()
        for text in ("hello", "is anybody there?"):
            await chat.says(text)
            await plant.pass_by(5)  # what is tried again is not late
    await chats[0].wants_a_human()
    await plant.pass_by(60)
    plant.sandbox.heal()
    await plant.delivered()
    await plant.counted()


@scenario
async def a_spent_limit(plant: Plant) -> None:
    """After a 429 of the organisation nobody sends before the reset; then one request finds out."""
    await plant.start()
    plant.sandbox.fail("POST /v1/conversations/*/messages", "429:org", times=2, skip=1)
    chats = [plant.chat(name) for name in ("ann", "bob")]
    for chat in chats:
        chat.start()
        await chat.says("hello")
    await plant.delivered()
    await plant.counted()


@scenario
async def a_refused_key(plant: Plant) -> None:
    """Everything is kept until a process comes with another key."""
    plant.configure(api_key="wrong-key")
    await plant.start()
    await says_hello(plant.chat())
    await plant.pass_by(10)
    await plant.stop()
    plant.configure(api_key=plant.sandbox.api_key)
    await plant.start()
    await plant.delivered()
    await plant.counted()


@scenario
async def missing_roles(plant: Plant) -> None:
    """What a missing role keeps back waits by itself; the rest goes on."""
    await plant.start()
    for role in ("note.create", "conversation.update", "message.create"):
        plant.heading(role)
        plant.sandbox.roles.discard(f"org.permission.{role}")
        chat = plant.chat(role.replace(".", "-"))
        await says_hello(chat)
        await chat.wants_a_human()
        await plant.pass_by(30)
        plant.sandbox.roles.add(f"org.permission.{role}")
        await plant.delivered()
    await plant.counted()


@scenario
async def gone_from_kustomer(plant: Plant) -> None:
    """Customer and conversation are looked up, then made anew."""
    await plant.start()
    chat = plant.chat()
    await says_hello(chat)
    await plant.delivered()
    for kind in ("conversations", "customers"):
        plant.heading(f"{kind} are lost")
        plant.lose(kind)
        await chat.says("still there?")
        await plant.delivered()
    await plant.counted()


@scenario
async def duplicates_are_adopted(plant: Plant) -> None:
    """Where Kustomer keeps external ids unique, what was made by a lost answer is found and kept."""
    plant.sandbox.rules.unique_external_ids = True
    plant.sandbox.rules.duplicate_status = 422
    await plant.start()
    for match in ("POST /v1/customers", "POST /v1/conversations", "POST /v1/conversations/*/messages"):
        plant.heading(match)
        plant.sandbox.fail(match, "status-after:400")
        await says_hello(plant.chat(plant.another_name()))
        await plant.delivered()
    await plant.counted()


@scenario
async def a_process_that_dies(plant: Plant) -> None:
    """What was under way is looked up by the next one, at each step."""
    plant.configure(timeout_seconds="60")
    await plant.start()
    for match in (
        "POST /v1/customers",
        "POST /v1/conversations",
        "POST /v1/conversations/*/messages",
        "POST /v1/conversations/*/notes",
        "POST /v1/conversations/*/tags",
        "PATCH /v1/conversations/*",
    ):
        plant.heading(match)
        chat = plant.chat(plant.another_name())
        plant.sandbox.fail(match, "hang-after")
        await says_hello(chat)
        await chat.wants_a_human()
        await plant.pass_by(5)
        await plant.crash()
        await plant.start()
        await plant.delivered()
    await plant.counted()
