"""The example of a package with a connector is one: it is built, installed and used by its name."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "example_connector"
IN_MEMORY = "/dev/shm"  # noqa: S108 - only where folders with names of their own are made
LEFT_OUT = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "build", "dist")
APP = """
from flask import Flask
from flask_loop import Loop, Model, Prop, prop

app = Flask(__name__)
app.config["LOOP_DATA_SOURCES"] = {"db": {"connector": "NAME", "path": "data"}}
loop = Loop(app, url_prefix="/api")


@loop.model
class Shop(Model):
    name: Prop[str] = prop(required=True, unique=True)
    city: Prop[str | None] = prop(default=None, index=True)

    class Meta:
        data_source = loop.data_source("db")


client = app.test_client()
if client.get("/api/shops/count").json == {"count": 0}:
    client.post("/api/shops", json=[{"name": "tea", "city": "Lima"}, {"name": "ink"}])
print(client.post("/api/shops", json={"name": "tea"}).status_code)
print(client.get("/api/shops", query_string={"filter[where][city]": "Lima"}).get_data(True))
"""
POSTED = """
answer = app.test_client().post("/api/shops", json={"name": "Tea", "city": "Lima"})
print(answer.status_code)
with app.app_context():
    print(Shop.find_one(where={"name": "Tea"}).city)
"""


class Package:
    """A package with a connector, installed beside Flask-Loop.

    :param source: its files.
    :param site: a folder that it is installed in.
    """

    def __init__(self, source: Path, site: Path) -> None:
        self.source, self.site = source, site
        wheels = site.with_name(f"{site.name}-wheels")
        offline = ("--quiet", "--no-deps", "--disable-pip-version-check")
        self.run("-m", "pip", "wheel", *offline, "--no-build-isolation", "-w", wheels, source)
        (self.wheel,) = wheels.iterdir()
        self.run("-m", "pip", "install", *offline, "--no-index", "--target", site, self.wheel)
        # From here on nothing can be found but what was installed.
        shutil.rmtree(source / "src")

    def run(self, *command: str | Path, folder: Path | None = None) -> str:
        """Run Python where the package is installed, and give what it wrote."""
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ},
            "PYTHONPATH": str(self.site),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        done = subprocess.run(
            (sys.executable, *command),
            cwd=folder or self.source,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def test(self, *arguments: str) -> str:
        """Run its own tests, and give their summary with why some were skipped.

        Their thousands of files are in memory where the system has a place for that, as a busy
        disk takes long to say that it has stored one.
        """
        with TemporaryDirectory(dir=IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None) as folder:
            where = ("--basetemp", f"{folder}/files")
            quiet = ("-q", "-rs", "-p", "no:cacheprovider")
            return self.run("-m", "pytest", *quiet, *where, *arguments)

    def answers_by_name(self, name: str, folder: Path) -> None:
        """Check that an app has its records there, by the connector's name alone."""
        (folder / "shop_app.py").write_text(APP.replace("NAME", name))
        for _ in range(2):
            written = self.run("shop_app.py", folder=folder)
            assert written.splitlines() == ["422", '[{"name":"tea","city":"Lima","id":1}]']


@pytest.fixture(scope="module")
def cabinet(tmp_path_factory: pytest.TempPathFactory) -> Package:
    folder: Path = tmp_path_factory.mktemp("cabinet")
    source = folder / "source"
    shutil.copytree(EXAMPLE, source, ignore=LEFT_OUT)
    return Package(source, folder / "site")


def new_connector(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, ROOT / "scripts" / "new_connector.py", name, folder),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_installed_example_keeps_the_contract(cabinet: Package) -> None:
    summary = cabinet.test()
    found = re.search(r"(\d+) passed(?:, (\d+) skipped)?", summary)
    assert found, summary
    assert int(found[1]) > 850
    skipped = re.findall(r"SKIPPED \[\d+\] \S+ (.*)", summary)
    for reason in skipped:
        assert re.match(r"cabinet does not have the capability '(transactions|undeclared)'", reason)


def test_an_app_uses_the_installed_example_by_its_name(cabinet: Package, tmp_path: Path) -> None:
    cabinet.answers_by_name("cabinet", tmp_path)
    assert len(list((tmp_path / "data" / "Shop" / "records").iterdir())) == 2


def test_what_the_readme_of_the_example_shows_is_what_happens(
    cabinet: Package, tmp_path: Path
) -> None:
    readme = (EXAMPLE / "README.md").read_text("utf-8")
    (shown,) = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    (tmp_path / "readme_app.py").write_text(shown + POSTED)
    assert cabinet.run("readme_app.py", folder=tmp_path).splitlines() == ["200", "Lima"]
    (record,) = (tmp_path / "data" / "Shop" / "records").iterdir()
    assert json.loads(record.read_text("utf-8")) == {"name": "Tea", "city": "Lima", "id": 1}


@pytest.mark.slow
def test_a_copy_under_another_name_is_a_package_of_its_own(tmp_path: Path) -> None:
    made = new_connector("old_shelf", tmp_path / "made")
    assert made.returncode == 0, made.stderr
    files = [path for path in (tmp_path / "made").rglob("*") if path.is_file()]
    for file in files:
        assert "cabinet" not in f"{file.relative_to(tmp_path)} {file.read_text()}".lower()
    assert (tmp_path / "made" / ".github" / "workflows" / "tests.yml").is_file()
    shelf = Package(tmp_path / "made", tmp_path / "site")
    assert shelf.wheel.name == "flask_loop_oldshelf-0.1.0-py3-none-any.whl"
    assert "13 passed" in shelf.test("tests/test_old_shelf.py")
    shelf.answers_by_name("old_shelf", tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Shelf", "'Shelf' is no name in snake case"),
        ("../shelf", "'../shelf' is no name in snake case"),
        ("sqlite", "there is a connector called 'sqlite'"),
    ],
)
def test_a_name_that_a_copy_cannot_have_is_refused(name: str, message: str, tmp_path: Path) -> None:
    made = new_connector(name, tmp_path / "made")
    assert made.returncode == 2
    assert message in made.stderr
    assert not (tmp_path / "made").exists()


def test_a_copy_is_not_put_over_what_is_there(tmp_path: Path) -> None:
    made = new_connector("shelf", tmp_path)
    assert made.returncode == 2
    assert "is there already" in made.stderr
