"""Rules and stories beside ours, and whether Rasa refuses them; tests/e2e/test_contradictions.py asks Rasa itself."""

DOMAIN = """
intents: [greet]
entities: [topic]
slots:
  flag: {type: bool, influence_conversation: true, mappings: [{type: from_intent, intent: greet, value: true}]}
  a: {type: text, mappings: [{type: from_text}]}
responses:
  utter_x: [{text: x}]
  utter_y: [{text: y}]
forms:
  f: {required_slots: [a]}
"""


def _story(*steps: str) -> str:
    return "stories:\n- story: s\n  steps:\n" + "".join(f"  - {step}\n" for step in steps)


def _rule(*steps: str, more: str = "") -> str:
    return f"rules:\n- rule: r\n{more}  steps:\n" + "".join(f"  - {step}\n" for step in steps)


HUMAN, X, OURS = "intent: human_handoff", "action: utter_x", "action: action_kustomer_handoff"
EITHER = "or: [{intent: greet}, {intent: human_handoff}]"
ENTITY = "{intent: human_handoff, entities: [{topic: z}]}"
SLOT, FORM = "slot_was_set: [{flag: true}]", "active_loop: f"
CHECKPOINT = "- story: t\n  steps:\n  - checkpoint: c\n  - "

REFUSED = {
    "a story": _story(HUMAN, X),
    "a rule": _rule(HUMAN, X),
    "the second intent of a story": _story("intent: greet", X, "intent: problem_solved", X),
    "the third of our intents": _rule("intent: ticket_status", X),
    "one of several intents in a story": _story(EITHER, X),
    "one of several intents in a rule": _rule(EITHER, X),
    "a story with a form": _story("intent: greet", "action: f", FORM, HUMAN, X, "action: f", "active_loop: null"),
    "a story that starts a form": _story(HUMAN, "action: f", FORM, "active_loop: null", X),
    "a story that goes on at a checkpoint": _story(HUMAN, "checkpoint: c") + CHECKPOINT + X + "\n",
    "a story that ends there": _story("intent: greet", X, HUMAN),
    "a story with an entity": _story(ENTITY, X),
    "a story with a slot": _story(HUMAN, SLOT, X),
    "a story that goes on after ours": _story(HUMAN, OURS, X),
    "a rule that goes on after ours": _rule(HUMAN, OURS, X),
    "half of ours": _rule("intent: problem_solved", "action: utter_kustomer_solved"),
    "the other half": _story("intent: problem_solved", "action: action_kustomer_resolve"),
    "words of the user with the intent": _story("{user: help me, intent: human_handoff}", X),
    "an intent with a slash": _story("intent: /human_handoff", X),
    "an intent with a response": _story("intent: human_handoff/now", X),
    "words of the bot": _story(HUMAN, "bot: hello there"),
    "a rule for the beginning, where a story of ours begins": _rule(HUMAN, X, more="  conversation_start: true\n"),
    "a rule that does not wait": _rule(HUMAN, X, more="  wait_for_user_input: false\n"),
}
TAKEN = {
    "the same rule": _rule(HUMAN, OURS),
    "a story that does what ours does": _story("intent: greet", X, HUMAN, OURS, "intent: greet", X),
    "all of ours": _story("intent: problem_solved", "action: utter_kustomer_solved", "action: action_kustomer_resolve"),
    "a slot between": _story(HUMAN, SLOT, OURS),
    "ours at a checkpoint": _story(HUMAN, "checkpoint: c") + CHECKPOINT + OURS + "\n",
    "another intent": _rule("intent: greet", X),
    "words of the user": _story("user: human_handoff", X),
}
NARROW = {  # taken too, since a rule that says more goes before ours
    "a rule in a form": _rule(HUMAN, X, more="  condition:\n  - active_loop: f\n"),
    "a rule that leaves a form": _rule(
        HUMAN, X, "action: action_deactivate_loop", "active_loop: null", more="  condition:\n  - active_loop: f\n"
    ),
    "a rule with a slot": _rule(HUMAN, X, more="  condition:\n  - slot_was_set:\n    - flag: true\n"),
    "a rule for the beginning": _rule("intent: problem_solved", X, more="  conversation_start: true\n"),
    "a rule with an entity": _rule(ENTITY, X),
    "a rule with a step before": _rule("action: utter_y", HUMAN, X),
}
