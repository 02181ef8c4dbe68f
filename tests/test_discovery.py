from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.dialects import oracle

from flask_loop import DataSource, DefinitionError, Loop, create_data_source, memory
from flask_loop.connectors.sql.reflection import property_of
from flask_loop.discovery import camel_names, snake_names
from tests.discovered import make_database

#: Of a type that it does not know, SQLAlchemy warns where a table is compared with its model.
pytestmark = pytest.mark.filterwarnings("ignore:Did not recognize type")

DATABASES = ["sqlite", "postgresql", "mysql", "firebird"]
TABLES = [
    *("addresses", "audit_log", "categories", "customer_profiles", "customers", "employees"),
    *("exchange_rates", "order_lines", "orders", "product_suppliers", "products", "refunds"),
    *("specimens", "stock_levels", "suppliers", "warehouses"),
]
VIEWS = ["active_customers", "order_totals"]


@pytest.fixture(scope="module", params=DATABASES)
def connector(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def make_url(
    connector: str, get_server: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], str]:
    """A function that gives the URL of the database that was there before."""

    def make_url(name: str) -> str:
        if connector == "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp(name)}/shop.sqlite"
        else:
            url = get_server(connector).fresh(name)
        make_database(url, connector)
        return url

    return make_url


@pytest.fixture(scope="module")
def db(make_url: Callable[[str], str]) -> Iterator[DataSource]:
    """A source that no test writes to."""
    source = create_data_source(url=make_url("discovery"))
    yield source
    source.close()


@pytest.fixture
def writable_db(make_url: Callable[[str], str]) -> Iterator[DataSource]:
    source = create_data_source(url=make_url("discovery_writes"))
    yield source
    source.close()


@pytest.fixture(scope="module")
def client(db: DataSource) -> FlaskClient:
    return client_of(db)


def client_of(source: DataSource) -> FlaskClient:
    app = Flask("shop")
    app.testing = True
    loop = Loop(app, url_prefix="/api")
    for model in source.discover_and_build_models().values():
        loop.model(model)
    return app.test_client()


def get(client: FlaskClient, path: str, **query: Any) -> Any:
    response = client.get(f"/api{path}", query_string=query)
    assert response.status_code == 200, response.text
    return response.json


def sqlite_with(folder: Path, script: str) -> DataSource:
    url = f"sqlite:///{folder}/made.sqlite"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in filter(str.strip, script.split(";")):
            connection.exec_driver_sql(statement)
    engine.dispose()
    return create_data_source(url=url)


# Tables


def test_tables_and_views_are_listed_by_name(db: DataSource) -> None:
    listed = db.discover_model_definitions()
    assert [each["name"] for each in listed] == sorted([*TABLES, *VIEWS])
    assert [each["name"] for each in listed if each["type"] == "view"] == VIEWS
    assert {frozenset(each) for each in listed} == {frozenset({"type", "name", "owner"})}


def test_views_can_be_left_out(db: DataSource) -> None:
    assert [each["name"] for each in db.discover_model_definitions(views=False)] == TABLES


def test_the_list_comes_in_pages(db: DataSource) -> None:
    whole = db.discover_model_definitions()
    assert db.discover_model_definitions(limit=4) == whole[:4]
    assert db.discover_model_definitions({"limit": 4, "offset": 15}) == whole[15:]


def test_an_owner_s_tables_are_listed(get_server: Callable[[str], Any]) -> None:
    url = get_server("postgresql").fresh("discovery_owner")
    make_database(url, "postgresql")
    db = create_data_source(url=url)
    expected = [{"type": "table", "name": "old_orders", "owner": "archive"}]
    assert db.discover_model_definitions("archive") == expected
    assert db.discover_model_definitions({"schema": "archive"}) == expected
    everyone = db.discover_model_definitions(all=True)
    assert {each["owner"] for each in everyone} == {"archive", "public"}
    assert expected[0] in everyone
    models = db.discover_and_build_models(all=True)
    place = {"schema": "archive", "table": "old_orders"}
    assert models["OldOrders"].definition.settings.options["postgresql"] == place
    assert models["OldOrders"].find_one(include="customer").to_dict()["customer"]["id"] == 1
    schema = db.discover_schema("old_orders", "archive")
    assert schema["options"]["postgresql"] == place
    db.close()


def test_an_option_that_there_is_not_is_refused() -> None:
    with pytest.raises(TypeError, match="'lmit'"):
        create_data_source(url="sqlite://").discover_model_definitions({"lmit": 3})


def test_a_connector_may_discover_nothing() -> None:
    source = memory()
    assert not source.connector.capabilities.discovery
    with pytest.raises(DefinitionError, match="the memory connector cannot discover models"):
        source.discover_and_build_models()


# Schemas and keys


