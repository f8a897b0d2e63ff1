from pathlib import Path
from uuid import UUID

import pytest

from workbench.hooks import BadHooks, Hook, read_hooks, with_apps, with_service_api


def test_the_file_names_workspaces_and_settings(tmp_path: Path) -> None:
    file = tmp_path / "hooks.yaml"
    file.write_text("one:\n  workspace: w\n  settings: {a: 1, b: {c: [x]}}\ntwo:\n  settings:\nthree: {}\n")
    assert list(read_hooks(file).values()) == [
        Hook("one", "w", {"a": 1, "b": {"c": ["x"]}}),
        Hook("two", "demo", {}),
        Hook("three", "demo", {}),
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "must map hook names"),
        ("[a]", "must map hook names"),
        ("{", "can't be read"),
        ("a b: {}", "a hook's name has"),
        ("a: {setings: {}}", "workspace and settings, no others"),
        ("a: 1", "workspace and settings, no others"),
        ("a: {workspace: 1}", "a text as workspace"),
        ("a: {settings: [1]}", "a mapping as settings"),
    ],
)
def test_a_fault_of_the_file_is_named(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "hooks.yaml"
    file.write_text(text)
    with pytest.raises(BadHooks, match=fault):
        read_hooks(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadHooks, match=r"none\.yaml can't be read"):
        read_hooks(tmp_path / "none.yaml")


def test_ids_are_uuids_that_stay_and_differ() -> None:
    hook, neighbour = Hook("a", "w", {}), Hook("b", "w", {})
    assert hook.endpoint_id == Hook("a", "other", {}).endpoint_id != neighbour.endpoint_id
    assert hook.tenant_id == neighbour.tenant_id != hook.endpoint_id
    assert UUID(hook.endpoint_id).version == UUID(hook.tenant_id).version == 5


@pytest.mark.parametrize(
    ("apps", "expected"),
    [
        (None, "b=2 c=3"),
        ("a=1", "a=1 b=2 c=3"),
        ("a=1, b=9\n d=4", "a=1 d=4 b=2 c=3"),
    ],
)
def test_apps_are_added_and_replace_those_of_the_same_alias(apps: str | None, expected: str) -> None:
    hook = Hook("a", "w", {"apps": apps, "x": 1})
    assert with_apps(hook, {"b": "2", "c": "3"}).settings == {"apps": expected, "x": 1}


def test_apps_are_not_added_to_a_setting_of_another_form() -> None:
    with pytest.raises(BadHooks, match="only be added to a setting of alias=id pairs"):
        with_apps(Hook("a", "w", {"apps": "{b: {app_id: 1}}"}), {"b": "2"})


def test_a_text_setting_may_name_the_service_api() -> None:
    hook = Hook("duck", "w", {"url": "{service_api}", "other": "x", "nested": {"url": "{service_api}"}})
    filled = {"url": "http://h/v1", "other": "x", "nested": {"url": "{service_api}"}}
    assert with_service_api(hook, "http://h/v1") == Hook("duck", "w", filled)
