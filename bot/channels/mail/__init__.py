"""Reads mails, decides what happens to them, and sends replies: the mail channel."""