def test_a_schema_has_the_seed_s_shape(db: DataSource, connector: str) -> None:
    schema = db.discover_schema("stock_levels")
    own = schema["properties"]["warehouseCode"].pop(connector)
    assert schema["properties"]["warehouseCode"] == {
        "type": "String",
        "required": True,
        "length": 4,
        "id": 1,
    }
    assert own == {
        "columnName": "warehouse_code",
        "dataType": "VARCHAR",
        "dataLength": 4,
        "nullable": "N",
    }
    assert schema["properties"]["productId"]["id"] == 2
    assert schema["properties"]["quantity"]["required"] is True
    assert schema["name"] == "StockLevels"
    assert schema["options"] == {"idInjection": False, connector: {"table": "stock_levels"}}


def test_the_seed_names_the_owner_first(db: DataSource) -> None:
    assert db.discover_schema(None, "orders") == db.discover_schema("orders")


def test_a_schema_makes_a_model(db: DataSource) -> None:
    Supplier = db.create_model(db.discover_schema("suppliers"))
    assert Supplier.find_by_id("ACME").name == "Acme"


def test_a_table_that_there_is_not_is_named(db: DataSource) -> None:
    with pytest.raises(DefinitionError, match="there is no table or view 'ordres'"):
        db.discover_schema("ordres")
    with pytest.raises(DefinitionError, match="'ordres'; did you mean 'orders'"):
        db.discover_and_build_models(["customers", "ordres"])
    with pytest.raises(TypeError, match="name the table"):
        db.discover_schema(None)


def test_schemas_are_those_of_related_tables_too(db: DataSource, connector: str) -> None:
    schemas = db.discover_schemas("refunds")
    assert "refunds" in schemas
    assert "order_lines" in schemas
    assert "suppliers" not in schemas  # no key of these leads there
    assert schemas["refunds"]["options"]["relations"] == {
        "orderLine": {
            "type": "belongsTo",
            "model": "OrderLines",
            "foreignKey": ["orderId", "lineNo"],
        }
    }


def test_primary_keys_are_listed_in_their_order(db: DataSource) -> None:
    keys = db.discover_primary_keys("order_lines")
    assert [(each["columnName"], each["keySeq"]) for each in keys] == [
        ("order_id", 1),
        ("line_no", 2),
    ]
    assert db.discover_primary_keys("audit_log") == []


def test_foreign_keys_are_listed_from_both_ends(db: DataSource) -> None:
    keys = db.discover_foreign_keys("order_lines")
    columns = ("fkColumnName", "keySeq", "pkTableName", "pkColumnName")
    found = [tuple(each[column] for column in columns) for each in keys]
    assert found == [
        ("order_id", 1, "orders", "id"),
        ("warehouse_code", 1, "stock_levels", "warehouse_code"),
        ("product_id", 2, "stock_levels", "product_id"),
    ]
    assert keys[0]["fkName"] != keys[1]["fkName"] == keys[2]["fkName"]
    exported = db.discover_exported_foreign_keys("stock_levels")
    assert exported == keys[1:]


# Models


def test_models_are_built_and_attached(db: DataSource) -> None:
    models = db.discover_and_build_models()
    assert sorted(models) == sorted(camel_names("table", name) for name in [*TABLES, *VIEWS])
    assert models["OrderLines"].data_source is db
    assert models["OrderLines"] in db.models()
    assert models["OrderLines"].definition.http_path == "/orderLines"
    assert [each.name for each in models["OrderLines"].definition.ids] == ["orderId", "lineNo"]
    assert db.is_actual(models.values())


def test_foreign_keys_become_relations_on_both_sides(db: DataSource) -> None:
    models = db.discover_and_build_models()
    assert relations_of(models["Orders"]) == {
        "customer": ("belongs_to", "Customers", ("customerId",)),
        "employee": ("belongs_to", "Employees", ("employeeId",)),
        "billingAddress": ("belongs_to", "Addresses", ("billingAddressId",)),
        "shippingAddress": ("belongs_to", "Addresses", ("shippingAddressId",)),
        "orderLines": ("has_many", "OrderLines", ("orderId",)),
    }
    assert relations_of(models["Addresses"]) == {
        "customer": ("belongs_to", "Customers", ("customerId",)),
        "ordersByBillingAddress": ("has_many", "Orders", ("billingAddressId",)),
        "ordersByShippingAddress": ("has_many", "Orders", ("shippingAddressId",)),
    }


def relations_of(model: type[Any]) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    relations = model.__loop_plan__().definition.relations
    return {
        name: (each.kind, each.target.name, each.foreign_key) for name, each in relations.items()
    }


