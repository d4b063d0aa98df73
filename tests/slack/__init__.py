"""The Slack channel, on our own Slack side and on an emulator."""
