"""Decides what a message is answered with: its questions, the evidence, the decision, the reply."""
