"""Tests that fork this process run before those that start threads in it: gRPC's do not survive a fork."""

import pytest

FORKS = ("test_compiling.py",)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in FORKS)
