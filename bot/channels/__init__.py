"""Where people reach the desk; channels do not know each other."""
