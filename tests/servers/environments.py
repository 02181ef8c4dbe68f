"""Where ``scripts/servers`` puts what servers need that Debian has no package of."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
MONGODB = ROOT / ".servers/mongodb"
COUCHDB = ROOT / ".servers/couchdb"
