"""Reads the files that ship beside the code in bot/data, finds the shipped knowledge, reads YAML.

No other module opens bot/data, so that the files can move, or travel in a package, by one change.
"""

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from bot.errors import KnowledgeError

SAFE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the slower one where libyaml is missing
MERGE_KEY = "<<"  # may stand several times in one mapping


def data_path(name: str) -> Path:
    """Return the path of a shipped file, for callers that name it in an error or replace it."""
    return Path(str(files("bot") / "data" / name))


def shipped_knowledge() -> Path:
    """Return the knowledge of the sample incident: in the package, or beside it in a checkout."""
    packaged = Path(str(files("bot") / "_knowledge"))
    return packaged if packaged.is_dir() else packaged.parents[1] / "knowledge"


def read_text(name: str) -> str:
    """Return the text of a shipped file; OSError when it is missing."""
    return data_path(name).read_text(encoding="utf-8")


def read_bytes(name: str) -> bytes:
    """Return the content of a shipped binary file; OSError when it is missing."""
    return data_path(name).read_bytes()


def read_own_text(path: Path) -> str:
    """Return the text of a file that people write; KnowledgeError when it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise KnowledgeError(f"{path}: it is not UTF-8 text; save it as UTF-8") from None


def parse_yaml(text: str) -> Any:
    """Return the value that YAML text stands for.

    yaml.YAMLError when it is not YAML, and when a key stands twice in one mapping, because PyYAML
    would silently drop the first of the two.
    """
    try:
        return yaml.load(text, Loader=LOADER)  # noqa: S506 - a safe loader
    except (ValueError, RecursionError) as error:  # such as a date that does not exist
        raise yaml.YAMLError(str(error)) from None


def _construct_map(loader: Any, node: yaml.Node) -> Any:
    """Return a mapping that PyYAML fills later; yaml.YAMLError when a key stands in it twice."""
    seen = set[tuple[str, str]]()
    for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
        if (key.tag, key.value) in seen and key.value != MERGE_KEY:
            line = key.start_mark.line + 1
            raise yaml.YAMLError(f"line {line}: the key {key.value!r} stands twice")
        seen.add((key.tag, key.value))
    return loader.construct_yaml_map(node)


LOADER = type("UniqueKeyLoader", (SAFE,), {})
yaml.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_map, LOADER)


def read_yaml(name: str) -> Any:
    """Return the value in a shipped YAML file; OSError or yaml.YAMLError when it cannot be read."""
    return parse_yaml(read_text(name))
