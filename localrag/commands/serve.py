"""serve: the app in Streamlit, headless, on this machine only unless told otherwise."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from argparse import Namespace
from pathlib import Path

import requests

from localrag.commands.output import DONE, FAILED, complain, say
from localrag.settings import ENV_PREFIX, Settings

APP = Path(__file__).parents[2] / "app.py"
START_LIMIT_S = 60.0
STOP_LIMIT_S = 15.0


def serve(args: Namespace, settings: Settings) -> int:
    """Start Streamlit, say `ready http://...` once it answers, and stay until it ends."""
    host, port = settings.place.host, settings.place.port
    reason = _in_the_way(host, port)
    if reason:
        complain(reason)
        return FAILED
    command = [sys.executable, "-m", "streamlit", "run", str(APP), "--server.headless", "true"]
    command += ["--server.address", host, "--server.port", str(port), "--browser.gatherUsageStats", "false"]
    # Flags become variables, so that the app sees the same settings and they win over the applied ones.
    environ = os.environ | {ENV_PREFIX + name.upper(): str(value) for name, value in args.settings.items() if value is not None}
    # The folder stays the user's: relative paths and localrag.toml mean there what they mean to every other command.
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(APP.parent), environ.get("PYTHONPATH", "")]))
    process = subprocess.Popen(command, env=environ)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    address = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}"
    try:
        if _wait_until_healthy(process, address):
            say(f"ready {address}")
            if args.open:
                webbrowser.open(address)
        elif process.poll() is None:
            complain(f"The app did not answer on {address} within {START_LIMIT_S:.0f} s. See its output above.")
            process.terminate()
            return FAILED
        return FAILED if process.wait() not in (0, -signal.SIGTERM) else DONE
    except KeyboardInterrupt:
        return DONE
    finally:
        _end(process)


def _in_the_way(host: str, port: int) -> str:
    """Why nothing can answer on this address, in a sentence; empty when it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                return f"Port {port} on {host} is in use. Stop what runs there, or choose another with --port."
            return f"The app cannot answer on {host} port {port}: {exc.strerror or exc}. Choose another --host or --port."
    return ""


def _wait_until_healthy(process: subprocess.Popen[bytes], address: str) -> bool:
    limit = time.monotonic() + START_LIMIT_S
    with requests.Session() as session:
        session.trust_env = False  # a proxy must not come between us and loopback
        while time.monotonic() < limit and process.poll() is None:
            try:
                if session.get(f"{address}/_stcore/health", timeout=2).ok:
                    return True
            except requests.RequestException:
                time.sleep(0.1)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
