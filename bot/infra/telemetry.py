"""Turns off the telemetry of vendors' libraries, whatever the environment says.

A variable that was set for another program, such as `LANGSMITH_TRACING`, would send the texts of
users to a third party. So all such variables are removed unless the owner sets DESK_TELEMETRY.
"""

import os

# Prefixes of the variables that tell libraries where to send traces and metrics.
TRACING_PREFIXES = ("LANGSMITH_", "LANGCHAIN_", "LANGGRAPH_", "OTEL_", "CHROMA_OTEL_", "TRACELOOP_")
SWITCHED_OFF = {
    "ANONYMIZED_TELEMETRY": "False",
    "CHROMA_TELEMETRY_ENABLED": "False",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime reports models and machines since 1.29
    "LANGCHAIN_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "LANGSMITH_TRACING_V2": "false",
    "LANGSMITH_OTEL_ENABLED": "false",
    "OTEL_SDK_DISABLED": "true",
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}


def disable_telemetry() -> None:
    """Remove the tracing variables and set the switches; call it before importing the libraries."""
    for name in [each for each in os.environ if each.upper().startswith(TRACING_PREFIXES)]:  # noqa: TID251 - switches, not settings
        del os.environ[name]  # noqa: TID251 - as above
    os.environ.update(SWITCHED_OFF)  # noqa: TID251 - as above
