"""The mail channel: reading mails, deciding what happens to them, and sending replies."""
