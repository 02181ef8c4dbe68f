"""Random records that are related, and random filters that reach through the relations."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import note
from hypothesis import strategies as st

from flask_loop import DataSource, create_data_source
from flask_loop.testing import exact

MODELS: dict[str, dict[str, Any]] = {
    "realm": {"id": {"type": int, "id": True}, "name": str, "size": int},
    "town": {"id": {"type": int, "id": True}, "name": str, "size": int, "tags": [str]},
    "guild": {"id": {"type": int, "id": True}, "name": str, "size": int},
}
#: The relations of each model: name, the model it leads to, and whether to one record.
RELATIONS = {
    "realm": [
        ("towns", "town", False),
        ("capital", "town", True),
        ("large", "town", False),
        ("friends", "town", False),
        ("liege", "realm", True),
    ],
    "town": [
        ("realm", "realm", True),
        ("twin", "town", True),
        ("guilds", "guild", False),
    ],
    "guild": [("towns", "town", False), ("home", "town", True)],
}
#: Those that an order may go through: to one record that no scope chooses.
ORDERED = {"liege", "realm", "twin", "home", "capital"}
LISTS = {"tags"}
WORDS = ["a", "b", "B", "ab", ""]
SIZES = [0, 1, 2, 3, -1, 2**40]
IDS = list(range(1, 7))


class Arrangement:
    """The models, each on a data source.

    :param sources: the data source of each model by its name.
    :param prefix: what the names of tables begin with.
    """

    def __init__(self, sources: dict[str, DataSource], prefix: str = "") -> None:
        self.sources = list(dict.fromkeys(sources.values()))
        self.models = {
            name: sources[name].create_model(
                name, properties, table_option(sources[name], prefix, name)
            )
            for name, properties in MODELS.items()
        }
        realm, town, guild = self.models.values()
        realm.has_many("towns", model=town, foreign_key="realm_id")
        realm.has_one("capital", model=town, foreign_key="capital_of_id")
        realm.has_many(
            "large",
            model=town,
            foreign_key="realm_id",
            scope={"where": {"size": {"gt": 1}}, "order": "size DESC"},
        )
        realm.references_many("friends", model=town)
        realm.belongs_to("liege", model=realm)
        town.belongs_to("realm", model=realm)
        town.belongs_to("twin", model=town)
        member = sources["town"].create_model(
            "member",
            {"id": {"type": int, "id": True}, "town_id": int, "guild_id": int},
            table_option(sources["town"], prefix, "member"),
        )
        town.has_many("guilds", model=guild, through=member)
        guild.has_many("towns", model=town, through=member)
        guild.belongs_to("home", model=town)
        self.models["member"] = member
        for source in self.sources:
            source.auto_update()

    def store(self, records: dict[str, list[dict[str, Any]]]) -> None:
        for name, model in self.models.items():
            model.destroy_all()
            model.create(records[name])


def table_option(source: DataSource, prefix: str, name: str) -> dict[str, Any]:
    return {source.connector.name: {"table": prefix + name}} if prefix else {}


class Arrangements(list[Arrangement]):
    """All in memory, all on another data source, and both mixed.

    :param database: the other data source.
    :param second: what the mixed models are on in its place, whose names of tables are the same.
    """

    def __init__(self, database: DataSource, second: DataSource | None = None) -> None:
        memory, beside = (create_data_source(connector="memory") for _ in range(2))
        self.database = database.connector.name
        mixed = dict.fromkeys(("realm", "town"), second or database)
        super().__init__(
            [
                Arrangement(dict.fromkeys(MODELS, memory)),
                Arrangement(dict.fromkeys(MODELS, database)),
                Arrangement({**mixed, "guild": beside}, prefix="" if second else "mixed_"),
            ]
        )


class Case:
    """Random records, and filters for them.

    :param random: where they come from.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.records = {name: self._records(name) for name in [*MODELS, "member"]}

    def _records(self, name: str) -> list[dict[str, Any]]:
        ids = self.random.sample(IDS, self.random.randint(0, len(IDS)))
        return [{"id": id, **self._values(name, id)} for id in sorted(ids)]

    def _values(self, name: str, id: int) -> dict[str, Any]:
        choose, key = self.random.choice, self._key
        if name == "member":
            return {"town_id": key(), "guild_id": key()}
        values = {"name": choose([None, *WORDS]), "size": choose([None, *SIZES])}
        if name == "realm":
            friends = [choose(IDS) for _ in range(self.random.randint(0, 4))]
            return {**values, "liege_id": key(), "friend_ids": choose([None, friends, friends])}
        if name == "guild":
            return {**values, "home_id": key()}
        tags = [choose(WORDS) for _ in range(self.random.randint(0, 2))]
        # A realm has one capital.
        keys = {"realm_id": key(), "twin_id": key(), "capital_of_id": choose([None, id])}
        return {**values, "tags": choose([None, tags]), **keys}

    def _key(self) -> int | None:
        return self.random.choice([None, *IDS, 99])

    def where(self, model: str, depth: int = 3) -> dict[str, Any]:
        kind = self.random.randint(0, 6) if depth else 0
        if kind < 3:
            return {self._path(model, depth): self._condition()}
        if kind < 5:
            name, target, _ = self.random.choice(RELATIONS[model])
            quantifiers = self.random.sample(["some", "none", "every"], self.random.choice([1, 2]))
            return {name: {each: self._inner(target, depth - 1) for each in quantifiers}}
        if kind == 5:
            return {**self.where(model, depth - 1), **self.where(model, depth - 1)}
        parts = [self.where(model, depth - 1) for _ in range(self.random.randint(0, 3))]
        return {self.random.choice(["and", "or", "nor"]): parts}

    def _inner(self, model: str, depth: int) -> dict[str, Any]:
        return self.where(model, depth) if self.random.randint(0, 4) else {}

    def _path(self, model: str, depth: int, only: set[str] | None = None) -> str:
        """A dotted name of a property, through some relations."""
        steps = []
        while len(steps) < depth and self.random.randint(0, 1):
            known = [each for each in RELATIONS[model] if only is None or each[0] in only]
            if not known:
                break
            name, model, _ = self.random.choice(known)
            steps.append(name)
        names = [name for name in MODELS[model] if only is None or name not in LISTS]
        return ".".join([*steps, self.random.choice(names)])

    def _condition(self) -> Any:
        # One operand for properties of any type: those that it does not fit take null.
        kind = self.random.randint(0, 3)
        if kind == 0:
            return self.random.choice([None, {"neq": None}, {"exists": True}, {"eq": None}])
        return _Fitting(self.random.choice(["eq", "neq", "inq", "nin", "gt", "lte", "like"]))

    def filter(self, model: str) -> dict[str, Any]:
        random = self.random
        filter: dict[str, Any] = {"where": self.fit(model, self.where(model))}
        if random.randint(0, 1):
            orders = [self._path(model, 2, ORDERED) for _ in range(random.randint(1, 2))]
            filter["order"] = [each + random.choice(["", " DESC"]) for each in orders]
        if not random.randint(0, 2):
            filter["limit"] = random.randint(0, 4)
        if not random.randint(0, 2):
            filter["skip"] = random.randint(0, 3)
        if not random.randint(0, 3):
            names = list(MODELS[model])
            filter["fields"] = random.sample(names, random.randint(1, len(names)))
        if random.randint(0, 2):
            filter["include"] = self.includes(model)
        return filter

    def includes(self, model: str, depth: int = 2) -> list[Any]:
        known = RELATIONS[model]
        chosen = self.random.sample(known, self.random.randint(1, min(3, len(known))))
        return [self._include(*each, depth) for each in chosen]

    def _include(self, name: str, target: str, to_one: bool, depth: int) -> dict[str, Any]:
        random = self.random
        scope: dict[str, Any] = {}
        if not random.randint(0, 2):
            scope["where"] = self.fit(target, self.where(target, 1))
        if random.randint(0, 1):
            scope["order"] = self._path(target, 1, ORDERED) + random.choice(["", " DESC"])
        if not to_one and random.randint(0, 1):
            scope["limit"] = random.randint(0, 3)
        if not to_one and not random.randint(0, 2):
            scope["skip"] = random.randint(0, 2)
        if not random.randint(0, 3):
            scope["fields"] = random.sample(list(MODELS[target]), 2)
        if depth > 1 and not random.randint(0, 2):
            scope["include"] = self.includes(target, depth - 1)
        return {"relation": name, "scope": scope}

    def fit(self, model: str, where: Any) -> Any:
        """A where whose operands are of the types of what they are compared with."""
        fitted: dict[str, Any] = {}
        for key, value in where.items():
            if key in ("and", "or", "nor"):
                fitted[key] = [self.fit(model, each) for each in value]
            elif isinstance(value, _Fitting):
                fitted[key] = value.of(self.random, key.rpartition(".")[2])
            elif isinstance(value, dict) and value.keys() <= {"some", "none", "every"}:
                target = next(to for name, to, _ in RELATIONS[model] if name == key)
                fitted[key] = {each: self.fit(target, inner) for each, inner in value.items()}
            else:
                fitted[key] = value
        return fitted


