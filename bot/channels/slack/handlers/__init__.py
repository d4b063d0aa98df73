"""Handles what staff do in Slack: clicks, commands, submitted modals and questions."""
