"""What people do with cases, and what they read of them: the same in Slack, browser, terminal."""
