"""What a document defines is found in statements, in tables of columns and in words."""

from tests.seeds.documents import parse
from tests.seeds.prose import fields_of

_STATEMENT = """
# Orders

```sql
-- A remark, with a CREATE TABLE (that is none
CREATE TABLE IF NOT EXISTS orders (
    id UUID PRIMARY KEY,
    buyer TEXT NOT NULL REFERENCES people(id) ON DELETE CASCADE,  -- who, when
    state TEXT DEFAULT 'new' CHECK (state IN ('new', 'old')),
    UNIQUE (buyer, state)
);
CREATE INDEX idx_orders_buyer ON orders (buyer);
```
"""
_COLUMNS = """
### `people`

| Column | Type |
|--------|------|
| `id`   | TEXT |
| `name` | TEXT |
"""
_LIST = """
## 2. Large Parcels Table

Fields needed:
- Unique identifier
- References to order and sender
- Weight and size (numbers)
- Sent and received timestamps
"""


def test_statements_give_columns_with_what_is_said_of_them() -> None:
    found = parse(_STATEMENT)
    assert found.tables == {
        "orders": {
            "id": "UUID PRIMARY KEY",
            "buyer": "TEXT NOT NULL REFERENCES people(id) ON DELETE CASCADE",
            "state": "TEXT DEFAULT 'new' CHECK (state IN ('new', 'old'))",
        }
    }
    assert found.keys == {"orders": ["UNIQUE (buyer, state)"]}
    assert found.constraints == [
        "key orders(id)",
        "reference orders(buyer) -> people(id)",
        "check orders(state)",
        "unique orders(buyer, state)",
    ]
    assert found.indexes == ["idx_orders_buyer"]


def test_a_table_of_columns_adds_to_what_a_statement_says() -> None:
    found = parse(_COLUMNS + "\n```sql\nCREATE TABLE people (\n    id TEXT PRIMARY KEY\n);\n```\n")
    assert found.tables == {"people": {"id": "TEXT PRIMARY KEY", "name": ""}}


def test_a_list_in_words_gives_fields() -> None:
    fields = ["id", "order_id", "sender_id", "weight", "size", "sent_at", "received_at"]
    assert list(parse(_LIST).tables["large_parcels"]) == fields


def test_words_that_group_others_are_no_fields() -> None:
    assert fields_of("Resource limits (max_agents, daily_requests)") == ["max_agents", "daily_requests"]
    assert fields_of("Standard timestamps") == ["created_at", "updated_at", "deleted_at"]
    assert fields_of("Password hash") == ["password_hash"]
    assert fields_of("Optional reference to agent") == ["agent_id"]