class _Fitting:
    """A condition whose operand is chosen when the property is known.

    :param operator: its operator.
    """

    def __init__(self, operator: str) -> None:
        self.operator = operator

    def of(self, random: Random, name: str) -> dict[str, Any]:
        is_text = name in ("name", "tags")
        values = WORDS if is_text else IDS if name == "id" else SIZES
        if self.operator in ("inq", "nin"):
            return {self.operator: [random.choice([None, *values]) for _ in range(2)]}
        if self.operator == "like":
            return {"like": random.choice(["a%", "%b", "%"])} if is_text else {"neq": values[1]}
        return {self.operator: random.choice(values)}


cases = st.builds(Case, st.randoms(use_true_random=True))


# What has to hold in each case


def answers(arrangements: Arrangements, model: str, operation: str, given: Any) -> list[Any]:
    note(f"{model}.{operation}({given})")
    found = [getattr(each.models[model], operation)(given) for each in arrangements]
    if operation == "find":
        found = [[record.to_dict() for record in each] for each in found]
    return [exact(each) for each in found]


def check_find(arrangements: Arrangements, case: Case) -> None:
    note(f"stored: {case.records}")
    for each in arrangements:
        each.store(case.records)
    for model in MODELS:
        for _ in range(3):
            first, *others = answers(arrangements, model, "find", case.filter(model))
            for other in others:
                assert other == first


def check_count_and_writes(arrangements: Arrangements, case: Case) -> None:
    note(f"stored: {case.records}")
    for each in arrangements:
        each.store(case.records)
    for model in MODELS:
        for _ in range(3):
            where = case.fit(model, case.where(model))
            first, *others = answers(arrangements, model, "count", where)
            assert others == [first] * len(others)
            rest = answers(arrangements, model, "count", {"nor": [where]})
            whole = len(case.records[model])
            assert [int(each) for each in rest] == [whole - int(first)] * len(rest)
    model = case.random.choice(list(MODELS))
    for operation, *more in (("update_all", {"size": 7}), ("destroy_all",)):
        where = case.fit(model, case.where(model))
        expected, *_ = answers(arrangements, model, "count", where)
        note(f"{model}.{operation}({where})")
        done = [getattr(each.models[model], operation)(where, *more) for each in arrangements]
        assert done == [int(expected)] * len(done)
        first, *others = answers(arrangements, model, "find", {})
        assert others == [first] * len(others)
