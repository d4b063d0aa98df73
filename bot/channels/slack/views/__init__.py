"""Draws what staff see in Slack: cards, modals and App Home, as pure functions of their state."""
