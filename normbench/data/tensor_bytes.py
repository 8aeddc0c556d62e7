"""Tensors from the bytes of a safetensors file.

Not `safe_open`, which maps the file into memory: what another program writes into it later would change the tensors,
and a file that is cut would end the process.
"""

import json

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor


def tensors_in(content: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors by name, each with memory of its own, and the metadata.

    Raises SafetensorError for anything but a safetensors file, or one without metadata.
    """
    tensors = load(content)
    size = int.from_bytes(content[:8], "little")  # of the header, which is JSON
    metadata = json.loads(content[8 : 8 + size]).get("__metadata__")
    if not isinstance(metadata, dict):
        raise SafetensorError("no metadata")
    return tensors, metadata
