-- A wholesaler's database, as somebody wrote it by hand for MariaDB.

CREATE TABLE customers (
    id INTEGER PRIMARY KEY AUTO_INCREMENT,
    code CHAR(5) NOT NULL UNIQUE,
    name VARCHAR(80) NOT NULL,
    email VARCHAR(120) UNIQUE,
    credit_limit NUMERIC(10, 2) NOT NULL DEFAULT 0 COMMENT 'What they may owe.',
    is_active TINYINT(1) NOT NULL DEFAULT 1,
    notes LONGTEXT,
    birthday DATE,
    created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
);

CREATE TABLE customer_profiles (
    customer_id INTEGER PRIMARY KEY,
    newsletter BOOLEAN NOT NULL DEFAULT FALSE,
    photo BLOB,
    FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE
);

CREATE TABLE addresses (
    id INTEGER PRIMARY KEY AUTO_INCREMENT,
    customer_id INTEGER NOT NULL,
    street VARCHAR(80) NOT NULL,
    `postal code` VARCHAR(10),
    FOREIGN KEY (customer_id) REFERENCES customers (id)
);

CREATE TABLE categories (
    id INTEGER PRIMARY KEY,
    name VARCHAR(40) NOT NULL,
    parent_id INTEGER,
    FOREIGN KEY (parent_id) REFERENCES categories (id)
);

CREATE TABLE products (
    id INTEGER PRIMARY KEY AUTO_INCREMENT,
    sku VARCHAR(20) NOT NULL UNIQUE,
    name VARCHAR(80) NOT NULL,
    category_id INTEGER,
    `unitPrice` DECIMAL(10, 2) NOT NULL,
    `class` VARCHAR(10),
    `count` INTEGER NOT NULL DEFAULT 0,
    weight DOUBLE PRECISION,
    price_with_tax DECIMAL(12, 2) GENERATED ALWAYS AS (`unitPrice` * 1.2) STORED,
    FOREIGN KEY (category_id) REFERENCES categories (id)
);

CREATE TABLE suppliers (
    code VARCHAR(8) PRIMARY KEY,
    name VARCHAR(60) NOT NULL
);

CREATE TABLE product_suppliers (
    product_id INTEGER NOT NULL,
    supplier_code VARCHAR(8) NOT NULL,
    lead_days SMALLINT,
    PRIMARY KEY (product_id, supplier_code),
    FOREIGN KEY (product_id) REFERENCES products (id),
    FOREIGN KEY (supplier_code) REFERENCES suppliers (code)
);

CREATE TABLE warehouses (
    code VARCHAR(4) PRIMARY KEY,
    city VARCHAR(40) NOT NULL
);

CREATE TABLE stock_levels (
    warehouse_code VARCHAR(4) NOT NULL,
    product_id INTEGER NOT NULL,
    quantity INTEGER NOT NULL,
    PRIMARY KEY (warehouse_code, product_id),
    FOREIGN KEY (warehouse_code) REFERENCES warehouses (code),
    FOREIGN KEY (product_id) REFERENCES products (id)
);

CREATE TABLE employees (
    id INTEGER PRIMARY KEY,
    name VARCHAR(60) NOT NULL,
    manager_id INTEGER,
    warehouse VARCHAR(4),
    FOREIGN KEY (manager_id) REFERENCES employees (id),
    FOREIGN KEY (warehouse) REFERENCES warehouses (code)
);

CREATE TABLE orders (
    id INTEGER PRIMARY KEY AUTO_INCREMENT,
    customer_id INTEGER NOT NULL,
    employee_id INTEGER,
    billing_address_id INTEGER NOT NULL,
    shipping_address_id INTEGER,
    status VARCHAR(10) NOT NULL DEFAULT 'open',
    ordered_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
    FOREIGN KEY (customer_id) REFERENCES customers (id),
    FOREIGN KEY (employee_id) REFERENCES employees (id),
    FOREIGN KEY (billing_address_id) REFERENCES addresses (id),
    FOREIGN KEY (shipping_address_id) REFERENCES addresses (id)
);

CREATE TABLE order_lines (
    order_id INTEGER NOT NULL,
    line_no INTEGER NOT NULL,
    warehouse_code VARCHAR(4) NOT NULL,
    product_id INTEGER NOT NULL,
    quantity INTEGER NOT NULL,
    unit_price DECIMAL(10, 2) NOT NULL,
    PRIMARY KEY (order_id, line_no),
    FOREIGN KEY (warehouse_code, product_id) REFERENCES stock_levels (warehouse_code, product_id),
    FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE
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
    a_flag TINYINT(1),
    a_mediumint MEDIUMINT UNSIGNED,
    a_bigint BIGINT UNSIGNED,
    a_float FLOAT,
    a_double DOUBLE,
    a_whole DECIMAL(9, 0),
    a_wide DECIMAL(30, 4),
    an_enum ENUM('calm', 'cross'),
    a_set SET('red', 'green', 'blue'),
    a_json JSON,
    a_datetime DATETIME,
    a_timestamp TIMESTAMP NULL,
    a_time TIME,
    a_year YEAR,
    a_bit BIT(3),
    a_binary BINARY(4),
    a_char CHAR(5),
    a_uuid UUID,
    an_inet INET6,
    a_point POINT,
    addr2 VARCHAR(5),
    addr_2 VARCHAR(5)
);

CREATE VIEW order_totals AS
    SELECT order_id, count(*) AS line_count, sum(quantity * unit_price) AS total
    FROM order_lines GROUP BY order_id;

CREATE VIEW active_customers AS
    SELECT id, name FROM customers WHERE is_active;

INSERT INTO customers (code, name, email, credit_limit, is_active, birthday, created_at) VALUES
    ('AB', 'Ada Byron', 'ada@example.com', 1000.50, 1, '1815-12-10', '2024-01-02 03:04:05.678'),
    ('GH', 'Grace Hopper', NULL, 0, 1, NULL, '2024-02-03 04:05:06'),
    ('', 'Nobody', 'nobody@example.com', 5, 0, NULL, '2024-03-04 05:06:07');

INSERT INTO customer_profiles VALUES (1, 1, x'0102');

INSERT INTO addresses (customer_id, street, `postal code`) VALUES
    (1, '1 Mill Lane', 'EC1'), (1, '2 Dock Road', NULL), (2, '3 Fleet Street', 'EC4');

INSERT INTO categories VALUES (1, 'Tools', NULL), (2, 'Hand tools', 1), (3, 'Saws', 2);

INSERT INTO products (sku, name, category_id, `unitPrice`, `class`, `count`, weight) VALUES
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
    1, -5, 1, 16777215, 18446744073709551615, 1.5, 2.5, 123456789, 12345678901234567890.1234,
    'cross', 'red,blue', '{"b": 1, "a": [1, 2]}', '2024-05-01 10:00:00', '2024-05-01 10:00:00',
    '12:30:00', 2024, b'101', 'ab', 'ab', '6f1c1a5e-0c3f-4b7e-9c1d-2f3a4b5c6d7e', '::1',
    POINT(1, 2), 'one', 'two'
);
