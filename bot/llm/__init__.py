"""The path of a language model: what it is asked, what it may cost, and what its word is worth."""
