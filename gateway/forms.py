"""An app's input form as people and models are told of it."""

from typing import Any

from gateway.kinds import Variable


def described(variable: Variable) -> dict[str, Any]:
    """One field: name, type and whether it is required, and what else it has; without what it does not have."""
    members = {
        "label": variable.label if variable.label != variable.name else "",
        "description": variable.description,
        "options": list(variable.options),
        "default": variable.default,
        "max_length": variable.max_length,
        "file_types": list(variable.file_types),
    }
    known = {name: value for name, value in members.items() if value not in ("", [], None, 0)}
    return {"name": variable.name, "type": variable.type, "required": variable.is_required, **known}
