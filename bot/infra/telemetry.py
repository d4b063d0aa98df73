"""Turns off the telemetry of vendors, unless the owner turned it on."""

import os

OFF = {
    "ANONYMIZED_TELEMETRY": "False",
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "HF_HUB_OFFLINE": "1",
}


def disable_telemetry() -> None:
    """Set the vendors' own switches in the environment; to be called before one is imported."""
    for name, value in OFF.items():
        os.environ.setdefault(name, value)  # noqa: TID251 - a switch that is written, not a setting
