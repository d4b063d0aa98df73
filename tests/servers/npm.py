"""Packages of npm that tests pin, installed once under var/, where npm can do so."""

import shutil
import subprocess
from pathlib import Path

from tests.support.waiting import SAFETY_NET_SECONDS

VAR = Path(__file__).parents[2] / "var"


def missing(package: str, folder: Path, made: Path) -> str:
    """Why `made` of `package` is not in `folder`; empty when it is."""
    if made.exists():
        return ""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return "node and npm are not installed"
    folder.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", package]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, timeout=SAFETY_NET_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"npm could not install {package} in time"
    return f"npm could not install {package}" if done.returncode else ""
