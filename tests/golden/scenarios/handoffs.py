"""Handoffs in all variants: what the agent gets, and what the user hears."""

from tests.golden.plant import Plant
from tests.golden.registry import scenario

ROUTING = """
rules:
  - when: {intent: complain}
    team: Billing
    priority: high
    tags: [complaint]
  - when: {slot: {tier: gold}}
    team: Sales
    priority: urgent
"""
DOMAIN = {"forms": {"order_form": {"required_slots": ["order_number", "reason"]}}}


@scenario
async def a_handoff(plant: Plant) -> None:
    await plant.start()
    chat = plant.chat()
    await chat.starts()
    await chat.says("hello", "my parcel arrived broken")
    await chat.wants_a_human()
    await plant.delivered()
    await chat.says("are you there?")
    await plant.delivered()
    await plant.counted()


@scenario
async def a_handoff_while_kustomer_is_away(plant: Plant) -> None:
    """Queued is said, with the reference that the ticket bears later; asking again adds nothing."""
    await plant.start()
    chat = plant.chat()
    chat.start()
    await chat.says("hello")
    plant.sandbox.fail("*", "reset-before", times=None)
    await chat.wants_a_human()
    await chat.wants_a_human("a human, please")
    plant.sandbox.heal()
    await plant.delivered()
    await plant.counted()


@scenario
async def a_second_handoff(plant: Plant) -> None:
    """It raises the ticket and leaves teams and users to the agents."""
    await plant.start()
    chat = plant.chat()
    chat.start()
    await chat.wants_a_human()
    await plant.delivered()
    chat.slots["kustomer_priority"] = "urgent"
    await chat.wants_a_human("now!")
    await plant.delivered()
    await plant.counted()


@scenario
async def a_handoff_that_fails_and_is_tried_again(plant: Plant) -> None:
    await plant.start()
    chat = plant.chat()
    chat.start()
    plant.sandbox.fail("PATCH /v1/conversations/*", "status:400", times=None)
    await chat.wants_a_human()
    plant.sandbox.heal()
    await chat.wants_a_human("please")
    await plant.delivered()
    await plant.counted()


@scenario
async def teams_and_priorities(plant: Plant) -> None:
    """By slot, by another spelling, by id, and what there is not: the default, and a remark for the agent."""
    await plant.start()
    teams = ("bILLING", plant.sandbox.team("Sales")["id"], "Moon", 7)
    for number, (team, priority) in enumerate(zip(teams, ("low", 5, "at once", None), strict=True)):
        chat = plant.chat(f"ann-{number}", kustomer_team=team, kustomer_priority=priority)
        chat.start()
        await chat.wants_a_human()
        await plant.delivered()
    await plant.counted()


@scenario
async def no_team_at_all(plant: Plant) -> None:
    plant.configure(default_team_id="Nowhere")
    await plant.start()
    chat = plant.chat()
    chat.start()
    await chat.wants_a_human()
    await plant.delivered()
    await plant.counted()


@scenario
async def a_team_that_is_deleted(plant: Plant) -> None:
    """The list of teams is older than the deletion; the ticket is refused, and goes to the default team."""
    await plant.start()
    for number in range(2):
        chat = plant.chat(f"ann-{number}", kustomer_team="Billing")
        chat.start()
        await chat.wants_a_human()
        await plant.delivered()
        plant.sandbox.state.put("teams", {**plant.sandbox.team("Billing"), "deleted": True})
        plant.sandbox.state.commit()
    await plant.counted()


@scenario
async def routed_by_rules(plant: Plant) -> None:
    plant.write("kustomer_routing.yml", ROUTING)
    await plant.start()
    for name, intent, slots in (("ann", "complain", {}), ("bob", "inform", {"tier": "gold"}), ("eve", "inform", {})):
        chat = plant.chat(name, **slots)
        chat.start()
        await chat.turn("it is broken", "oh no", intent)
        await chat.wants_a_human()
        await plant.delivered()
    await plant.counted()


@scenario
async def a_note_with_all_that_is_known(plant: Plant) -> None:
    """Form, slots, what is hidden, reason and person."""
    plant.configure(note_hidden_slots="iban")
    await plant.start()
    chat = plant.chat(
        name="Ann", email="ann@example.com", phone="not a number", iban="DE02120300000000202051", order_number="4711"
    )
    chat.domain |= DOMAIN
    chat.start()
    for slot, value in (("order_number", "4711"), ("iban", "DE02120300000000202051")):
        chat.apply("slot", name=slot, value=value)
    await chat.turn("my order is late", "which one?", "order_status")
    chat.user("4711 and I want a human", "human_handoff")
    await chat.call("action_kustomer_handoff", active_loop={"name": "order_form"})
    await plant.delivered()
    await plant.counted()


@scenario
async def a_long_chat_is_handed_off_first(plant: Plant) -> None:
    """The agent is told how many turns follow; they come in order."""
    await plant.start()
    plant.sandbox.fail("*", "reset-before", times=None)
    chat = plant.chat()
    chat.start()
    await chat.says(*(f"line {number}" for number in range(8)))
    plant.sandbox.heal()
    await chat.wants_a_human()
    await plant.delivered()
    await plant.counted()


@scenario
async def a_turn_that_is_stuck_holds_up_no_ticket(plant: Plant) -> None:
    await plant.start()
    chat = plant.chat()
    chat.start()
    plant.sandbox.fail("POST /v1/conversations/*/messages", "status:500", times=6)
    await chat.says("hello")
    await plant.pass_by(20)
    await chat.wants_a_human()
    await plant.delivered()
    await plant.counted()


@scenario
async def a_handoff_without_the_mirror(plant: Plant) -> None:
    plant.configure(enable_sync="false")
    await plant.start()
    chat = plant.chat(email="ann@example.com")
    chat.start()
    await chat.says("hello")
    await chat.wants_a_human()
    await plant.delivered()
    await plant.counted()


@scenario
async def other_ways_of_parking(plant: Plant) -> None:
    (queue,) = plant.sandbox.state.queues
    for parking in ("none", f"queue:{queue}"):
        plant.configure(parking=parking)
        await plant.start()
        chat = plant.chat(parking.partition(":")[0])
        chat.start()
        await chat.says("hello")
        await plant.delivered()
        await chat.wants_a_human()
        await plant.delivered()
        await plant.stop()
    plant.configure(parking="assign-bot")
    plant.sandbox.rules.bot_assignable = False
    await plant.start()
    chat = plant.chat("bot-is-not-assignable")
    chat.start()
    await chat.wants_a_human()
    await plant.delivered()
    await plant.counted()


@scenario
async def a_handoff_after_the_chat_was_closed(plant: Plant) -> None:
    await plant.start()
    chat = plant.chat()
    chat.start()
    await chat.says("hello")
    await chat.is_done()
    await plant.delivered()
    await chat.wants_a_human("not solved after all")
    await plant.delivered()
    await plant.counted()


@scenario
async def the_state_of_a_ticket(plant: Plant) -> None:
    await plant.start()
    chat = plant.chat()
    await chat.starts()
    await chat.call("action_kustomer_ticket_status")
    await chat.wants_a_human()
    await plant.delivered()
    await chat.call("action_kustomer_ticket_status")
    plant.sandbox.fail("*", "status:503", times=None)
    await chat.call("action_kustomer_ticket_status")
    plant.sandbox.heal()
    await plant.counted()
