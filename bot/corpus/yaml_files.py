"""Reads YAML files that people write, and says in plain words what is wrong in one of them.

Each message names the file, the line if known, the key, and what to do. It contains no wording of
the validating library, and nothing of the file but its keys.
"""

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from typing_extensions import override

from bot.errors import KnowledgeError
from bot.resources import LOADER, parse_yaml, read_own_text

T = TypeVar("T")
Place = tuple[int | str, ...]
"""The keys and the numbers of entries, from 0, that lead to a value in a file."""
LANGUAGE_CODE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
SHOWN = 3  # faults of a file that are named at once; the next ones follow when these are mended
LIKE = 0.7  # least similarity, from 0 to 1, of a wrong key to a known one that is suggested
# Messages of the YAML parser, and what most often causes them.
CAUSES = {
    "mapping values are not allowed": "a colon within a text? put the text in quotes",
    "cannot start any token": "a tab, or a text that begins with a sign? indent with spaces, and "
    "put the text in quotes",
    "expected ':'": "a colon missing behind a key, or a text that goes on without an indent?",
    "end of stream": "a quote that is not closed?",
    "',' or": "a bracket that is not closed?",
    "node content": "a bracket that is not closed?",
    "escape character": "a backslash in double quotes? use single ones",
    "undefined alias": "a text that begins with a star? put the text in quotes",
    "UTF-8": "a character that is no text",
    "special characters": "a character that is no text",
}
TEXT = "{named} must be a text; put a number, a date or a word such as no in quotes"
KEYS = "{named} must hold keys, each with what belongs to it, as `key: text`"
TRUTH = "{named} must be true or false"
KEY_TYPE = "key_type"
# The sentence for each error type of the validating library.
SENTENCES = {
    "string_type": TEXT,
    KEY_TYPE: "the keys of {named} must be texts; put a number or a word such as no in quotes",
    "model_type": KEYS,
    "model_attributes_type": KEYS,
    "dict_type": KEYS,
    "bool_type": TRUTH,
    "bool_parsing": TRUTH,
    "string_too_long": "{named} may have at most {max_length} characters",
    "string_too_short": "{named} is empty; write something there, or delete the key",
    "too_short": "{named} needs at least {min_length} of what is listed there",
    "too_long": "{named} may list at most {max_length}",
}
WRONG_INDENT = "a wrong indent?"


def list_yaml_files(folder: Path) -> list[Path]:
    """Return the YAML files in a folder, which need not exist, by name.

    Hidden ones are left out: editors and file managers put files of their own beside an open one,
    such as `.#case-7.yaml`.
    """
    return sorted(path for path in folder.glob("*.yaml") if not path.name.startswith("."))


def files_by_language(folder: Path) -> dict[str, Path]:
    """Return the YAML files in a folder by the language after whose code each is named.

    KnowledgeError for a file with another name, such as a copy that somebody has put aside.
    """
    found = {path.stem: path for path in list_yaml_files(folder)}
    if wrong := next((found[stem] for stem in found if not LANGUAGE_CODE.fullmatch(stem)), None):
        raise KnowledgeError(
            f"{wrong}: a file here is named after the code of its language, such as cs.yaml; "
            "rename it, or move it to another folder"
        )
    return found


def read_yaml_file(path: Path) -> Any:
    """Return what a YAML file holds, None for an empty one; KnowledgeError names what is wrong."""
    try:
        return parse_yaml(read_own_text(path))
    except yaml.YAMLError as error:
        raise yaml_fault(path, error) from None


def read_file_as(path: Path, kind: type[T], *, empty: Any = None) -> T:
    """Return a YAML file as a value of this kind; `empty` is what an empty file stands for.

    KnowledgeError names the file, the place of the fault, and what to do.
    """
    value = read_yaml_file(path)
    return check_value(path, empty if value is None else value, kind)