def test_a_table_may_refer_to_itself(db: DataSource) -> None:
    Employees = db.discover_and_build_models()["Employees"]
    assert relations_of(Employees)["manager"] == ("belongs_to", "Employees", ("managerId",))
    root = Employees.find_by_id(1)
    assert [each.name for each in root.employeesByManager(order="id")] == ["Bob", "Eve"]
    assert Employees.find_by_id(2).manager().name == "Root"


def test_keys_of_several_columns_are_relations(db: DataSource) -> None:
    models = db.discover_and_build_models()
    relations = relations_of(models["OrderLines"])
    keys = ("warehouseCode", "productId")
    assert relations["stockLevel"] == ("belongs_to", "StockLevels", keys)
    assert relations["refunds"] == ("has_many", "Refunds", ("orderId", "lineNo"))


def test_a_unique_key_leads_to_one_record(db: DataSource) -> None:
    Customers = db.discover_and_build_models()["Customers"]
    found = relations_of(Customers)["customerProfile"]
    assert found == ("has_one", "CustomerProfiles", ("customerId",))


def test_many_to_many_is_not_guessed(db: DataSource) -> None:
    models = db.discover_and_build_models()
    assert relations_of(models["Suppliers"]) == {
        "productSuppliers": ("has_many", "ProductSuppliers", ("supplierCode",))
    }


def test_a_relation_has_no_property_s_name(db: DataSource) -> None:
    """The column ``warehouse`` holds the key of a warehouse."""
    Employees = db.discover_and_build_models()["Employees"]
    assert Employees.find_by_id(2).warehouse == "LON"
    assert Employees.find_by_id(2).warehouseRecord().city == "London"


def test_some_tables_are_related_to_each_other_alone(db: DataSource) -> None:
    models = db.discover_and_build_models(["orders", "customers"])
    assert list(relations_of(models["Orders"])) == ["customer"]
    assert list(relations_of(models["Customers"])) == ["orders"]
    (alone,) = db.discover_and_build_models("orders").values()
    assert relations_of(alone) == {}


def test_relations_may_be_left_out(db: DataSource) -> None:
    models = db.discover_and_build_models(relations=False)
    assert not any(map(relations_of, models.values()))


def test_models_may_be_built_again(db: DataSource) -> None:
    first = db.discover_and_build_models()
    second = db.discover_and_build_models()
    target = second["Orders"].__loop_plan__().definition.relations["customer"].target
    assert target is second["Customers"].definition
    assert first["Customers"] is not second["Customers"]


# Names


@pytest.mark.parametrize(
    ("table", "model"),
    [
        ("INVENTORY_ITEM", "InventoryItem"),
        ("inventory-item", "InventoryItem"),
        ("InventoryItem", "InventoryItem"),
        ("order details", "OrderDetails"),
        ("2fa", "_2fa"),
        ("café", "Café"),
    ],
)
def test_models_have_names_in_camel_case(table: str, model: str) -> None:
    assert camel_names("table", table) == model


@pytest.mark.parametrize(
    ("column", "camel", "snake"),
    [
        ("UNIT_PRICE", "unitPrice", "unit_price"),
        ("unitPrice", "unitPrice", "unit_price"),
        ("UnitPrice", "unitPrice", "unit_price"),
        ("unit price", "unitPrice", "unit_price"),
        ("ID", "id", "id"),
        ("customerID", "customerID", "customer_id"),
        ("2nd", "_2nd", "_2nd"),
        ("_id", "id", "id"),
    ],
)
def test_properties_have_names_in_camel_or_snake_case(column: str, camel: str, snake: str) -> None:
    assert camel_names("column", column) == camel
    assert snake_names("column", column) == snake


def test_columns_with_spaces_and_keywords_are_properties(db: DataSource) -> None:
    models = db.discover_and_build_models()
    assert models["Addresses"].find_by_id(1).postalCode == "EC1"
    hammer = models["Products"].find_one(where={"sku": "H-1"})
    assert (hammer.class_, hammer.count_) == ("A", 40)
    assert models["Products"].definition.properties["class_"].wire == "class"


def test_a_second_column_of_a_name_gets_a_number(db: DataSource) -> None:
    specimen = db.discover_and_build_models("specimens")["Specimens"].find_by_id(1)
    assert (specimen.addr2, specimen.addr22) == ("one", "two")


def test_a_second_table_of_a_name_gets_a_number(tmp_path: Path) -> None:
    db = sqlite_with(
        tmp_path,
        'CREATE TABLE "order" (id INTEGER PRIMARY KEY); CREATE TABLE orders (id INTEGER PRIMARY '
        'KEY); CREATE TABLE "Order!" (id INTEGER PRIMARY KEY); CREATE TABLE model (id INTEGER '
        "PRIMARY KEY)",
    )
    models = db.discover_and_build_models()
    assert {name: each.definition.http_path for name, each in models.items()} == {
        "Order": "/order",  # as /orders is another one's
        "Model2": "/model2s",  # as Model is what models derive from
        "Order2": "/order2s",
        "Orders": "/orders",
    }


