"""Runs in the environment of Rasa Pro: reads flows and domain with Rasa's own readers, which need no license.

The reader of flows checks them against the JSON schema that the package ships.
Usage: inside_rasa_pro.py FLOWS DOMAIN
"""
# mypy: disable-error-code="import-not-found"
# (rasa is in an environment of its own)

import json
import sys
import warnings
from typing import Any

from rasa.shared.core.domain import Domain
from rasa.shared.core.flows.yaml_flows_io import YAMLFlowsReader


def understood(flows_file: str, domain_file: str) -> dict[str, Any]:
    """The flows with their actions, and what the domain declares."""
    flows = YAMLFlowsReader.read_from_file(flows_file)
    flows.validate()
    domain = Domain.from_file(domain_file)
    return {
        "flows": {flow.id: [step.action for step in flow.steps if hasattr(step, "action")] for flow in flows},
        "described": all(flow.description for flow in flows),
        "intents": sorted(set(domain.intents) - set(Domain.empty().intents)),
        "actions": sorted(domain.user_actions),
        "slots": sorted(domain.as_dict()["slots"]),
        "responses": sorted(domain.responses),
    }


if __name__ == "__main__":
    warnings.simplefilter("error", UserWarning)
    print(json.dumps(understood(sys.argv[1], sys.argv[2])))
