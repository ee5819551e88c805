"""Bots to try things on, written into a folder."""

from pathlib import Path

CONFIG = "recipe: default.v1\nlanguage: en\npipeline: null\npolicies: null\n"
DOMAIN = "intents: [greet]\nresponses:\n  utter_greet:\n    - text: Hello\n"
FLOW_CONFIG = (
    "recipe: default.v1\npipeline:\n  - name: SingleStepLLMCommandGenerator\npolicies:\n  - name: FlowPolicy\n"
)


def write(file: Path, text: str | bytes) -> None:
    """Write a file, also into a folder that is not there yet."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())


def contents(folder: Path) -> dict[str, bytes]:
    """All files with what is in them."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
