"""Runs in the environment of Rasa Open Source: trains the RulePolicy and prints which dialogues it refuses.

Usage: inside_rasa_rules.py CASES DOMAIN FILE..., where CASES is a JSON object of dialogues by name, each of which is
trained together with the files.
"""
# mypy: disable-error-code="import-not-found"
# (rasa is in an environment of its own)

import json
import sys
import tempfile
import warnings
from pathlib import Path

from rasa.core.policies.rule_policy import InvalidRule, RulePolicy
from rasa.engine.graph import ExecutionContext, GraphSchema
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.resource import Resource
from rasa.shared.core.domain import Domain
from rasa.shared.core.generator import TrainingDataGenerator
from rasa.shared.core.training_data.story_reader.yaml_story_reader import YAMLStoryReader
from rasa.shared.core.training_data.structures import StoryGraph


def refused(domain: Domain, texts: list[str]) -> bool:
    """Whether the rules and stories contradict each other."""
    steps = [step for text in texts for step in YAMLStoryReader(domain, "dialogue").read_from_string(text)]
    generator = TrainingDataGenerator(StoryGraph(steps), domain, augmentation_factor=0, use_story_concatenation=False)
    with tempfile.TemporaryDirectory() as folder:
        policy = RulePolicy(
            RulePolicy.get_default_config(),
            LocalModelStorage(Path(folder)),
            Resource("rules"),
            ExecutionContext(GraphSchema({}), "model"),
        )
        try:
            policy.train(generator.generate(), domain)
        except InvalidRule:
            return True
    return False


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # about an intent that is not in the domain, and the like
    cases, domains, *files = map(Path, sys.argv[1:])
    bot = Domain.load([str(domains)])
    shipped = [file.read_text(encoding="utf-8") for file in files]
    dialogues = json.loads(cases.read_text(encoding="utf-8"))
    print(json.dumps([name for name, text in dialogues.items() if refused(bot, [*shipped, text])]))