def test_names_may_be_mapped_otherwise(db: DataSource) -> None:
    def shouting(kind: str, name: str) -> str:
        return f"{kind[0]}_{name}".upper().replace(" ", "_")

    models = db.discover_and_build_models(["orders", "customers"], name_mapper=shouting)
    assert sorted(models) == ["T_CUSTOMERS", "T_ORDERS"]
    order = models["T_ORDERS"].find_by_id(1)
    assert order.C_STATUS == "open"
    assert order.R_CUSTOMER().C_NAME == "Ada Byron"


def test_snake_case_is_the_same_on_the_wire(db: DataSource) -> None:
    camel = db.discover_and_build_models("products")["Products"]
    snake = db.discover_and_build_models("products", name_mapper=snake_names)["Products"]
    assert list(snake.definition.by_wire) == list(camel.definition.by_wire)
    assert "unit_price" in snake.definition.properties


# REST


def test_records_are_listed_with_filters(client: FlaskClient) -> None:
    orders = get(client, "/orders", filter='{"where": {"status": "open"}, "order": "id DESC"}')
    assert [each["id"] for each in orders] == [3, 1]
    assert orders[1] == {
        "id": 1,
        "customerId": 1,
        "employeeId": 2,
        "billingAddressId": 1,
        "shippingAddressId": 2,
        "status": "open",
        "orderedAt": "2024-05-01T10:00:00.000Z",
    }


def test_records_are_found_by_id(client: FlaskClient) -> None:
    assert get(client, "/customers/1") == {
        "id": 1,
        "code": "AB",
        "name": "Ada Byron",
        "email": "ada@example.com",
        "creditLimit": "1000.50",
        "isActive": True,
        "notes": None,
        "birthday": "1815-12-10",
        "createdAt": "2024-01-02T03:04:05.678Z",
    }
    assert get(client, "/orderLines/1,2")["quantity"] == 1
    assert get(client, r"/productSuppliers/2,A\,B")["leadDays"] == 5


@pytest.mark.parametrize(
    ("path", "where", "ids"),
    [
        ("/customers", '{"createdAt": {"gt": "2024-02-03T04:05:06Z"}}', [3]),
        ("/customers", '{"createdAt": "2024-02-03T04:05:06Z"}', [2]),
        ("/customers", '{"birthday": "1815-12-10"}', [1]),
        ("/customers", '{"isActive": false}', [3]),
        ("/customers", '{"creditLimit": {"between": ["5", "1000.5"]}}', [1, 3]),
        ("/customers", '{"code": {"inq": ["AB", "GH"]}}', [1, 2]),
        ("/customers", '{"email": null}', [2]),
        ("/customers", '{"name": {"like": "%r%"}}', [1, 2]),
        ("/customers", '{"name": {"regexp": "^[AG]"}}', [1, 2]),
        ("/products", '{"unitPrice": {"lt": "12.5"}}', [3]),
        ("/products", '{"unitPrice": "12.50"}', [1]),
        ("/products", '{"count": {"gt": 10}, "weight": {"gt": 1}}', [1]),
        ("/orders", '{"customer.name": "Grace Hopper"}', [3]),
        ("/orders", '{"orderLines": {"some": {"warehouseCode": "PAR"}}}', [2]),
    ],
)
def test_filters_mean_what_they_do_elsewhere(
    client: FlaskClient, path: str, where: str, ids: list[int]
) -> None:
    found = get(client, path, filter=f'{{"where": {where}, "order": "id"}}')
    assert [each["id"] for each in found] == ids


def test_related_records_are_included(client: FlaskClient) -> None:
    order = get(client, "/orders/1", filter='{"include": ["customer", "orderLines"]}')
    assert order["customer"]["name"] == "Ada Byron"
    assert [each["unitPrice"] for each in order["orderLines"]] == ["12.50", "30.00"]
    refund = get(client, "/refunds/1", filter='{"include": {"orderLine": "stockLevel"}}')
    assert refund["orderLine"]["stockLevel"] == {
        "warehouseCode": "LON",
        "productId": 2,
        "quantity": 7,
    }
    category = get(client, "/categories/3", filter='{"include": {"parent": "parent"}}')
    assert category["parent"]["parent"]["name"] == "Tools"


def test_related_records_have_routes(client: FlaskClient) -> None:
    assert [each["id"] for each in get(client, "/customers/1/orders")] == [1, 2]
    assert get(client, "/customers/1/customerProfile")["photo"] == "AQI="
    assert get(client, "/orderLines/1,2/refunds")[0]["reason"] == "blunt"
    assert get(client, "/orders/1/shippingAddress")["street"] == "2 Dock Road"