def check_value(path: Path, value: Any, kind: type[T], *, noun: str = "", remedy: str = "") -> T:
    """Return `value`, which was read from a file, as one of this kind; KnowledgeError as above.

    `noun` says what stands under a key, and `remedy` what to do where a key is missing.
    """
    try:
        checked: T = _adapter(cast("Hashable", kind)).validate_python(value)
    except ValidationError as error:
        document = _compose(path)
        first, *others = (
            (_named(place, document), said) for place, said in _faults(error, kind, noun, remedy)
        )
        said = [f"{', '.join(filter(None, (str(path), first[0])))}: {first[1]}"]
        said += [": ".join(filter(None, each)) for each in others[: SHOWN - 1]]
        said += [f"and {len(others) + 1 - SHOWN} more"] * (len(others) >= SHOWN)
        raise KnowledgeError("; ".join(said).replace("?; ", "? ")) from None
    return checked


def yaml_fault(where: object, error: yaml.YAMLError, *, above: int = 0) -> KnowledgeError:
    """Return an error that says what is not valid YAML, with its line and most likely cause.

    `above` is the number of lines in the file before the text that was parsed.
    """
    if not isinstance(error, yaml.MarkedYAMLError) or not error.problem_mark:
        said = " ".join(str(error).split("\n")[0].split())
        # A duplicate key is reported with its line; it is valid YAML.
        says = said if said.startswith("line ") else f"not valid YAML: {said}"
        return KnowledgeError(f"{where}: {says}")
    problem, mark = error.problem or "", error.problem_mark
    cause = next((says for sign, says in CAUSES.items() if sign in problem), WRONG_INDENT)
    if "end of stream" in problem and error.context_mark:
        mark = error.context_mark  # where the quote was opened
    return KnowledgeError(f"{where}, line {mark.line + 1 + above}: not valid YAML ({cause})")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    """One fault; `models` are those that may have its key, `noun` names what stands under a key."""

    key: str
    kind: str
    message: str
    value: Any
    context: Mapping[str, Any]
    models: Sequence[type[BaseModel]]
    noun: str

    @property
    def named(self) -> str:
        return f"`{self.key}`" if self.key else "it"

    @override
    def __str__(self) -> str:
        """Return what is wrong and what to do, without the position in the file."""
        if special := SPECIAL.get(self.kind):
            return special(self)
        if sentence := SENTENCES.get(self.kind):
            return sentence.format(named=self.named, **self.context)
        return f"{self.named} {self.message.replace('Input should be', 'must be')}"


def _faults(
    error: ValidationError, kind: Any, noun: str, remedy: str
) -> Iterator[tuple[Place, str]]:
    """Yield each fault with its place; all keys that one entry lacks are one fault."""
    lacking: dict[Place, list[str]] = {}
    for fault in error.errors(include_url=False):
        *above, last = fault["loc"] or ("",)
        if fault["type"] == "missing" and isinstance(last, str):
            lacking.setdefault(tuple(above), []).append(f"`{last}`")
            continue
        keys = [part for part in fault["loc"] if isinstance(part, str) and part != "[key]"]
        of_key = fault["loc"][-1:] == ("[key]",) and fault["type"] == "string_type"
        yield (
            fault["loc"],
            str(
                _Fault(
                    key=keys[-1] if keys else "", kind=KEY_TYPE if of_key else fault["type"],
                    message=fault["msg"],
                    value=fault["input"], context=fault.get("ctx", {}), noun=noun,
                    models=_models_at(fault["loc"], kind),
                )
            ),
        )  # fmt: skip
    for place, missing in lacking.items():
        several = len(missing) > 1
        what = f"the {noun}{'s' * several} " if noun else ""
        todo = f"; {remedy.format(them='them' if several else 'it')}" if remedy else ""
        yield place, f"{what}{', '.join(missing)} {'are' if several else 'is'} missing{todo}"


