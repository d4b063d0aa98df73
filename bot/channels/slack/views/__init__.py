"""What staff see in Slack: cards, windows, App Home; pure functions of the state."""
