"""Parts by themselves: no process, no server, no model."""
