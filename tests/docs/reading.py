"""Reads the blocks that are data: JSON, YAML, TOML, XML must be well-formed, and settings be ones that Duck takes."""

import json
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, Final
from xml.etree import ElementTree

import yaml

from gateway.settings import parse
from tests.docs.blocks import ROOT, Block

ELLIPSIS: Final = "…"
ANY_APP: Final = "d1f70000-0000-4000-8000-000000000001"
"""What stands for an app's id in a page as an ellipsis."""

READERS: Final[Mapping[str, Callable[[str], object]]] = {
    "json": json.loads,
    "yaml": yaml.safe_load,
    "toml": tomllib.loads,
    "xml": ElementTree.fromstring,
}

SETTINGS: Final = frozenset(
    setting["name"]
    for setting in yaml.safe_load((ROOT / "group" / "duck.yaml").read_text(encoding="utf-8"))["settings"]
)
"""The names in Dify's form."""


def data_faults(block: Block) -> list[str]:
    """What is wrong with a block of data."""
    try:
        content = READERS[block.language](block.text)
    except (ValueError, yaml.YAMLError, ElementTree.ParseError) as error:
        return [f"{block}: {error}"]
    if block.note("settings") is not None:
        return [f"{block}: {fault}" for fault in settings_faults(content)]
    if name := block.note("setting"):
        line = " ".join(block.text.split()).replace(ELLIPSIS, ANY_APP)
        return [f"{block}: {fault}" for fault in settings_faults({name: line})]
    return []


def settings_faults(settings: Any) -> list[str]:
    """What Duck's reader finds wrong, and the names that Dify's form does not have."""
    unknown = sorted(settings.keys() - SETTINGS)
    found = parse({"access_keys": "web=3f9c2b7e51d04a86b1c2d3e4", **settings})
    return [*(f"{name} is no setting" for name in unknown), *map(str, found.faults)]
