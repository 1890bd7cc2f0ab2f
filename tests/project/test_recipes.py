"""What is for other machines than this one: recipes of containers, citation, the release."""

from __future__ import annotations

import re
from typing import Any

import pytest
from checkout import ROOT
from packaging.specifiers import SpecifierSet

yaml = pytest.importorskip("yaml")  # pre-commit brings it

PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def setting(name: str) -> str:
    """One of pyproject.toml's plain fields."""
    (found,) = re.findall(rf'^{name} = "([^"]+)"', PROJECT, re.MULTILINE)
    return str(found)


@pytest.mark.parametrize("name", ["Dockerfile", "procgen-drac.def"])
def test_a_recipe_copies_and_installs_what_there_is(name: str) -> None:
    text = (ROOT / "containers" / name).read_text(encoding="utf-8")
    (base,) = re.findall(r"^F(?:ROM |rom: )(\S+)$", text, re.MULTILINE)
    (python,) = re.findall(r"^python:(3\.\d+)-slim-bookworm$", base)
    assert python in SpecifierSet(setting("requires-python"))
    (install,) = re.findall(r"pip install (.+)$", text, re.MULTILINE)
    assert "--no-cache-dir" in install
    assert "-c constraints.txt" in install
    folder = "/opt/procgen-drac"
    order = (folder, "pip install", "drac-bench")
    places = [text.index(words, text.index(base)) for words in order]
    assert places == sorted(places)
    # Procgen's library loads these (`ldd libenv.so`), and Triton compiles with gcc.
    system = text.index("apt-get install -y --no-install-recommends libgl1 libglib2.0-0 gcc")
    assert system < text.index("pip install")
    extras = {word for words in re.findall(r"\.\[(.+?)\]", install) for word in words.split(",")}
    assert all(f"\n{extra} = [" in PROJECT for extra in extras)


def test_what_is_copied_leaves_out_what_is_large_or_secret() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {".git", ".venv", "results/*", "!results/published"} <= {*ignored}


def test_the_citation_is_of_this_version() -> None:
    cited: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited.keys() >= {"cff-version", "message", "title", "authors", "version"}
    assert cited["version"] == setting("version")
    assert cited["license"] == setting("license")
    assert all({"title", "authors", "type"} <= work.keys() for work in cited["references"])


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda p: p.name)
def test_what_a_forge_reads_is_yaml_and_has_what_it_needs(path: Any) -> None:
    read = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.name == "release.yml":
        assert read[True] == {"push": {"tags": ["v*"]}}  # `on` is a boolean in YAML 1.1
        assert read["jobs"]["publish"]["permissions"] == {"id-token": "write"}
    elif path.name != "config.yml":
        assert read.keys() >= {"name", "description", "body"}
        assert any(part["type"] == "textarea" for part in read["body"])