def _say_unknown_key(fault: _Fault) -> str:
    known = [name for model in fault.models for name in model.model_fields]
    noun = f"{fault.noun} " if fault.noun else ""
    return f"there is no {noun}{fault.named}{_meant(fault.key, known)}"


def _say_choices(fault: _Fault) -> str:
    known = [each.strip(" '") for each in fault.context["expected"].replace(" or ", ",").split(",")]
    return f"{fault.named} must be one of {', '.join(known)}{_meant(fault.value, known)}"


def _say_forms(fault: _Fault) -> str:
    forms = sorted({next(iter(model.model_fields)) for model in fault.models})
    return f"an entry begins with one of {', '.join(forms)}"


def _say_list(fault: _Fault) -> str:
    if not fault.key:
        return "it must be a list, each entry of which begins with a dash"
    fields = [m.model_fields[fault.key] for m in fault.models if fault.key in m.model_fields]
    if any(_lists(field.annotation) > 1 for field in fields):
        return f"write {fault.key} with two pairs of brackets: [[passage]]"
    return f"write {fault.key} as a list, in brackets: [one, two]"


def _say_too_few(fault: _Fault) -> str:
    return f"{fault.named} lists too few"


def _say_own_words(fault: _Fault) -> str:
    said = str(fault.context["error"])
    return f"{fault.named}: {said}" if fault.key else said


SPECIAL: Mapping[str, Callable[[_Fault], str]] = {
    "value_error": _say_own_words,  # the message of a validator of our own
    "extra_forbidden": _say_unknown_key,
    "enum": _say_choices,
    "literal_error": _say_choices,
    "union_tag_not_found": _say_forms,
    "union_tag_invalid": _say_forms,
    "list_type": _say_list,
    "tuple_type": _say_list,
    "missing": _say_too_few,  # of a list that has a fixed number of entries
}


def _meant(value: object, known: Sequence[str]) -> str:
    near = get_close_matches(str(value), known, n=1, cutoff=LIKE)
    return f"; did you mean `{near[0]}`?" if near else ""


def _named(place: Place, document: yaml.Node | None) -> str:
    """Return the name of a place in a message: its line, and its entry or outermost key."""
    line = _line_of(place, document)
    parts = [f"line {line}"] * bool(line)
    if place and isinstance(place[0], int):
        parts.append(f"entry {place[0] + 1}")
    elif len(place) > 1:
        parts.append(str(place[0]))
    return ", ".join(parts)


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast("Any", kind))


def _compose(path: Path) -> yaml.Node | None:
    """Return the file as YAML nodes, which know their lines; None where it cannot be read."""
    try:
        node: yaml.Node | None = yaml.compose(read_own_text(path), Loader=LOADER)
    except (yaml.YAMLError, OSError, RecursionError):
        return None
    return node


def _line_of(place: Place, node: yaml.Node | None) -> int:
    """Return the line of a value, or of the smallest part of the file around it; 0 for none."""
    line = 0
    for depth, part in enumerate(place, 1):
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == str(part)), None)
            if pair is None or (isinstance(pair[1], yaml.ScalarNode) and depth < len(place)):
                continue  # such as the tag of a union, which is not in the file
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
    return line


def _models_at(place: Place, kind: Any) -> list[type[BaseModel]]:
    """Return the models that may have the last key of a place, found along the keys before it."""
    models = _models_in(kind)
    for part in place[:-1]:
        fields = [m.model_fields[str(part)] for m in models if part in m.model_fields]
        inner = [model for field in fields for model in _models_in(field.annotation)]
        models = inner or models
    return models


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models in a type annotation, without those nested in other models."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for each in get_args(annotation) for model in _models_in(each)]


def _lists(annotation: Any) -> int:
    """Return how deeply lists are nested in a type annotation."""
    inner = [_lists(each) for each in get_args(annotation)]
    deep = max(inner, default=0)
    origin = get_origin(annotation)
    return deep if origin in (None, Union, UnionType, Annotated, dict) else deep + 1