def test_views_are_read_only(client: FlaskClient) -> None:
    totals = get(client, "/orderTotals", filter='{"where": {"lineCount": {"gt": 1}}}')
    assert [(each["orderId"], float(each["total"])) for each in totals] == [(1, 55.0)]
    assert get(client, "/activeCustomers/count") == {"count": 2}
    assert client.post("/api/orderTotals", json={"orderId": 9}).status_code == 405
    assert client.get("/api/orderTotals/1").status_code == 404


def test_a_table_without_any_key_is_read_only(client: FlaskClient) -> None:
    found = get(client, "/auditLogs", filter='{"order": "loggedAt"}')
    assert [each["message"] for each in found] == ["ordered", "paid"]
    assert get(client, "/auditLogs/findOne", filter='{"where": {"message": "paid"}}')
    assert client.post("/api/auditLogs", json={"message": "lost"}).status_code == 405


def test_a_unique_key_without_nulls_is_the_id_where_there_is_no_other(client: FlaskClient) -> None:
    assert get(client, "/exchangeRates/EUR") == {"currency": "EUR", "rate": "1.170000"}


def test_the_documentation_is_there(client: FlaskClient) -> None:
    document = client.get("/_docs/openapi.json").json
    assert "/api/orderLines/{id}" in document["paths"]
    assert "default" not in document["components"]["schemas"]["OrderTotals"]["properties"]["total"]


# Writes


def test_the_database_makes_ids_and_defaults(writable_db: DataSource) -> None:
    client = client_of(writable_db)
    made = client.post("/api/customers", json={"code": "ZZ", "name": "Zuse"})
    assert made.status_code == 200, made.text
    assert made.json["id"] == 4
    assert (made.json["creditLimit"], made.json["isActive"]) == ("0.00", True)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", made.json["createdAt"])
    assert get(client, "/customers/4") == made.json


def test_defaults_of_the_database_may_be_given(writable_db: DataSource) -> None:
    client = client_of(writable_db)
    given = {"code": "ZZ", "name": "Zuse", "createdAt": "2020-01-02T03:04:05.000Z"}
    made = client.post("/api/customers", json=given)
    assert made.json["createdAt"] == given["createdAt"]
    changed = client.patch("/api/customers/4", json={"createdAt": None})
    assert changed.status_code == 422


def test_computed_columns_are_the_database_s(writable_db: DataSource) -> None:
    client = client_of(writable_db)
    new = {"sku": "X-1", "name": "Axe", "unitPrice": "10", "priceWithTax": "1"}
    made = client.post("/api/products", json=new)
    assert made.status_code == 200, made.text
    assert float(made.json["priceWithTax"]) == 12
    path = f"/api/products/{made.json['id']}"
    changed = client.patch(path, json={"unitPrice": "20"})
    assert float(changed.json["priceWithTax"]) == 24
    whole = client.get(path).json
    assert client.put(path, json={**whole, "unitPrice": "30"}).status_code == 200
    assert float(client.get(path).json["priceWithTax"]) == 36


def test_text_that_is_blank_is_as_good_as_the_database_has_it(writable_db: DataSource) -> None:
    client = client_of(writable_db)
    changed = client.patch("/api/customers/3", json={"name": "Somebody"})
    assert changed.status_code == 200, changed.text
    assert changed.json["code"] == ""


def test_what_cannot_be_null_has_to_be_given(writable_db: DataSource) -> None:
    client = client_of(writable_db)
    refused = client.post("/api/customers", json={"code": "ZZ"})
    assert refused.status_code == 422
    assert list(refused.json["error"]["details"]["codes"]) == ["name"]
    long = client.post("/api/customers", json={"code": "ZZZZZZ", "name": "Zuse"})
    assert list(long.json["error"]["details"]["codes"]) == ["code"]


def test_the_database_s_constraints_are_answered(writable_db: DataSource) -> None:
    client = client_of(writable_db)
    taken = client.post("/api/customers", json={"code": "AB", "name": "Ada"})
    assert taken.status_code == 422
    assert list(taken.json["error"]["details"]["codes"]) == ["code"]
    assert client.delete("/api/warehouses/LON").status_code == 409
    dangling = client.post("/api/addresses", json={"customerId": 99, "street": "Nowhere"})
    assert dangling.status_code in (409, 422)


def test_related_records_are_created(writable_db: DataSource) -> None:
    client = client_of(writable_db)
    line = {
        "lineNo": 3,
        "warehouseCode": "PAR",
        "productId": 1,
        "quantity": 1,
        "unitPrice": "9.99",
    }
    made = client.post("/api/orders/1/orderLines", json=line)
    assert made.status_code == 200, made.text
    assert made.json == {"orderId": 1, **line}
    assert client.delete("/api/orders/3").json == {"count": 1}  # its lines go with it
    assert client.get("/api/orderLines/3,1").status_code == 404


