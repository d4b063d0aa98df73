"""Does what people decide about cases and describes cases, for Slack, browser and terminal."""
