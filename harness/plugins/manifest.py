"""What the source text of a plug-in tells without running it, so that listing costs milliseconds and risks nothing."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeGuard

from harness.core.errors import InputError
from harness.core.names import one_line, one_of
from harness.core.recipe import MORE

_SOURCES = ("DatasetSource", "source")  # what makes a data set, by name
_NO_LITERAL = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)
"""What Python says of a text that is no literal: also of a list in a set, and of a hundred thousand minus signs."""


@dataclass(frozen=True)
class Facts:
    """What a plug-in's file says in plain literals.

    Args:
        summary: the ``summary="..."`` of a data set, else the first line of the docstring.
        title, space: of a method's class; "" where the class body does not state it as a plain string.
        families: of a method's class; empty where the class body does not state them as a plain tuple of strings.
        trains: of a method's class; False where the class body does not state it as a plain value.
        seen: of a method's class; data sets whose test results had been seen when its settings were made.
        position, look: of a method's class; None where the class body does not state it as a plain number.
        settings: hyper-parameters with literal defaults; None where a profile may change them in a way that only
            running the file can tell.
        scaled: what profiles change of them.
        extras: what a hyper-parameter adds to the final training, as the class states it.
        extra: what is added here.
    """

    summary: str = ""
    title: str = ""
    space: str = ""
    position: int | None = None
    look: int | None = None
    settings: Mapping[str, Any] | None = None
    scaled: Mapping[str, Mapping[str, Any]] | None = None
    extras: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    extra: Mapping[str, float] = field(default_factory=dict)
    families: tuple[str, ...] = ()
    trains: bool = False
    seen: tuple[str, ...] = ()

    def parse_settings(self, method: str, words: str) -> tuple[tuple[str, Any], ...]:
        """Reads ``order=2:epochs=30``.

        Args:
            method: for the messages.
            words: the text.

        Raises:
            InputError: no such hyper-parameter, one twice, or a value of another kind than its default.
        """
        found: dict[str, Any] = {}
        for word in words.split(":"):
            name, equals, text = word.partition("=")
            if not equals:
                raise InputError(f"'{word}' sets no hyper-parameter; write {method}:NAME=VALUE")
            if name in found:
                raise InputError(f"{method} is given {name} twice in '{words}'")
            usual = (self.settings or {}).get(one_of(f"hyper-parameter of {method}", name, self.settings or ()))
            try:
                value = ast.literal_eval(text)
            except _NO_LITERAL:
                value = text
            told = one_line(repr(text))
            if type(value) is not type(usual) and not (isinstance(usual, float) and type(value) is int):
                raise InputError(f"{method} takes {name}={usual!r} and the like, not {told}")
            if isinstance(value, float) and not math.isfinite(value):
                raise InputError(f"{method} takes {name}={usual!r} and the like, not {told}")
            if name in self.extras and value not in ("", MORE):
                raise InputError(f"{method} takes {name}={MORE} or no {name}, not {told}")
            found[name] = value
        return tuple(found.items())

    def with_settings(self, changes: Mapping[str, Any]) -> Facts:
        """The facts of the same method with hyper-parameters that hold in every profile."""
        words = ", ".join(f"{name}={value}" for name, value in changes.items())
        scaled = {
            profile: {name: value for name, value in some.items() if name not in changes}
            for profile, some in (self.scaled or {}).items()
        }
        settings = {**(self.settings or {}), **changes}
        extra = {**self.extra}
        for name, added in self.extras.items():
            extra |= added if settings.get(name) == MORE else {}
        return replace(self, title=f"{self.title} ({words})", settings=settings, scaled=scaled, extra=extra)

    def has_seen(self, dataset: str) -> bool:
        """Whether test results of a data set had been seen when the settings were made."""
        return bool({dataset, dataset.partition("/")[0]} & set(self.seen))

    def under(self, profile: str) -> dict[str, Any]:
        """The hyper-parameters that are known for a profile."""
        return {**(self.settings or {}), **(self.scaled or {}).get(profile, {})}


def parse(path: Path) -> ast.Module:
    """The syntax tree of a Python file.

    Raises:
        InputError: unreadable, or not Python.
    """
    try:
        return ast.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"the plug-in {path} cannot be read: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        raise InputError(f"the plug-in {path} is not valid Python: {error}") from error
    except (RecursionError, MemoryError) as error:
        raise InputError(f"the plug-in {path} is nested too deeply to be read") from error


def assigned(tree: ast.Module, name: str) -> ast.expr | None:
    """The expression bound to a module-level name (a ``Name`` for a class or function), or None."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[*targets], value=value) if any(_is_name(target, name) for target in targets):
                return value
            case ast.AnnAssign(target=target, value=value) if _is_name(target, name):
                return value
            case ast.ClassDef(name=found) | ast.FunctionDef(name=found) if found == name:
                return ast.Name(name)
    return None


