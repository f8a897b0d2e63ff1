"""What the apps that tests need say: what has arrived at them, or something without an end.

Owns the texts; the scripts that speak them are those of the other apps.
"""

import itertools
import json
from collections.abc import Iterator

from workbench.apps.conversations import Turn


def what_arrived(turn: Turn) -> str:
    """The turn as a JSON object: `user`, `query`, `turn`, `inputs` and `files`."""
    files = [
        {
            "type": file["type"],
            "transfer_method": file["transfer_method"],
            "url": file["url"],
            "upload_file_id": file["related_id"],
            "name": file["filename"],
            "size": file["size"],
        }
        for file in turn.files
    ]
    arrived = {"user": turn.user, "query": turn.query, "turn": turn.number, "inputs": turn.inputs, "files": files}
    return json.dumps(arrived, ensure_ascii=False)


def ticks() -> Iterator[str]:
    """`tick0 tick1 …` until nobody asks for more."""
    return (f"tick{number} " for number in itertools.count())
