"""Runs in the environment of Rasa Open Source: reads files with Rasa's own readers and prints what it understood.

A warning of Rasa ends it, as an error does. Usage: inside_rasa.py FILE..., each a domain, NLU, rules or stories file.
"""
# mypy: disable-error-code="import-not-found"
# (rasa is in an environment of its own)

import json
import sys
import warnings
from pathlib import Path
from typing import Any

from rasa.shared.core.domain import Domain
from rasa.shared.core.training_data.story_reader.yaml_story_reader import YAMLStoryReader
from rasa.shared.nlu.training_data.formats.rasa_yaml import RasaYAMLReader


def understood(file: str) -> dict[str, Any]:
    """What Rasa finds in one file, by kind."""
    if Domain.is_domain_file(file):
        domain = Domain.from_file(file)
        return {
            "intents": sorted(set(domain.intents) - set(Domain.empty().intents)),
            "actions": sorted(domain.user_actions),
            "slots": sorted(domain.as_dict()["slots"]),
            "responses": sorted(domain.responses),
        }
    found: dict[str, Any] = {}
    if RasaYAMLReader.is_yaml_nlu_file(file):
        found["examples"] = {}
        for message in RasaYAMLReader().reads(Path(file).read_text(encoding="utf-8")).intent_examples:
            found["examples"].setdefault(message.get("intent"), []).append(message.get("text"))
    if YAMLStoryReader.is_stories_file(file):
        found["steps"] = {
            step.block_name: [name for event in step.events if (name := named(event))]
            for step in YAMLStoryReader().read_from_file(file)
        }
    return found


def named(event: Any) -> str | None:
    """The intent or action that a step names; Rasa puts "..." in front of a rule, for whatever was said before."""
    name: str | None = getattr(event, "action_name", None) or getattr(event, "intent_name", None)
    return None if name == "..." else name


if __name__ == "__main__":
    warnings.simplefilter("error", UserWarning)
    warnings.filterwarnings("ignore", "Slot auto-fill has been removed")  # said for each domain with slots
    print(json.dumps({file: understood(file) for file in sys.argv[1:]}))
