"""Finds and loads methods, data sets and spaces by name; nothing else imports from
``harness.methods`` and ``harness.datasets``.

Three origins: files of the project's own ``methods/`` and ``datasets/`` (``a/b.py`` goes by ``a/b``), entry points of
installed packages (groups ``harness.methods``, ``harness.datasets``, ``harness.spaces``), and single files given with
``--plugin``, which go by the file's name. Finding reads names and source text only; a method's file runs in a child
process, never in the parent.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from harness.core.errors import InputError
from harness.core.home import folder
from harness.core.names import one_of, sentence
from harness.plugins import manifest as facts
from harness.plugins.sources import files, fingerprint

if TYPE_CHECKING:
    from types import ModuleType

    from harness.core.dataset import DatasetSource
    from harness.core.method import Method
    from harness.core.space import Space

Kind = Literal["method", "dataset", "space"]
EXPORTS: dict[Kind, str] = {"method": "METHOD", "dataset": "DATASET", "space": "SPACE"}
FOLDERS: dict[Kind, Path] = {"method": folder("methods"), "dataset": folder("datasets")}
PACKAGES: dict[Kind, str] = {"method": "harness.methods", "dataset": "harness.datasets"}
_SHARED = "common"  # the folder of what several files share
_FACTORY = "source"
PUBLISHED, GIVEN = "published", "given"
"""Files of methods that are named with a network behind a slash: a published one, or one that the user gives."""
WORDS: dict[Kind, str] = {"method": "method", "dataset": "data set", "space": "space"}


class BrokenPlugin(Exception):
    """A plug-in does not load, or does not export what it should; the message says which and why."""


@dataclass(frozen=True)
class Source:
    """Where a plug-in comes from: enough to load it in another process.

    Args:
        kind, name: what it is and what it is called.
        module: importable module, or a name made up for a ``--plugin`` file.
        file: its source; "" for an entry point, whose package is not looked at before it is needed.
        attribute: what to take out of the module.
        single: whether it is a ``--plugin`` file, to be loaded by path.
        member: which network it is: the name of a published one, or the text of a given one.
        settings: hyper-parameters given on the command line, ``darts:order=2``.
    """

    kind: Kind
    name: str
    module: str
    file: str
    attribute: str
    single: bool = False
    member: str = ""
    settings: tuple[tuple[str, Any], ...] = ()

    @property
    def family(self) -> str:
        """:data:`PUBLISHED` or :data:`GIVEN` for networks that are not searched for; else empty."""
        return self.name.partition("/")[0] if self.member else ""

    def facts(self) -> facts.Facts:
        """What the source text tells (of an entry point: after importing its parent packages).

        Raises:
            InputError: the file is unreadable, or not Python.
        """
        path = self.file or _located(self.module)
        found = facts.read(Path(path), self.attribute) if path else facts.Facts(f"from the package {self.module}")
        if self.family == PUBLISHED:
            from harness.spaces.zoo.find import find

            entry = find(self.member)
            found = replace(found, title=entry.title, extra={"cutout": 1.0} if entry.cutout else {})
        elif self.family == GIVEN:
            own = {"architecture": self.member}
            title = f"{self.name.partition('/')[2]} (given)"
            found = replace(found, title=title, space=self.member.partition(":")[0], settings=own)
        return found.with_settings(dict(self.settings)) if self.settings else found

    def version(self) -> str:
        """SHA-256 of its source and of what that imports from its folder; "" where there is no source to look at.

        Raises:
            InputError: the file is unreadable, or not Python.
        """
        path = self.file or _located(self.module)
        return fingerprint(Path(path), PACKAGES["method"], FOLDERS["method"]) if path else ""

    def files(self) -> tuple[Path, ...]:
        """Its source and what that imports from its folder; empty where there is no source to look at.

        Raises:
            InputError: the file is unreadable, or not Python.
        """
        path = self.file or _located(self.module)
        return files(Path(path), PACKAGES["method"], FOLDERS["method"]) if path else ()

    def needs_argument(self) -> bool:
        """Whether this is a data set that is named with a path, like ``folder:PATH``."""
        return (
            self.kind == "dataset" and bool(self.file) and facts.defines(Path(self.file), _FACTORY, EXPORTS["dataset"])
        )

    def takes_argument(self) -> bool:
        """Whether this is a data set that may be named with a path."""
        return facts.assigned(facts.parse(Path(self.file)), _FACTORY) is not None


class Catalogue:
    """Everything that can be named on the command line.

    Args:
        files: ``--plugin`` files.
        given: texts of architectures that are to be trained as they are, by name.

    Raises:
        InputError: a file is missing or not Python or exports nothing known, or two origins use the same name.
    """

    def __init__(self, files: Sequence[Path] = (), given: Mapping[str, str] = MappingProxyType({})) -> None:
        from importlib.metadata import entry_points

        self._given = given
        self._sources: dict[Kind, dict[str, Source]] = {kind: {} for kind in EXPORTS}
        for kind, home in FOLDERS.items():
            for path in sorted(home.rglob("*.py")):
                parts = path.relative_to(home).with_suffix("").parts
                if not parts[-1].startswith("_") and parts[0] != _SHARED:
                    module = ".".join((PACKAGES[kind], *parts))
                    self._add(Source(kind, "/".join(parts), module, str(path), EXPORTS[kind]))
        for kind, export in EXPORTS.items():
            for entry in entry_points(group=f"harness.{kind}s"):
                module, _, attribute = entry.value.partition(":")
                self._add(Source(kind, entry.name, module.strip(), "", attribute.strip() or export))
        for path in files:
            self._add_file(path)

    def _add(self, source: Source) -> None:
        other = self._sources[source.kind].setdefault(source.name, source)
        if other is not source:
            raise InputError(
                f"two {WORDS[source.kind]}s are called '{source.name}', {other.file or other.module} and "
                f"{source.file or source.module}; rename one of them"
            )

    def _add_file(self, path: Path) -> None:
        tree = facts.parse(path)
        found = [kind for kind, export in EXPORTS.items() if facts.assigned(tree, export) is not None]
        if not found:
            raise InputError(f"the plug-in {path} defines none of METHOD, DATASET and SPACE")
        absolute = str(path.resolve())
        module = f"harness_plugin_{path.stem}_{hashlib.sha256(absolute.encode()).hexdigest()[:8]}"
        for kind in found:
            self._add(Source(kind, path.stem, module, absolute, EXPORTS[kind], single=True))

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Names of one kind; the project's own first, in alphabetical order. Networks that are not searched for are not
        among them."""
        return tuple(name for name in self._sources[kind] if kind != "method" or name not in (PUBLISHED, GIVEN))

    def source(self, kind: Kind, name: str) -> Source:
        """The origin of a name; that of a method may have hyper-parameters behind it, ``darts:order=2:epochs=30``.

        Raises:
            InputError: there is no such name, or hyper-parameter.
        """
        if kind == "method" and ":" in name:
            base, _, words = name.partition(":")
            source = self.source(kind, base)
            return replace(source, name=name, settings=source.facts().parse_settings(base, words))
        family, _, member = name.partition("/")
        if kind == "method" and family == PUBLISHED:
            from harness.spaces.zoo.find import find

            return replace(self.family(family), name=name, member=find(member).name)
        if kind == "method" and family == GIVEN:
            if member not in self._given:
                raise InputError(f"'{name}' needs the file of the architecture; write --architecture FILE")
            return replace(self.family(family), name=name, member=self._given[member])
        return self._sources[kind][one_of(WORDS[kind], name, self.names(kind))]

    def family(self, name: str) -> Source:
        """The file of the methods that train published networks, or given ones."""
        return self._sources["method"][name]

    def spaces(self) -> dict[str, Source | None]:
        """All spaces; None stands for a built-in one."""
        from harness.spaces import names

        return {**dict.fromkeys(names()), **self._sources["space"]}


