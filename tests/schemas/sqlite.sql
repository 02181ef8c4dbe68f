-- A wholesaler's database, as somebody wrote it by hand for SQLite.

CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    code CHAR(5) NOT NULL UNIQUE,
    name VARCHAR(80) NOT NULL,
    email VARCHAR(120) UNIQUE,
    credit_limit NUMERIC(10, 2) NOT NULL DEFAULT 0,
    is_active BOOLEAN NOT NULL DEFAULT 1,
    notes TEXT,
    birthday DATE,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE customer_profiles (
    customer_id INTEGER PRIMARY KEY REFERENCES customers ON DELETE CASCADE,
    newsletter BOOLEAN NOT NULL DEFAULT FALSE,
    photo BLOB
);

CREATE TABLE addresses (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    customer_id INTEGER NOT NULL REFERENCES customers,
    street VARCHAR(80) NOT NULL,
    "postal code" VARCHAR(10)
);

CREATE TABLE categories (
    id INTEGER PRIMARY KEY,
    name VARCHAR(40) NOT NULL,
    parent_id INTEGER REFERENCES categories
);

CREATE TABLE products (
    id INTEGER PRIMARY KEY,
    sku VARCHAR(20) NOT NULL UNIQUE,
    name VARCHAR(80) NOT NULL,
    category_id INTEGER REFERENCES categories,
    "unitPrice" DECIMAL(10, 2) NOT NULL,
    "class" VARCHAR(10),
    "count" INTEGER NOT NULL DEFAULT 0,
    weight DOUBLE PRECISION,
    price_with_tax DECIMAL(12, 2) GENERATED ALWAYS AS ("unitPrice" * 1.2) STORED
);

CREATE TABLE suppliers (
    code VARCHAR(8) PRIMARY KEY,
    name VARCHAR(60) NOT NULL
) WITHOUT ROWID;

CREATE TABLE product_suppliers (
    product_id INTEGER NOT NULL REFERENCES products,
    supplier_code VARCHAR(8) NOT NULL REFERENCES suppliers (code),
    lead_days SMALLINT,
    PRIMARY KEY (product_id, supplier_code)
);

CREATE TABLE warehouses (
    code VARCHAR(4) PRIMARY KEY,
    city VARCHAR(40) NOT NULL
);

CREATE TABLE stock_levels (
    warehouse_code VARCHAR(4) NOT NULL REFERENCES warehouses,
    product_id INTEGER NOT NULL REFERENCES products,
    quantity INTEGER NOT NULL,
    PRIMARY KEY (warehouse_code, product_id)
);

CREATE TABLE employees (
    id INTEGER PRIMARY KEY,
    name VARCHAR(60) NOT NULL,
    manager_id INTEGER REFERENCES employees,
    warehouse VARCHAR(4) REFERENCES warehouses
);

CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers,
    employee_id INTEGER REFERENCES employees,
    billing_address_id INTEGER NOT NULL REFERENCES addresses,
    shipping_address_id INTEGER REFERENCES addresses,
    status VARCHAR(10) NOT NULL DEFAULT 'open',
    ordered_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE order_lines (
    order_id INTEGER NOT NULL REFERENCES orders ON DELETE CASCADE,
    line_no INTEGER NOT NULL,
    warehouse_code VARCHAR(4) NOT NULL,
    product_id INTEGER NOT NULL,
    quantity INTEGER NOT NULL,
    unit_price DECIMAL(10, 2) NOT NULL,
    PRIMARY KEY (order_id, line_no),
    FOREIGN KEY (warehouse_code, product_id) REFERENCES stock_levels
);

CREATE TABLE refunds (
    id INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL,
    line_no INTEGER NOT NULL,
    reason VARCHAR(200),
    FOREIGN KEY (order_id, line_no) REFERENCES order_lines (order_id, line_no)
);

CREATE TABLE audit_log (
    logged_at DATETIME,
    message VARCHAR(200)
);

