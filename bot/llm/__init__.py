"""Consults a language model: what it is asked, what it may cost, how far its answer is trusted."""
