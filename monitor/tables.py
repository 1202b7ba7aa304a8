"""Base of all tables: naming convention, column types and the tenant mixin."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ForeignKey, MetaData, Numeric, text
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT, DOUBLE_PRECISION, JSONB, TIMESTAMP
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import Text

NOW = text("now()")
EMPTY_OBJECT = text("'{}'::jsonb")
EMPTY_LIST = text("'[]'::jsonb")
ZERO = text("0")
MONEY = Numeric(20, 10)
"""US dollars: exact, to a ten-thousandth of a millionth."""

Json = dict[str, Any]


class Base(DeclarativeBase):
    """Declarative base. Classes describe tables; queries are Core statements over them, never ORM sessions."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "ck": "%(table_name)s_%(constraint_name)s_check",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        int: BIGINT,
        float: DOUBLE_PRECISION,
        datetime: TIMESTAMP(timezone=True),
        UUID: PG_UUID(as_uuid=True),
        Json: JSONB,
        list[Any]: JSONB,
        list[str]: ARRAY(Text),
        list[UUID]: ARRAY(PG_UUID(as_uuid=True)),
        list[int]: ARRAY(BIGINT),
    }


class TenantMixin:
    """A table whose rows belong to a tenant: its keys start with `tenant_id`, row-level security is forced."""

    tenant_id: Mapped[UUID] = mapped_column(
        ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True, sort_order=-1
    )


class HotTenantMixin:
    """As TenantMixin without the foreign key, for tables that take thousands of rows a second."""

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-1)


class Timestamps:
    """`created_at`, and `updated_at` kept by the trigger `set_updated_at`."""

    created_at: Mapped[datetime] = mapped_column(server_default=NOW, sort_order=1)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW, sort_order=1)
