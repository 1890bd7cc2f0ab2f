"""Where things lie in the checkout, for tests at any depth."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
RUNS = ROOT / "tests" / "runs"
DOCS = ROOT / "docs"
PUBLISHED = ROOT / "results" / "published"
EVIDENCE = ROOT / "results" / "evidence"