# Types

_KINDS = {
    "postgresql": {
        "aSmallint": ("Integer", -5),
        "aBigint": ("Integer", 9007199254740993),
        "aReal": ("Number", 1.5),
        "aNumeric": ("Number", 12345.678),
        "aWhole": ("Integer", 123456789),
        "aWide": ("Decimal", "12345678901234567890.1234"),
        "aPercentage": ("Number", 12.5),
        "aUuid": ("UUID", "6f1c1a5e-0c3f-4b7e-9c1d-2f3a4b5c6d7e"),
        "aJson": ("any", {"b": 1, "a": [1, 2]}),
        "aJsonb": ("any", {"k": "v"}),
        "aMood": ("String", "cross"),
        "aCitext": ("String", "MiXed"),
        "anInterval": ("String", "1 day 02:03:04"),
        "aTime": ("String", "12:30:00"),
        "aTimestamp": ("Date", "2024-05-01T10:00:00.000Z"),
        "someIntegers": ("Array", [1, 2, 3]),
        "someTexts": ("Array", ["x", "y z"]),
        "aMoney": ("String", "$12.30"),
        "anInet": ("String", "10.0.0.1"),
        "aBit": ("String", "101"),
        "aPoint": ("String", "(1,2)"),
        "aRange": ("String", "[1, 5)"),
        "anXml": ("String", "<a/>"),
        "aVector": ("String", "'a' 'cat' 'fat'"),
    },
    "mysql": {
        "aTinyint": ("Integer", -5),
        "aFlag": ("Boolean", True),
        "aMediumint": ("Integer", 16777215),
        "aBigint": ("Integer", 18446744073709551615),
        "aFloat": ("Number", 1.5),
        "aDouble": ("Number", 2.5),
        "aWhole": ("Integer", 123456789),
        "aWide": ("Decimal", "12345678901234567890.1234"),
        "anEnum": ("String", "cross"),
        "aSet": ("String", "red,blue"),
        "aJson": ("any", {"b": 1, "a": [1, 2]}),
        "aDatetime": ("Date", "2024-05-01T10:00:00.000Z"),
        "aTimestamp": ("Date", "2024-05-01T10:00:00.000Z"),
        "aTime": ("String", "12:30:00"),
        "aYear": ("Integer", 2024),
        "aBit": ("Integer", 5),
        "aBinary": ("Buffer", "YWIAAA=="),
        "aChar": ("String", "ab"),
        "aUuid": ("UUID", "6f1c1a5e-0c3f-4b7e-9c1d-2f3a4b5c6d7e"),
        "anInet": ("String", "::1"),
        "aPoint": ("Buffer", "AAAAAAEBAAAAAAAAAAAA8D8AAAAAAAAAQA=="),
    },
    "firebird": {
        "aSmallint": ("Integer", -5),
        "aBigint": ("Integer", 9007199254740993),
        "aFloat": ("Number", 1.5),
        "aDouble": ("Number", 2.5),
        "aWhole": ("Integer", 123456789),
        "aWide": ("Decimal", "12345678901234.1234"),
        "aChar": ("String", "ab"),
        "aBinary": ("Buffer", "AQIDBA=="),
        "aTime": ("String", "12:30:00"),
        "aText": ("String", "long"),
        "aBlob": ("Buffer", "AQI="),
    },
    "sqlite": {
        "aTinyint": ("Integer", -5),
        "aBigint": ("Integer", 9007199254740993),
        "aFloat": ("Number", 1.5),
        "aNumeric": ("Number", 12345.678),
        "aWhole": ("Integer", 123456789),
        "aWide": ("Decimal", "12.5000"),
        "aNvarchar": ("String", "ü"),
        "aClob": ("String", "long"),
        "aJson": ("any", {"b": 1, "a": [1, 2]}),
        "aTime": ("String", "12:30:00"),
        "aNothing": ("String", "anything"),
        "aStrange": ("Number", 12.3),
    },
}


def test_each_type_of_column_is_read_as_what_fits(
    db: DataSource, connector: str, client: FlaskClient
) -> None:
    properties = db.discover_and_build_models("specimens")["Specimens"].definition.properties
    record = get(client, "/specimens/1")
    found = {name: (properties[name].type.name, record[name]) for name in _KINDS[connector]}
    assert found == _KINDS[connector]
    assert len(record) == len(_KINDS[connector]) + 3


def test_what_was_read_can_be_put_back(writable_db: DataSource) -> None:
    client = client_of(writable_db)
    record = get(client, "/specimens/1")
    put = client.put("/api/specimens/1", json=record)
    assert put.status_code in (200, 422), put.text
    assert get(client, "/specimens/1") == record