CREATE TABLE exchange_rates (
    currency VARCHAR(3) NOT NULL UNIQUE,
    rate NUMERIC(12, 6) NOT NULL
);

CREATE TABLE specimens (
    id INTEGER PRIMARY KEY,
    a_tinyint TINYINT,
    a_bigint UNSIGNED BIG INT,
    a_float FLOAT,
    a_numeric NUMERIC,
    a_whole NUMERIC(9, 0),
    a_wide DECIMAL(30, 4),
    a_nvarchar NVARCHAR(20),
    a_clob CLOB,
    a_json JSON,
    a_time TIME,
    a_nothing,
    a_strange MONEY,
    addr2 TEXT,
    addr_2 TEXT
);

CREATE VIEW order_totals AS
    SELECT order_id, count(*) AS line_count, sum(quantity * unit_price) AS total
    FROM order_lines GROUP BY order_id;

CREATE VIEW active_customers AS
    SELECT id, name FROM customers WHERE is_active;

INSERT INTO customers (code, name, email, credit_limit, is_active, birthday, created_at) VALUES
    ('AB', 'Ada Byron', 'ada@example.com', 1000.50, 1, '1815-12-10', '2024-01-02 03:04:05.678'),
    ('GH', 'Grace Hopper', NULL, 0, 1, NULL, '2024-02-03 04:05:06'),
    ('', 'Nobody', 'nobody@example.com', 5, 0, NULL, '2024-03-04T05:06:07Z');

INSERT INTO customer_profiles VALUES (1, 1, x'0102');

INSERT INTO addresses (customer_id, street, "postal code") VALUES
    (1, '1 Mill Lane', 'EC1'), (1, '2 Dock Road', NULL), (2, '3 Fleet Street', 'EC4');

INSERT INTO categories VALUES (1, 'Tools', NULL), (2, 'Hand tools', 1), (3, 'Saws', 2);

INSERT INTO products (sku, name, category_id, "unitPrice", "class", "count", weight) VALUES
    ('H-1', 'Hammer', 2, 12.50, 'A', 40, 1.25), ('S-1', 'Saw', 3, 30, 'B', 7, 0.5),
    ('N-1', 'Nails', NULL, 0.05, NULL, 9000, NULL);

INSERT INTO suppliers VALUES ('ACME', 'Acme'), ('A,B', 'A comma B');

INSERT INTO product_suppliers VALUES (1, 'ACME', 3), (2, 'ACME', NULL), (2, 'A,B', 5);

INSERT INTO warehouses VALUES ('LON', 'London'), ('PAR', 'Paris');

INSERT INTO stock_levels VALUES ('LON', 1, 30), ('LON', 2, 7), ('PAR', 1, 10);

INSERT INTO employees VALUES (1, 'Root', NULL, 'LON'), (2, 'Bob', 1, 'LON'), (3, 'Eve', 1, NULL);

INSERT INTO orders (customer_id, employee_id, billing_address_id, shipping_address_id, status, ordered_at)
VALUES (1, 2, 1, 2, 'open', '2024-05-01 10:00:00'), (1, NULL, 1, 1, 'paid', '2024-05-02 11:30:00'),
    (2, 3, 3, NULL, 'open', '2024-05-03 12:00:00');

INSERT INTO order_lines VALUES (1, 1, 'LON', 1, 2, 12.50), (1, 2, 'LON', 2, 1, 30),
    (2, 1, 'PAR', 1, 1, 12), (3, 1, 'LON', 1, 4, 12.50);

INSERT INTO refunds VALUES (1, 1, 2, 'blunt');

INSERT INTO audit_log VALUES ('2024-05-01 10:00:00', 'ordered'), ('2024-05-02 11:30:00', 'paid');

INSERT INTO exchange_rates VALUES ('EUR', 1.17), ('USD', 1.25);

INSERT INTO specimens VALUES (
    1, -5, 9007199254740993, 1.5, 12345.678, 123456789, 12.5, 'ü', 'long', '{"b": 1, "a": [1, 2]}',
    '12:30:00', 'anything', 12.3, 'one', 'two'
);
