"""One detector for each kind of secret that is recognized by its form."""