def test_values_of_an_enum_are_checked(get_server: Callable[[str], Any]) -> None:
    url = get_server("mysql").fresh("discovery_enum")
    make_database(url, "mysql")
    db = create_data_source(url=url)
    client = client_of(db)
    refused = client.patch("/api/specimens/1", json={"anEnum": "furious", "aMediumint": -1})
    assert refused.status_code == 422
    assert sorted(refused.json["error"]["details"]["codes"]) == ["aMediumint", "anEnum"]
    db.close()


def oracle_property(kind: Any, **column: Any) -> dict[str, Any]:
    return property_of({"name": "c", "type": kind, "nullable": True, **column}, "oracle")


@pytest.mark.parametrize(
    ("kind", "expected", "own"),
    [
        (oracle.NUMBER(), {"type": "Number"}, {"dataType": "NUMBER"}),
        (oracle.NUMBER(10, 0), {"type": "Integer"}, {"dataPrecision": 10, "dataScale": 0}),
        (
            oracle.NUMBER(10, 2),
            {"type": "Decimal", "precision": 10, "scale": 2},
            {"dataPrecision": 10, "dataScale": 2},
        ),
        (oracle.NUMBER(38, 30), {"type": "Number"}, {"dataPrecision": 38, "dataScale": 30}),
        (oracle.VARCHAR2(20), {"type": "String", "length": 20}, {"dataType": "VARCHAR2"}),
        (oracle.CLOB(), {"type": "String"}, {"dataType": "CLOB"}),
        (oracle.DATE(), {"type": "Date"}, {"dataType": "DATE"}),
        (oracle.TIMESTAMP(), {"type": "Date"}, {"dataType": "TIMESTAMP"}),
        (oracle.BINARY_DOUBLE(), {"type": "Number"}, {"dataType": "BINARY_DOUBLE"}),
        (oracle.RAW(16), {"type": "Buffer", "length": 16}, {"dataType": "RAW"}),
        (oracle.INTERVAL(), {"type": "String"}, {}),
    ],
)
def test_oracle_s_types_have_their_properties(
    kind: Any, expected: dict[str, Any], own: dict[str, Any]
) -> None:
    found = oracle_property(kind)
    column = found.pop("oracle")
    assert found == {"required": False, **expected}
    assert {key: column[key] for key in own} == own


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("'open'", sa.VARCHAR(9), {"default": "open"}),
        ("'it''s'::character varying", sa.VARCHAR(9), {"default": "it's"}),
        ("((-1))", sa.INTEGER(), {"default": -1}),
        ("'2.50'", sa.NUMERIC(9, 2), {"default": "2.50"}),
        ("1", sa.BOOLEAN(), {"default": True}),
        ("false", sa.BOOLEAN(), {"default": False}),
        ("NULL", sa.INTEGER(), {}),
        ("now()", sa.DATETIME(), {"generated": True}),
        ("'2020-01-01'", sa.DATE(), {"generated": True}),
        ("lower('A')", sa.VARCHAR(9), {"generated": True}),
        ("99999999999999999999", sa.BIGINT(), {"generated": True}),
    ],
)
def test_plain_defaults_are_the_property_s_and_others_the_database_s(
    text: str, kind: Any, expected: dict[str, Any]
) -> None:
    found = oracle_property(kind, default=text)
    assert {key: found[key] for key in ("default", "generated") if key in found} == expected


def test_an_id_that_the_database_makes_of_a_uuid_is_made_before() -> None:
    column = {"name": "id", "type": sa.UUID(), "nullable": False, "default": "gen_random_uuid()"}
    found = property_of(column, "postgresql", id=1)
    assert (found["defaultFn"], found["required"]) == ("uuid", False)


_REFUSED: dict[str, list[dict[str, Any]]] = {
    "postgresql": [{"aSmallint": 99999}, {"anInet": "bad"}, {"aPercentage": 500}, {"aBit": "1"}],
    "mysql": [{"aTinyint": 999}, {"aSet": "mauve"}, {"aTime": "bad"}, {"aBit": 99}],
    "firebird": [{"aSmallint": 99999}, {"aTime": "bad"}],
    "sqlite": [],
}


def test_values_that_a_column_does_not_take_are_refused(
    db: DataSource, connector: str, client: FlaskClient
) -> None:
    before = get(client, "/specimens/1")
    for values in _REFUSED[connector]:
        refused = client.patch("/api/specimens/1", json=values)
        assert (refused.status_code, refused.json["error"]["code"]) == (409, "CONSTRAINT"), values
    assert get(client, "/specimens/1") == before


