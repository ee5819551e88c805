"""Countries as phone numbers know them, and what else people write for them."""

import phonenumbers

# Words and codes that are none: usual ones, such of other standards, and such of countries that are gone.
_MEANT = {
    "UK": "GB", "EN": "GB", "GBR": "GB", "USA": "US", "EL": "GR", "JA": "JP", "JPN": "JP", "KO": "KR", "KOR": "KR",
    "ZH": "CN", "CHN": "CN", "CS": "CZ", "CZE": "CZ", "DA": "DK", "DNK": "DK", "DEU": "DE", "GER": "DE", "DD": "DE",
    "AUT": "AT", "CHE": "CH", "SUI": "CH", "SP": "ES", "ESP": "ES", "FRA": "FR", "FX": "FR", "ITA": "IT", "NLD": "NL",
    "PRT": "PT", "POL": "PL", "RUS": "RU", "SU": "RU", "SWE": "SE", "TUR": "TR", "UKR": "UA", "IND": "IN", "HI": "IN",
    "VI": "VN", "BRA": "BR", "MEX": "MX", "CAN": "CA", "AUS": "AU", "IRL": "IE", "YU": "RS", "SRB": "RS", "TP": "TL",
    "ZR": "CD", "BU": "MM", "AN": "CW",
}  # fmt: skip


def region(value: str) -> str:
    """The two letters of a country whose numbers can be read.

    Raises:
        ValueError: There is no such country, with the likely one.
    """
    code = value.upper()
    if code in phonenumbers.SUPPORTED_REGIONS:
        return code
    digits = code.lstrip("+0")
    calling = phonenumbers.region_code_for_country_code(int(digits)) if digits.isascii() and digits.isdigit() else None
    likely = _MEANT.get(code) or (calling if calling in phonenumbers.SUPPORTED_REGIONS else None)
    hint = f"; write {likely}" if likely else ""
    raise ValueError(f"must be two letters of a country (ISO 3166) whose phone numbers are known{hint}")
