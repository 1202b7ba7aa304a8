"""Collections and documents, which are plain but for what a change of them means for the other."""

from typing import Any, cast

from sqlalchemy import Table

from monitor.errors import InvalidInput, NotFound
from monitor.http import resource_routes
from monitor.http.resources import Change, Hooks, Resource, Row
from monitor.knowledge import store
from monitor.knowledge.bodies import (
    CollectionBody,
    CollectionChanges,
    CollectionListing,
    DocumentBody,
    DocumentChanges,
    DocumentListing,
    NewCollectionBody,
    NewDocumentBody,
)
from monitor.knowledge.model import DocumentStatus, check_follows
from monitor.knowledge.tables import Collection, Document
from monitor.principal import Slice


class Collections(Hooks):
    """Pieces overlap by less than they are long."""

    async def check(self, change: Change, new: dict[str, Any], old: Row | None) -> None:
        """Raise InvalidInput for an overlap that is too long."""
        whole = {**(old or {}), **new}
        if whole["chunk_overlap"] >= whole["chunk_size"]:
            raise InvalidInput("must be smaller than chunk_size", path="chunk_overlap")


class Documents(Hooks):
    """A document is in a collection that is there, says who brought it, and its status goes its way."""

    async def check(self, change: Change, new: dict[str, Any], old: Row | None) -> None:
        """Raise InvalidInput for a collection that is not there and a status that cannot be."""
        if old is None:
            new["uploaded_by"] = change.principal.user_id
            try:
                await store.find_collection(change.connection, change.principal.tenant_id, str(new["collection_id"]))
            except NotFound:
                raise InvalidInput("there is no such collection", path="collection_id") from None
        elif "status" in new:
            check_follows(DocumentStatus(old["status"]), DocumentStatus(new["status"]))


COLLECTIONS = Resource(
    kind="collection",
    path="/collections",
    slice=Slice.KNOWLEDGE,
    table=cast(Table, Collection.__table__),
    new=NewCollectionBody,
    changes=CollectionChanges,
    shown=CollectionBody,
    query=CollectionListing,
    sorts=("slug", "created_at", "updated_at"),
    name="slug",
    searched=("slug", "name"),
    hooks=Collections(),
)
DOCUMENTS = Resource(
    kind="document",
    path="/documents",
    slice=Slice.KNOWLEDGE,
    table=cast(Table, Document.__table__),
    new=NewDocumentBody,
    changes=DocumentChanges,
    shown=DocumentBody,
    query=DocumentListing,
    sorts=("created_at", "title"),
    searched=("title", "filename"),
    hooks=Documents(),
)

router = resource_routes.router(COLLECTIONS)
documents = resource_routes.router(DOCUMENTS)