def load_method(source: Source) -> type[Method]:
    """The class that a method's file exports.

    Raises:
        BrokenPlugin: the file does not load, or exports something else.
    """
    from harness.core.method import Method

    exported = _load(source)
    if source.family == PUBLISHED:
        exported = exported.of(source.member)
    elif source.family == GIVEN:
        exported = exported.of(source.member, source.name)
    if not (isinstance(exported, type) and issubclass(exported, Method)):
        raise BrokenPlugin(f"{source.attribute} of '{source.name}' is {_described(exported)}, not a subclass of Method")
    missing = [word for word in ("name", "title", "space") if not isinstance(getattr(exported, word, None), str)]
    if missing:
        raise BrokenPlugin(f"the class of method '{source.name}' does not state {' and '.join(missing)} as a string")
    return exported


def load_dataset(source: Source, argument: str = "") -> DatasetSource:
    """What a data set's file exports as ``DATASET``, or makes with ``source(Path(argument))``.

    Args:
        source: the plug-in.
        argument: what follows the colon in ``folder:PATH``.

    Raises:
        InputError: the data set needs an argument, or takes none.
        BrokenPlugin: the file does not load, or exports something else.
    """
    from harness.core.dataset import DatasetSource

    if argument and source.file and not source.takes_argument():
        raise InputError(f"'{source.name}' takes nothing behind the colon; write {source.name}")
    if argument:
        exported = _load(replace(source, attribute=_FACTORY))(Path(argument))
    elif source.needs_argument():
        raise InputError(f"the data set '{source.name}' has to know where it is; write {source.name}:PATH")
    else:
        exported = _load(source)
    if not isinstance(exported, DatasetSource):
        raise BrokenPlugin(f"{source.attribute} of '{source.name}' is {_described(exported)}, not a DatasetSource")
    return exported


