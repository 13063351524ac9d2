"""What the control group of this process allows: containers limit memory and processors below what the machine has."""

from __future__ import annotations

from pathlib import Path

PROC = Path("/proc/self/cgroup")
ROOT = Path("/sys/fs/cgroup")


def memory_left(proc: Path = PROC, root: Path = ROOT) -> int | None:
    """Bytes until the tightest memory limit, None without a limit. File pages count as free: the kernel drops them."""
    left = [
        limit - used + sum(_stat(folder / "memory.stat", ("active_file", "inactive_file")))
        for folder in _folders("memory", proc, root)
        for limit_name, used_name in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
        if (limit := _number(folder / limit_name)) is not None and (used := _number(folder / used_name)) is not None
    ]
    return max(min(left), 0) if left else None


def cpu_quota(proc: Path = PROC, root: Path = ROOT) -> float | None:
    """Processors' worth of time this process may use, None without a limit."""
    shares = []
    for folder in _folders("cpu", proc, root):
        words = (_read(folder / "cpu.max") or "").split()
        quota, period = [*words, "", ""][:2] if words else (_read(folder / f"cpu.cfs_{n}_us") for n in ("quota", "period"))
        if quota and period and quota.isdigit() and period.isdigit() and int(quota) and int(period):
            shares.append(int(quota) / int(period))
    return min(shares) if shares else None


def _folders(controller: str, proc: Path, root: Path) -> list[Path]:
    """The groups of this process and their parents, for cgroup v2 (`0::/path`) and v1 (`4:cpu,cpuacct:/path`)."""
    folders = [root, root / controller]
    for line in (_read(proc) or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        base = root if number == "0" else root / controller
        if number == "0" or controller in controllers.split(","):
            parts = [part for part in path.split("/") if part not in ("", "..")]
            folders += [base.joinpath(*parts[: n + 1]) for n in range(len(parts))]
    return list(dict.fromkeys(folders))


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return None


def _number(path: Path) -> int | None:
    text = _read(path)
    return int(text) if text and text.isdigit() else None


def _stat(path: Path, names: tuple[str, ...]) -> list[int]:
    pairs = (line.split() for line in (_read(path) or "").splitlines())
    return [int(pair[1]) for pair in pairs if len(pair) == 2 and pair[0] in names and pair[1].isdigit()]
