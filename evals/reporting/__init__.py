"""Reports a measured run for the terminal, a pull request and a browser."""
