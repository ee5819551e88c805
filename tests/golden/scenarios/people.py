"""Who somebody is: looked up, made, told apart, and moved to when the bot learns it."""

from tests.golden.plant import Plant
from tests.golden.registry import scenario

ANN = {"customer_id": "C-1", "email": "ann@example.com", "phone": "+14155550100", "name": "Ann"}
BOB = {"customer_id": "C-2", "name": "Bob"}


@scenario
async def a_claimed_identity(plant: Plant) -> None:
    """Found by it or made with it; name and history are not told."""
    await plant.start()
    for name in ("ann", "ann-again"):
        chat = plant.chat(name, **ANN)
        await chat.starts()
        await chat.says("hello")
        await plant.delivered()
    await plant.counted()


@scenario
async def a_trusted_identity(plant: Plant) -> None:
    """The bot knows name and history, before the first word of the second session."""
    plant.configure(trust_metadata="true")
    await plant.start()
    chat = plant.chat()
    chat.metadata = ANN
    for _ in range(2):
        chat.slots["session_started_metadata"] = ANN
        await chat.starts()
        await chat.says("hello")
        await chat.wants_a_human()
        await plant.delivered()
        await plant.later(7)
    await plant.counted()


@scenario
async def an_address_without_an_id_becomes_the_customers(plant: Plant) -> None:
    """A record found by e-mail is given our id, when the channel vouches for it."""
    plant.configure(trust_metadata="true")
    await plant.start()
    for number, metadata in enumerate(({"email": "ann@example.com"}, ANN)):
        chat = plant.chat(f"ann-{number}")
        chat.metadata = metadata
        chat.start()
        await chat.says("hello")
        await plant.delivered()
    await plant.counted()


@scenario
async def identified_in_the_middle(plant: Plant) -> None:
    """The conversation moves to the customer; where Kustomer does not move it, it stays."""
    await plant.start()
    for number, movable in enumerate((True, False)):
        plant.sandbox.rules.customer_movable = movable
        chat = plant.chat(f"ann-{number}")
        chat.start()
        await chat.says("hello")
        await plant.delivered()
        chat.slots |= {"email": f"ann-{number}@example.com", "name": "Ann"}
        chat.user("my address is ...", "inform")
        await chat.call("action_kustomer_identify")
        await chat.says("thanks")
        await plant.delivered()
    await plant.counted()


@scenario
async def fault_at_move(plant: Plant) -> None:
    await plant.start()
    for fault in ("reset-after", "status:503", "status:409", "status:400", "status:403", "status:404"):
        plant.heading(fault)
        name = fault.replace(":", "-")
        chat = plant.chat(name)
        chat.start()
        await chat.says("hello")
        await plant.delivered()
        plant.sandbox.fail("PATCH /v1/conversations/*", fault)
        chat.slots |= {"email": f"{name}@example.com"}
        chat.user("my address is ...", "inform")
        await chat.call("action_kustomer_identify")
        await plant.delivered()
        plant.sandbox.heal()
    await plant.counted()


@scenario
async def a_taken_address(plant: Plant) -> None:
    """An e-mail address that another customer has, with another id."""
    plant.configure(trust_metadata="true")
    await plant.start()
    for name, who in (("ann", ANN), ("bob", {**BOB, "email": "ann@example.com"})):
        chat = plant.chat(name)
        chat.metadata = who
        chat.start()
        await chat.says("hello")
        await plant.delivered()
    await plant.counted()


@scenario
async def two_people_in_one_chat(plant: Plant) -> None:
    """Each has a conversation, a note and a ticket of their own."""
    plant.configure(trust_metadata="true")
    await plant.start()
    chat = plant.chat()
    for who in (ANN, BOB, ANN):
        chat.metadata = who
        if not chat.events:
            chat.start(ANN)
        await chat.says(f"I am {who['name']}")
        await chat.wants_a_human()
        await plant.delivered()
    await plant.counted()


@scenario
async def a_slow_customer_look_up(plant: Plant) -> None:
    """The session starts without the customer, who is there the next time."""
    plant.configure(timeout_seconds="10")
    await plant.start()
    chat = plant.chat(**ANN)
    plant.sandbox.fail("GET /v1/customers/*", "hang")
    await chat.starts()
    await plant.pass_by(15)
    await chat.starts()
    await chat.says("hello")
    await plant.delivered()
    await plant.counted()


@scenario
async def many_newcomers(plant: Plant) -> None:
    """Those whom a session start did not find are made together, before they have said a word."""
    await plant.start()
    for number in range(7):
        chat = plant.chat(f"new-{number}", email=f"new-{number}@example.com")
        await chat.starts()
    await plant.pass_by(20)
    await plant.counted()
