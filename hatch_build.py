"""Build hook: make the protobuf stubs (and, for a wheel, take the built console along)."""

import os
import sys
from importlib import resources
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def generate_stubs(root: Path) -> None:
    """Write `build/python/ringfence/v1/*_pb2*.py[i]` from `proto/`."""
    from grpc_tools import protoc

    out = root / "build" / "python"
    out.mkdir(parents=True, exist_ok=True)
    well_known = resources.files("grpc_tools") / "_proto"
    protos = sorted(str(path) for path in (root / "proto").rglob("*.proto"))
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # where protoc's plug-ins are
    flags = [f"--{kind}_out={out}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    if status := protoc.main(["protoc", f"-I{root / 'proto'}", f"-I{well_known}", *flags, *protos]):
        raise SystemExit(status)
    for package in (out / "ringfence", out / "ringfence" / "v1"):
        (package / "__init__.py").touch()


class Stubs(BuildHookInterface):  # type: ignore[type-arg]
    """Called by hatchling before it collects files, for wheels and editable installs alike."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 (the interface names it)
        generate_stubs(Path(self.root))
        build_data["artifacts"].extend(["build/python/ringfence/**", "collector/console/dist/**"])
