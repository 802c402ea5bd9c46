"""Message classes of the generated modules, in a pool of their own.

A program may have code generated from the same .proto files, of another version: in protobuf's
default pool the two would collide.
"""

from __future__ import annotations

from typing import Any, Dict

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_POOL: Any = descriptor_pool.DescriptorPool()


def add_file(serialized: bytes, module: Dict[str, Any]) -> None:
    """Adds a serialized FileDescriptorProto, and its messages and enum values to `module`."""
    _POOL.AddSerializedFile(serialized)
    name = descriptor_pb2.FileDescriptorProto.FromString(serialized).name
    file = _POOL.FindFileByName(name)
    module["DESCRIPTOR"] = file
    for descriptor in file.message_types_by_name.values():
        module[descriptor.name] = message_factory.GetMessageClass(descriptor)
    for enum in file.enum_types_by_name.values():
        module.update((value.name, value.number) for value in enum.values)
