"""The code of others that a run is made of: a continuation with other code must not go unnoticed.

An augmentation or a method may come from a file of the user's or from any package. Its source is
hashed into meta.json when a session begins, and compared when the run is continued.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any, get_args

from drac.config.quantities import shortened
from drac.errors import ConfigError, shown
from drac.methods import METHODS, published
from drac.methods.method import Method, Part
from drac.runs.meta import read_meta

CODE = "code"
"""The key of meta.json: name of a module or package -> SHA-256 of its source files."""

FILES = "code_files"
"""The key of meta.json: name of a package -> its files, relative -> 8 digits of their SHA-256."""

ACCEPT = "--accept-changed-code"
"""The flag that lets a run go on with other code."""

CHANGES = "code_changes"
"""The key of meta.json: where a other code was accepted: step, names and hashes before."""

_KNOWN = ("augmentations", "ucb", "drac", "benchmark", "torch", "kornia", *sys.stdlib_module_names)
"""Not hashed: ours, whose commit meta.json has; torch and kornia, whose versions it has."""

_SHOWN = 3  # of files that have changed

_MOST_NAMED = 200
"""Of the files of a package in meta.json: of more it is not said which have changed."""

_MOST_FILES = 2_000
"""Of a package: what has more is no plug-in, and its version has to do."""


def hashes(objects: Iterable[Any], method: Method) -> dict[str, str]:
    """Return the hash of the source of each module or package that is not ours.

    Args:
        objects: augmentations, whose classes, base classes and members count, and the module of a
            `Stateless` one's function; None is passed over.
        method: whose objects, named as "package.module:Name", count with their base classes, and
            the record itself if it is not one of ours.
    """
    from augmentations import Stateless  # here: it imports torch

    members = [member for one in objects if one is not None for member in one.modules()]
    modules = {base.__module__ for member in members for base in type(member).__mro__}
    modules |= {member.origin for member in members if isinstance(member, Stateless)}
    for kind in get_args(Part):
        if getattr(method, kind):
            part = method.part(kind)
            modules |= {base.__module__ for base in getattr(part, "__mro__", (part,))}
            modules.add(getattr(method, kind).partition(":")[0])
    names = sorted({module.partition(".")[0] for module in modules} - {"", *_KNOWN})
    found = {name: digest for name in names if (digest := _hash(name))}
    if METHODS.get(method.name) not in published.ALL:
        record = repr(method).encode("utf-8", "surrogateescape")
        found[f"method {method.name}"] = hashlib.sha256(record).hexdigest()
    return found


def files(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return for meta.json the files of packages, so that it can be said which have changed."""
    found = {}
    for name in names:
        own = _files(name) if name.isidentifier() else []
        if any(called.suffix for _, called in own) and len(own) <= _MOST_NAMED:
            with contextlib.suppress(OSError):
                found[name] = {called.as_posix(): _short(path) for path, called in own}
    return found


def _short(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]


def told(name: str, meta: Mapping[str, Any]) -> str:
    """Return a changed module's name, of a package with the files that differ if they are known."""
    recorded = meta.get(FILES)
    before = recorded.get(name) if isinstance(recorded, dict) else None
    now = files([name]).get(name)
    if not (isinstance(before, dict) and now):
        return name
    differing = sorted(file for file in {**before, **now} if before.get(file) != now.get(file))
    return f"{name} ({shortened(map(shown, differing), _SHOWN)})" if differing else name


def _files(name: str) -> list[tuple[Path, Path]]:
    """Return a module's file, or all of a package, and what they are called in it."""
    if module := sys.modules.get(name):
        inside, alone = getattr(module, "__path__", ()), getattr(module, "__file__", None)
    else:
        here = [str(Path.cwd())]  # where plug-ins may lie too, and last
        spec = importlib.util.find_spec(name) or PathFinder.find_spec(name, here)
        inside, alone = (spec.submodule_search_locations or (), spec.origin) if spec else ((), None)
    # A folder without __init__.py is on the path as often as the folder above it is.
    folders = list({Path(folder).resolve(): None for folder in inside})
    files = [(path, path.relative_to(f)) for f in folders for path in sorted(f.rglob("*.py"))]
    if not folders and alone:
        files = [(Path(alone), Path(name))]
    return files


def _hash(name: str) -> str:
    """Return the SHA-256 of a module's file, or of all a package's; "" if it has none."""
    digest, files = hashlib.sha256(), _files(name)
    try:
        for path, called in files[:_MOST_FILES]:
            digest.update(f"{called.as_posix()}\0".encode("utf-8", "surrogateescape"))
            digest.update(path.read_bytes())
    except OSError:
        return ""
    return digest.hexdigest() if files else ""


def changed(meta: Mapping[str, Any], now: Mapping[str, str]) -> list[str]:
    """Return the modules whose source is another than meta.json says; unknown ones are none."""
    before = meta.get(CODE)
    known = before if isinstance(before, dict) else {}
    return [name for name, found in now.items() if known.get(name, found) != found]


def outdated(metas: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """Return for each meta.json the modules whose source is another now; nothing is imported.

    What is not found here, such as of a run from another machine, is not among them.
    """
    now: dict[str, str] = {}
    found = []
    for meta in metas:
        before = meta.get(CODE)
        known = before if isinstance(before, dict) else {}
        for name in known.keys() - now.keys():
            now[name] = _hash(name) if name.isidentifier() else ""  # a dot would import
        others = [name for name, digest in known.items() if now[name] not in ("", digest)]
        found.append([told(name, meta) for name in others])
    return found


def require_unchanged(
    names: Sequence[str], *run_dirs: Path, again: str = "", anew: str = "start over with --fresh"
) -> None:
    """Raise ConfigError if there are names: a run must not go on with other code unnoticed.

    Args:
        names: of what has changed.
        run_dirs: since these runs were last trained, at least one.
        again: the command that was given, which goes on with one word more.
        anew: how these runs, and no others, are started over.
    """
    if not names:
        return
    have, were = "have" if names[1:] else "has", "were" if run_dirs[1:] else "was"
    others = f" and {len(run_dirs) - 1} more" if run_dirs[1:] else ""
    command = f": {again} {ACCEPT}" if again else ""
    raise ConfigError(
        f"the source of {', '.join(names)} {have} changed since {run_dirs[0]}{others} {were} last"
        f" trained; put it back, {anew}, or go on with {ACCEPT}, which is"
        f" recorded{command}"
    )


def require_none_changed(
    run_dirs: Iterable[Path],
    again: str,
    anew: Callable[[Sequence[Path]], str] = lambda run_dirs: "start over with --fresh",
) -> None:
    """Do the same for runs that are to go on, before anything is imported; see `outdated`."""
    metas = {run_dir: read_meta(run_dir) for run_dir in run_dirs}
    begun = {run_dir: meta for run_dir, meta in metas.items() if meta.get("steps")}
    found = dict(zip(begun, outdated(begun.values()), strict=True))
    changed_in = [run_dir for run_dir, names in found.items() if names]
    names = sorted({name for names in found.values() for name in names})
    require_unchanged(names, *changed_in, again=again, anew=anew(changed_in))