def defines(path: Path, name: str, other: str) -> bool:
    """Whether a Python file binds ``name`` at module level, and not ``other``."""
    tree = parse(path)
    return assigned(tree, name) is not None and assigned(tree, other) is None


def read(path: Path, attribute: str) -> Facts:
    """The facts of the plug-in in ``path`` that exports ``attribute``.

    Raises:
        InputError: unreadable, not Python, or a class that states :attr:`Facts.seen` in another way than as texts.
    """
    tree = parse(path)
    summary = _summary(tree) or (ast.get_docstring(tree) or "").partition("\n")[0]
    exported = assigned(tree, attribute)
    if not isinstance(exported, ast.Name):
        return Facts(summary)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == exported.id:
            plain, fields = _class_values(node)
            title, space, scaled = plain.get("title"), plain.get("space"), plain.get("scaled")
            extras, seen = plain.get("extras"), _texts(plain.get("seen"))
            if _states(node, "seen") and not seen:  # else its results would stand in tables as blind
                raise InputError(f'the plug-in {path} has to state seen as plain texts: seen = ("DATA SET",)')
            return Facts(
                summary,
                title if isinstance(title, str) else "",
                space if isinstance(space, str) else "",
                _number(plain.get("position")),
                _number(plain.get("look")),
                fields if _is_nested(scaled) or not _states(node, "scaled") else None,
                scaled if _is_nested(scaled) else None,
                extras if _is_nested(extras) else {},
                families=_texts(plain.get("families")),
                trains=plain.get("trains") is True,
                seen=seen,
            )
    return Facts(summary)


def _number(value: Any) -> int | None:
    return value if type(value) is int else None


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(part for part in value if isinstance(part, str)) if isinstance(value, tuple) else ()


def _is_nested(value: Any) -> TypeGuard[dict[str, dict[str, Any]]]:
    """Whether a value is a dictionary of dictionaries, by names."""
    return isinstance(value, dict) and all(
        isinstance(outer, str) and isinstance(inner, dict) and all(isinstance(name, str) for name in inner)
        for outer, inner in value.items()
    )


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _summary(tree: ast.Module) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _SOURCES:
            for keyword in node.keywords:
                if keyword.arg == "summary" and isinstance(value := _literal(keyword.value), str):
                    return value
    return ""


def _states(node: ast.ClassDef, name: str) -> bool:
    """Whether a class body assigns ``name``."""
    for statement in node.body:
        match statement:
            case ast.Assign(targets=targets) if any(_is_name(target, name) for target in targets):
                return True
            case ast.AnnAssign(target=target) if _is_name(target, name):
                return True
    return False


def _class_values(node: ast.ClassDef) -> tuple[dict[str, Any], dict[str, Any]]:
    """Literal class attributes, and literal defaults of dataclass fields."""
    plain: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                into = plain
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value):
                into = plain if "ClassVar" in ast.unparse(annotation) else fields
            case _:
                continue
        if (literal := _literal(value)) is not None:
            into[name] = literal
    return plain, fields


def _literal(node: ast.expr) -> Any:
    """The value of a literal, or None; in a dictionary ``**{...}`` may stand for more of its entries."""
    if isinstance(node, ast.Dict):
        entries: dict[Any, Any] = {}
        for key, inner in zip(node.keys, node.values, strict=True):
            value = _literal(inner)
            if value is None:
                return None
            try:
                entries.update(value if key is None else {ast.literal_eval(key): value})
            except _NO_LITERAL:
                return None
        return entries
    try:
        return ast.literal_eval(node)
    except _NO_LITERAL:
        return None
