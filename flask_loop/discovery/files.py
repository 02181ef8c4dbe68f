"""Files of models: what discovery writes, in Python or in JSON, to go on with by hand."""

from __future__ import annotations

import json
import keyword
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import inflection

from ..definition import lower_camel, plural
from ..definition.naming import python_name
from ..errors import DefinitionError
from .documents import Document
from .layout import Call, Source, assignment, imports

#: The texts of files by their names.
Written: TypeAlias = dict[str, str]

MODEL_CONFIG = "model-config.json"


def write(files: Mapping[str, str], folder: Path, *, force: bool = False) -> list[Path]:
    """Write files, all or none where one is there already.

    :param files: their texts by name.
    :param folder: where; it is made where it is not there.
    :param force: whether those that are there are written over.
    :returns: their paths.
    :raises DefinitionError: naming those that are there.
    """
    paths = {folder / name: text for name, text in files.items()}
    if not force and (there := [path for path in paths if path.exists()]):
        shown = ", ".join(map(str, there[:5])) + (", …" if len(there) > 5 else "")
        raise DefinitionError(f"{shown} would be written over; nothing was written")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in paths.items():
            path.write_text(text, "utf-8")
    except OSError as error:
        raise DefinitionError(f"{error.filename}: {error.strerror}") from None
    return list(paths)


# JSON


def json_files(documents: Sequence[Document], source: str) -> Written:
    """The files that :meth:`Loop.load` reads: one for each model, and ``model-config.json``.

    :param documents: the definitions.
    :param source: the name of the data source that the models are attached to.
    """
    names = _file_names(documents)
    written = {f"{names[each['name']]}.json": _as_json(each) for each in documents}
    config = {each["name"]: {"dataSource": source, "public": True} for each in documents}
    return {**written, MODEL_CONFIG: _as_json(config)}


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _file_names(documents: Iterable[Document]) -> dict[str, str]:
    """The names of files by those of models, each once where case makes no difference, too."""
    found: dict[str, str] = {}
    for document in documents:
        base = inflection.underscore(document["name"]).lower()
        base = f"{base}_" if keyword.iskeyword(base) else base
        name, number = base, 1
        while name in found.values() or name in ("__init__", MODEL_CONFIG.removesuffix(".json")):
            number += 1
            name = f"{base}_{number}"
        found[document["name"]] = name
    return found


# Python


def python_files(documents: Sequence[Document], source: str) -> Written:
    """A package with a module for each model; ``MODELS`` is all of them.

    :param documents: the definitions.
    :param source: the name of the data source, for the package's docstring.
    :raises DefinitionError: naming what Python has no name for.
    """
    modules = _file_names(documents)
    written = {f"{modules[each['name']]}.py": _Module(each, modules).source() for each in documents}
    return {**written, "__init__.py": _package(modules, source)}


def _package(modules: Mapping[str, str], source: str) -> str:
    by_module = sorted((module, model) for model, module in modules.items())
    lines = [f'"""The models of the data source {source}."""', ""]
    lines += [f"from .{module} import {model}" for module, model in by_module]
    models = [Source(model) for model in sorted(modules)]
    lines += ["", "#: To be attached: ``for model in MODELS: model.attach_to(source)``."]
    lines += assignment("MODELS", models, 0)
    return "\n".join(lines) + "\n"


#: Annotations by the names of types, and what they import.
_TYPES: dict[str, tuple[str, str | None]] = {
    "Boolean": ("bool", None),
    "Buffer": ("bytes", None),
    "Date": ("datetime", "datetime"),
    "DateOnly": ("date", "datetime"),
    "Decimal": ("Decimal", "decimal"),
    "Integer": ("int", None),
    "Number": ("float", None),
    "String": ("str", None),
    "UUID": ("UUID", "uuid"),
    "any": ("Any", "typing"),
}
_KINDS = {"belongsTo": "BelongsTo", "hasMany": "HasMany", "hasOne": "HasOne"}
_KEYWORDS = {
    "length": "max_length",
    "maxLength": "max_length",
    "readOnly": "read_only",
    "defaultFn": "default_fn",
    "foreignKey": "foreign_key",
    "primaryKey": "primary_key",
}
#: Keys of a property that its annotation says, or that are said otherwise.
_SAID = ("type", "nullable", "description")
_PLAIN = (*_KEYWORDS, "id", "generated", "default", "min", "max", "enum", "precision", "scale")