def load_space(name: str, source: Source | None) -> Space:
    """A space by name: a built-in one, or what a plug-in exports.

    Raises:
        InputError: there is no such built-in space.
        BrokenPlugin: the plug-in does not load, or exports something else or under another name.
    """
    from harness.core.space import Space
    from harness.spaces import get_space

    if source is None:
        return get_space(name)
    exported = _load(source)
    if not isinstance(exported, Space):
        raise BrokenPlugin(f"{source.attribute} of '{source.name}' is {_described(exported)}, not a Space")
    if exported.name != source.name:
        raise BrokenPlugin(f"the space of '{source.name}' calls itself '{exported.name}'; give both the same name")
    return exported


def named_space(name: str, catalogue: Catalogue) -> Space:
    """A space as a person names it.

    Raises:
        InputError: there is no such space, or its plug-in is broken.
    """
    try:
        return load_space(name, catalogue.spaces().get(name))
    except BrokenPlugin as error:
        raise InputError(str(error)) from error


def _load(source: Source) -> Any:
    """Imports a plug-in's module and takes the exported value out of it."""
    try:
        value: Any = _module_of_file(source) if source.single else importlib.import_module(source.module)
        for part in source.attribute.split("."):
            value = getattr(value, part)
        return value
    except (Exception, SystemExit) as error:
        where = source.file or source.module
        raise BrokenPlugin(
            f"the {WORDS[source.kind]} '{source.name}' ({Path(where).name}) does not load: {sentence(error)}"
        ) from error


def _module_of_file(source: Source) -> ModuleType:
    if source.module in sys.modules:
        return sys.modules[source.module]
    spec = importlib.util.spec_from_file_location(source.module, source.file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{source.file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[source.module] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[source.module]
        raise
    return module


def _described(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else f"of type {type(value).__name__}"


def _located(module: str) -> str:
    """The source file of an importable module, or ""; imports its parent packages."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return ""
    return spec.origin if spec is not None and spec.origin and spec.origin.endswith(".py") else ""
