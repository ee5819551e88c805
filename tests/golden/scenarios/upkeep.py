"""What happens by the clock or by an operator: closing, purging, copies that are put back, an outbox that is lost."""

from tests.golden.chat import Chat
from tests.golden.plant import Plant
from tests.golden.registry import scenario


async def begun(plant: Plant, *names: str) -> list[Chat]:
    chats = [plant.chat(name) for name in names]
    for chat in chats:
        chat.start()
        await chat.says("hello", "my parcel is late")
    await plant.delivered()
    return chats


@scenario
async def idle_chats_are_closed(plant: Plant) -> None:
    """Not those that people have; who comes back opens theirs again."""
    plant.configure(idle_close_minutes="1")
    await plant.start()
    ann, bob = await begun(plant, "ann", "bob")
    await bob.wants_a_human()
    await plant.later(4)
    await ann.says("I am back")
    await plant.delivered()
    await plant.counted()


@scenario
async def who_speaks_takes_the_closing_back(plant: Plant) -> None:
    await plant.start()
    (ann,) = await begun(plant, "ann")
    plant.sandbox.fail("*", "reset-before", times=None)
    await ann.is_done()
    await ann.says("wait!")
    plant.sandbox.heal()
    await plant.delivered()
    await plant.counted()


@scenario
async def a_chat_goes_on_after_its_turns_were_purged(plant: Plant) -> None:
    plant.configure(retention_days="0.001")
    await plant.start()
    (ann,) = await begun(plant, "ann")
    await plant.later(12)
    await plant.counted()
    await ann.says("still there?")
    await ann.wants_a_human()
    await plant.delivered()
    await plant.counted()


@scenario
async def a_restart_of_the_chat(plant: Plant) -> None:
    """The new session has a conversation of its own."""
    await plant.start()
    (ann,) = await begun(plant, "ann")
    ann.user("/restart", "restart")
    ann.apply("restart")
    await ann.starts()
    await ann.says("hello again")
    await plant.delivered()
    await plant.counted()


@scenario
async def a_new_process_reads_the_tracker_again(plant: Plant) -> None:
    await plant.start()
    (ann,) = await begun(plant, "ann")
    await plant.stop()
    await plant.start()
    await ann.says("still there?")
    await plant.delivered()
    await plant.counted()


@scenario
async def a_copy_is_put_back(plant: Plant) -> None:
    """What was sent since is found, and doubled nowhere; what was not comes in its place."""
    await plant.start()
    (ann,) = await begun(plant, "ann")
    copy = plant.copy()
    await ann.says("which one?", "the red one")
    await plant.delivered()
    await plant.put_back(copy)
    await plant.start()
    await ann.says("goodbye")
    await plant.delivered()
    await plant.counted()


@scenario
async def a_copy_with_a_handoff_is_put_back(plant: Plant) -> None:
    """Note, tags and ticket waited in the copy and were delivered since: the agents keep what they have."""
    await plant.start()
    (ann,) = await begun(plant, "ann")
    plant.sandbox.fail("*", "status:503", times=None)
    await ann.wants_a_human()
    copy = plant.copy()
    plant.sandbox.heal()
    await plant.delivered()
    await plant.put_back(copy)
    await plant.start()
    await plant.delivered()
    await ann.wants_a_human("again")
    await plant.delivered()
    await plant.counted()


@scenario
async def a_copy_of_many_chats_is_put_back(plant: Plant) -> None:
    await plant.start()
    chats = await begun(plant, *(f"ann-{number}" for number in range(6)))
    copy = plant.copy()
    for chat in chats:
        await chat.says("which one?")
    await plant.delivered()
    await plant.put_back(copy)
    await plant.start()
    for chat in chats:
        await chat.says("the red one")
    await plant.delivered()
    await plant.counted()


@scenario
async def an_outbox_is_lost(plant: Plant) -> None:
    """An empty one finds the chats that go on, and the ticket that people have."""
    await plant.start()
    ann, bob = await begun(plant, "ann", "bob")
    await bob.wants_a_human()
    await plant.delivered()
    await plant.lose_outbox()
    await plant.start()
    for chat in (ann, bob):
        await chat.says("still there?")
    await plant.delivered()
    await bob.wants_a_human("again")
    await plant.delivered()
    await plant.counted()


@scenario
async def turns_in_all_shapes(plant: Plant) -> None:
    """Buttons, pictures, files, channels and what is no speech."""
    await plant.start()
    chat = plant.chat()
    chat.start()
    chat.user("/greet", "greet", input_channel="telegram")
    chat.apply(
        "bot",
        text="What is it about?",
        data={"buttons": [{"title": "An order", "payload": "/order"}, {"title": "A return", "payload": "/return"}]},
        metadata={"utter_action": "utter_ask_topic"},
    )
    await chat.call("action_listen")
    chat.user("/order", "order")
    chat.apply("bot", text=None, data={"image": "https://example.com/a.png"}, metadata={})
    chat.apply("bot", text=None, data={"attachment": {"type": "video", "payload": {"src": "x"}}}, metadata={})
    chat.apply("bot", text=None, data={"custom": {"card": 1}}, metadata={})
    chat.apply("slot", name="order", value="4711")
    await chat.call("action_listen")
    chat.user("é" * 5_000, "inform", input_channel="whatsapp")
    await chat.call("action_kustomer_mirror")
    await plant.delivered()
    await plant.counted()
