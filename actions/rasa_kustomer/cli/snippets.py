"""Where the files for bot designers are: inside the installed package, or in a checkout beside `actions/`."""

from importlib import resources
from pathlib import Path

NAME = "domain_snippets"


def snippets_folder() -> Path:
    """The folder with the domain snippets.

    Raises:
        FileNotFoundError: The installation is incomplete.
    """
    package = Path(str(resources.files("rasa_kustomer")))
    for folder in (package / NAME, package.parents[1] / NAME):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"{package / NAME} is missing: install rasa-kustomer again")
