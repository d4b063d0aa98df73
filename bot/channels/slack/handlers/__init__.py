"""What a click, a submitted window or a question in Slack does."""