class _Module:
    """The module of one model.

    :param document: its definition.
    :param modules: the names of all modules by those of their models.
    """

    def __init__(self, document: Document, modules: Mapping[str, str]) -> None:
        self._document, self._modules = document, modules
        self._name = str(document["name"])
        self._imports: dict[str, set[str]] = {"flask_loop": {"Model"}}
        self._others: set[str] = set()
        self._refuse_unfit([self._name])

    def source(self) -> str:
        lines = [f"class {self._name}(Model):"]
        if description := self._document["options"].get("description"):
            lines += [f'    """{description}"""', ""]
        body = [*self._properties(), *self._relations()]
        meta = self._meta()
        lines += body
        if meta:
            lines += ["", "    class Meta:", *meta] if body else ["    class Meta:", *meta]
        return "\n".join([*self._head(), "", "", *lines]) + "\n"

    def _head(self) -> list[str]:
        place = next(
            each["table"] for each in self._document["options"].values() if _is_place(each)
        )
        lines = [_docstring(place), "", "from __future__ import annotations", ""]
        own = {"flask_loop": self._imports.pop("flask_loop")}
        if self._others:
            self._imports.setdefault("typing", set()).add("TYPE_CHECKING")
        for module in sorted(self._imports):
            lines += imports(module, self._imports[module])
        if self._imports:
            lines.append("")
        lines += imports("flask_loop", own["flask_loop"])
        if self._others:
            modules = sorted((self._modules[model], model) for model in self._others)
            lines += ["", "if TYPE_CHECKING:"]
            lines += [f"    from .{module} import {model}" for module, model in modules]
        return lines

    # Properties

    def _properties(self) -> list[str]:
        written = self._document["properties"]
        self._refuse_unfit(map(python_name, written))
        return [line for name, each in written.items() for line in self._property(name, dict(each))]

    def _property(self, name: str, written: dict[str, Any]) -> list[str]:
        self._use("Prop")
        is_nullable = written.get("nullable", not written.get("required")) and "id" not in written
        arguments = self._arguments(written)
        kind = self._annotation(written["type"])
        if kind == "Any" and not is_nullable:
            kind, arguments = "dict[str, Any]", {"type": Source("Any"), **arguments}
        elif kind != "Any" and is_nullable:
            kind = f"{kind} | None"
        target = f"{python_name(name)}: Prop[{kind}]"
        if not arguments:
            return [f"    {target}"]
        self._use("prop")
        return assignment(target, Call("prop", arguments), 1)

    def _annotation(self, kind: Any) -> str:
        if isinstance(kind, list):
            return f"list[{self._annotation(kind[0])}]"
        name, module = _TYPES[kind]
        if module is not None:
            self._imports.setdefault(module, set()).add(name)
        return name

    def _arguments(self, written: Mapping[str, Any]) -> dict[str, Any]:
        """What :func:`prop` is given, in the order in which it is read."""
        is_only_id = written.get("id") == 1 and not self._has_more_ids()
        given = {_KEYWORDS.get(key, key): value for key, value in written.items() if key in _PLAIN}
        if is_only_id:
            given["id"] = True
        if written["type"] == "Decimal" and "default" in given:
            given["default"] = Source(f'Decimal("{given["default"]}")')
        order = ("id", "generated", "default", "default_fn")
        arguments = {key: given.pop(key) for key in order if key in given} | given
        if "description" in written:
            arguments["description"] = written["description"]
        options = {
            key: dict(value)
            for key, value in written.items()
            if key not in (*_PLAIN, *_SAID) and isinstance(value, Mapping)
        }
        return {**arguments, **({"options": options} if options else {})}

    def _has_more_ids(self) -> bool:
        return sum("id" in each for each in self._document["properties"].values()) > 1

    # Relations

    def _relations(self) -> list[str]:
        relations = self._document.get("relations", {})
        self._refuse_unfit(relations)
        lines = []
        for name, written in relations.items():
            kind, model = _KINDS[written["type"]], written["model"]
            self._use(kind)
            if model != self._name:
                self._others.add(model)
            arguments = {
                _KEYWORDS[key]: value for key, value in written.items() if key in _KEYWORDS
            }
            if kind == "BelongsTo" and arguments.get("foreign_key") == f"{name}_id":
                del arguments["foreign_key"]
            target = f"{name}: {kind}[{model}]"
            if arguments:
                self._use("relation")
                lines += assignment(target, Call("relation", arguments), 1)
            else:
                lines.append(f"    {target}")
        return ["", *lines] if lines else []

    # Meta

    def _meta(self) -> list[str]:
        options = dict(self._document["options"])
        lines = []
        path = options.pop("plural")
        if path != plural(lower_camel(self._name)):
            lines += assignment("plural", path, 2)
        if options.pop("idInjection", True) is False:
            lines += assignment("id_injection", False, 2)
        if "remoting" in options:
            lines += assignment("remoting", options.pop("remoting"), 2)
        return lines + assignment("options", options, 2)

    def _use(self, *names: str) -> None:
        self._imports["flask_loop"].update(names)

    def _refuse_unfit(self, names: Iterable[str]) -> None:
        for name in names:
            if not name.isidentifier() or keyword.iskeyword(name):
                raise DefinitionError(
                    f"{self._name}: {name!r} is no name in Python; write JSON, or map it to another"
                )


def _docstring(table: str) -> str:
    shown = table.replace("\\", "\\\\").replace('"', '\\"')
    return f'"""The table {shown}."""'


def _is_place(options: Any) -> bool:
    return isinstance(options, Mapping) and "table" in options
