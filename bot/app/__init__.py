"""Constructs every part of the desk once; the only package that knows which adapter is used."""

from bot.app.composition import App, Parts

__all__ = ["App", "Parts"]
