"""Reads short_words.yaml: words that count only where they stand alone."""

from functools import cache

import yaml

from bot.errors import KnowledgeError
from bot.policy.disguises import fold
from bot.resources import data_path, parse_yaml

FILE = data_path("short_words.yaml")


@cache
def short_words(name: str) -> frozenset[str]:
    """Return the words under `name`, folded; raise KnowledgeError when they cannot be read."""
    try:
        read = parse_yaml(FILE.read_text(encoding="utf-8"))
        return frozenset(fold(word) for word in read[name].split())
    except (OSError, yaml.YAMLError, KeyError, AttributeError) as error:
        raise KnowledgeError(f"{FILE.name}: {name}: {' '.join(str(error).split())}") from None
