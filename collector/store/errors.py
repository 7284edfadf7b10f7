"""What can go wrong with the store, as facts."""


class StoreError(Exception):
    """The store could not do what was asked; nothing of it was kept."""


class StoreUnavailableError(StoreError):
    """The file cannot be opened, read or written now (disk full, permissions, damage)."""


class SchemaError(StoreError):
    """The file was made by a newer version of Ringfence."""

    def __init__(self, path: str, found: int, known: int) -> None:
        super().__init__(f"store `{path}` has schema {found}, this version knows up to {known}")
        self.found = found
        self.known = known


class OutOfOrderError(StoreError):
    """The batch before this one is not stored, so this one must not be."""

    def __init__(self, number: int, after: int) -> None:
        super().__init__(f"batch {number} came behind batch {after}, which is not stored")


class QueryTooSlowError(StoreError):
    """A query took longer than it may; a narrower one will do."""


class CursorError(StoreError):
    """A page's cursor was not one of ours."""