_FOUND: dict[str, list[dict[str, Any]]] = {
    "postgresql": [
        {"aMood": "cross"},
        {"aMood": {"inq": ["cross"]}},
        {"aMood": {"like": "cr%"}},
        {"anInet": "10.0.0.1"},
        {"anInet": {"inq": ["10.0.0.1", "x"]}},
        {"anInet": {"like": "10.%"}},
        {"aCitext": {"regexp": "^Mi"}},
        {"someIntegers": [1, 2, 3]},
        {"someIntegers": 2},
        {"aJson.b": 1},
        {"aJsonb.k": "v"},
        {"anInterval": "1 day 02:03:04"},
        {"aTime": {"gt": "12:00:00"}},
        {"aRange": {"like": "[1%"}},
        {"aUuid": {"inq": ["6f1c1a5e-0c3f-4b7e-9c1d-2f3a4b5c6d7e"]}},
        {"aWide": {"gt": "5"}},
        {"aWhole": {"inq": [123456789]}},
        {"aTimestamp": {"inq": ["2024-05-01T10:00:00Z"]}},
    ],
    "mysql": [
        {"anEnum": {"inq": ["cross"]}},
        {"anEnum": {"like": "cr%"}},
        {"aSet": "red,blue"},
        {"aJson.a": 2},
        {"aTime": "12:30:00"},
        {"aBit": {"inq": [5]}},
        {"aFlag": True},
        {"anInet": "::1"},
        {"aDatetime": "2024-05-01T10:00:00Z"},
        {"aBigint": {"gt": 5}},
        {"aDouble": {"inq": [2.5]}},
    ],
    "firebird": [
        {"aChar": {"inq": ["ab"]}},
        {"aChar": {"regexp": "^ab$"}},
        {"aChar": {"like": "ab"}},
        {"aBinary": "AQIDBA=="},
        {"aTime": {"gt": "12:00:00"}},
        {"aText": {"like": "lo%"}},
        {"aWhole": 123456789},
        {"aDouble": {"inq": [2.5]}},
    ],
    "sqlite": [
        {"aWide": {"inq": ["12.5"]}},
        {"aJson.b": 1},
        {"aTime": {"gt": "12:00:00"}},
        {"aStrange": 12.3},
    ],
}


def test_columns_of_each_type_can_be_filtered_by(connector: str, client: FlaskClient) -> None:
    for where in _FOUND[connector]:
        found = get(client, "/specimens", filter=json.dumps({"where": where, "order": "id"}))
        assert [each["id"] for each in found] == [1], where


# SQLite's liberties


def test_sqlite_gives_rows_numbers_only_where_the_key_is_an_integer(tmp_path: Path) -> None:
    db = sqlite_with(
        tmp_path,
        "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INT PRIMARY KEY);"
        "CREATE TABLE c (id INTEGER PRIMARY KEY) WITHOUT ROWID;"
        "CREATE TABLE d (id INTEGER, PRIMARY KEY (id))",
    )
    models = db.discover_and_build_models()
    made = {name: each.definition.id.generated for name, each in models.items()}
    assert made == {"A": True, "B": False, "C": False, "D": True}


def test_a_column_without_a_type_is_what_is_in_it(tmp_path: Path) -> None:
    db = sqlite_with(
        tmp_path,
        "CREATE TABLE loose (id INTEGER PRIMARY KEY, a, b, c, d, e);"
        "INSERT INTO loose VALUES (1, 1, 1, 'x', x'00', NULL), (2, NULL, 1.5, 3, x'01', NULL)",
    )
    Loose = db.discover_and_build_models()["Loose"]
    types = {name: each.type.name for name, each in Loose.definition.properties.items()}
    assert types == {
        "id": "Integer",
        "a": "Integer",
        "b": "Number",
        "c": "String",
        "d": "Buffer",
        "e": "String",
    }


def test_keys_that_mean_nothing_are_no_relations(tmp_path: Path) -> None:
    db = sqlite_with(
        tmp_path,
        "CREATE TABLE parent (id INTEGER PRIMARY KEY);"
        "CREATE TABLE child (id INTEGER PRIMARY KEY, gone_id INTEGER REFERENCES gone (id),"
        " text_id TEXT REFERENCES parent (id), parent_id INTEGER REFERENCES parent)",
    )
    models = db.discover_and_build_models()
    assert list(relations_of(models["Child"])) == ["parent"]
    assert list(relations_of(models["Parent"])) == ["child"]


def test_a_relation_cannot_have_the_name_of_what_every_model_has(tmp_path: Path) -> None:
    db = sqlite_with(
        tmp_path,
        "CREATE TABLE runs (id INTEGER PRIMARY KEY);"
        "CREATE TABLE errors (id INTEGER PRIMARY KEY, run_id INTEGER REFERENCES runs)",
    )
    models = db.discover_and_build_models()
    assert list(relations_of(models["Runs"])) == ["errors_"]
    run = models["Runs"].create()
    models["Errors"].create(runId=run.id)
    assert run.errors_.count() == 1
