import pytest

from workbench import laws, storage
from workbench.storage import Drawer, Storage, StorageError

QUOTA = 100


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("a/../b", "invalid key: path traversal attempt detected"),
        ("a//b", "invalid key: path traversal attempt detected"),
        ("a\\b", "invalid key: path traversal attempt detected"),
        ("ü" * 129, "key length must be less than 256 characters"),
    ],
)
def test_a_storage_key_is_checked(key: str, fault: str) -> None:
    with pytest.raises(StorageError, match=fault):
        storage.save(Drawer(), key, b"", QUOTA)


def test_a_key_of_256_bytes_with_slashes_is_kept() -> None:
    drawer = Drawer()
    storage.save(drawer, "a/" * 128, b"v", QUOTA)
    assert storage.load(drawer, "a/" * 128) == b"v"


@pytest.mark.parametrize("quota", [QUOTA, laws.STORAGE_LIMIT + 1])
def test_a_value_over_the_quota_is_an_error_but_kept(quota: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laws, "STORAGE_LIMIT", QUOTA)
    drawer = Drawer()
    storage.save(drawer, "a", b"x" * 60, quota)
    with pytest.raises(StorageError, match="allocated size is greater than max storage size"):
        storage.save(drawer, "b", b"x" * 41, quota)
    assert storage.load(drawer, "b") == b"x" * 41


def test_what_was_kept_over_the_quota_was_not_counted() -> None:
    drawer = Drawer()
    with pytest.raises(StorageError):
        storage.save(drawer, "a", b"x" * 101, QUOTA)
    storage.save(drawer, "b", b"x" * 100, QUOTA)
    storage.delete(drawer, "a")  # counts as if it had been counted
    assert drawer.counted == -1


def test_a_value_that_replaces_another_counts_the_difference() -> None:
    drawer = Drawer()
    storage.save(drawer, "a", b"x" * 60, QUOTA)
    storage.save(drawer, "a", b"x" * 100, QUOTA)
    assert drawer.counted == 100


def test_a_missing_key_exists_not_and_can_be_neither_read_nor_deleted() -> None:
    drawer = Drawer()
    assert not storage.exists(drawer, "a")
    for operation in (storage.load, storage.delete):
        with pytest.raises(StorageError):
            operation(drawer, "a")


def test_a_drawer_belongs_to_one_workspace() -> None:
    kept = Storage()
    assert kept.drawer("t") is kept.drawer("t") is not kept.drawer("u")


def test_a_failing_storage_does_nothing() -> None:
    drawer = Drawer({"a": b"v"}, fault="failing")
    for operation in (storage.load, storage.delete, storage.exists, lambda d, k: storage.save(d, k, b"w", QUOTA)):
        with pytest.raises(StorageError, match="connection refused"):
            operation(drawer, "a")
    assert drawer.values == {"a": b"v"}


def test_a_full_storage_keeps_the_value_uncounted_and_is_otherwise_well() -> None:
    drawer = Drawer(fault="full")
    with pytest.raises(StorageError, match="allocated size is greater than max storage size"):
        storage.save(drawer, "a", b"v", QUOTA)
    assert storage.exists(drawer, "a")
    assert storage.load(drawer, "a") == b"v"
    assert drawer.counted is None


def test_values_that_are_put_there_replace_all_and_count() -> None:
    drawer = Drawer()
    storage.save(drawer, "a", b"v", QUOTA)
    drawer.put({"b": b"x" * (QUOTA + 1)})
    assert drawer.values == {"b": b"x" * (QUOTA + 1)}
    with pytest.raises(StorageError, match="allocated size"):
        storage.save(drawer, "c", b"x", QUOTA)
