"""bot/data/short_words.yaml: words that mean something only by standing alone."""

from functools import cache
from pathlib import Path

import yaml

from bot.errors import KnowledgeError
from bot.policy.views import fold

FILE = Path(__file__).parent.parent / "data" / "short_words.yaml"


@cache
def short_words(name: str) -> frozenset[str]:
    """The words under `name`, folded as texts are; KnowledgeError where there are none."""
    try:
        read = yaml.load(FILE.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        return frozenset(fold(word) for word in read[name].split())
    except (OSError, yaml.YAMLError, KeyError, AttributeError) as error:
        raise KnowledgeError(f"{FILE.name}: {name}: {' '.join(str(error).split())}") from None
