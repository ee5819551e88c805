"""Every setting of the plugin, read once from the environment and `.env`."""

from rasa_kustomer.settings.environment import PREFIX
from rasa_kustomer.settings.fields import Settings
from rasa_kustomer.settings.loading import SettingsError, doubtful_variables, exposed_browser_keys, load_settings

__all__ = ["PREFIX", "Settings", "SettingsError", "doubtful_variables", "exposed_browser_keys", "load_settings"]
