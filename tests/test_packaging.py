from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from configparser import ConfigParser
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "flask_loop"
LEFT_OUT = shutil.ignore_patterns(
    ".*", "*.egg-info", "__pycache__", "_build", "build", "dist", "instance"
)
SHOP = """
from flask import Flask
from flask_loop import Loop, Model, Prop, create_data_source, prop

app = Flask(__name__)
loop = Loop(app)


@loop.model
class Product(Model):
    name: Prop[str] = prop(required=True)

    class Meta:
        data_source = create_data_source(connector="sqlite", url="sqlite:///shop.sqlite")
"""


def run(*command: str | Path, folder: Path) -> str:
    """Run a command with a plain environment, and give what it wrote."""
    kept = ("PATH", "HOME", "TMPDIR", "LANG", "SSL_CERT_FILE")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in kept or name.startswith("PIP_") or name.lower().endswith("_proxy")
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    folder: Path = tmp_path_factory.mktemp("distributions")
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=LEFT_OUT)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, folder=source)
    return folder


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    (found,) = distributions.glob("*.whl")
    return found


def files_in(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


def read(wheel: Path, name: str) -> str:
    """A file of the wheel's metadata."""
    (path,) = (file for file in files_in(wheel) if file.endswith(f".dist-info/{name}"))
    with ZipFile(wheel) as archive:
        return archive.read(path).decode()


@pytest.mark.slow
def test_the_wheel_has_the_whole_package_and_nothing_else(wheel: Path) -> None:
    files = {file for file in files_in(wheel) if ".dist-info/" not in file}
    there = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files == there
    assert {"flask_loop/py.typed", "flask_loop/swagger/static/LICENSE"} <= files
    assert "flask_loop/swagger/static/NOTICE" in files


@pytest.mark.slow
def test_the_wheel_says_what_it_is_and_what_it_needs(wheel: Path) -> None:
    metadata = HeaderParser().parsestr(read(wheel, "METADATA"))
    assert metadata["Name"] == "Flask-Loop"
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert (ROOT / "README.md").read_text() in metadata.get_payload()
    assert read(wheel, "licenses/LICENSE") == (ROOT / "LICENSE").read_text()
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    needed = [each for each in metadata.get_all("Requires-Dist", []) if "extra ==" not in each]
    assert sorted(needed) == sorted(
        line.replace(" ", "") for line in setup["options"]["install_requires"].split("\n") if line
    )
    assert set(metadata.get_all("Provides-Extra", [])) == set(setup["options.extras_require"])


@pytest.mark.slow
def test_the_sdist_has_what_it_takes_to_test_and_document_it(distributions: Path) -> None:
    (sdist,) = distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
    for folder in ("benchmarks", "docs", "example_app", "example_connector", "scripts", "tests"):
        there = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and not {"__pycache__", "_build"} & set(path.parts)
        }
        assert there <= files
    assert {"CHANGES.rst", "CONTRIBUTING.rst", "LICENSE", "Makefile", "README.md"} <= files
    assert {"pyproject.toml", "setup.cfg", "setup.py", "tox.ini"} <= files


@pytest.mark.slow
def test_the_wheel_in_a_bare_environment_gives_apps_the_loop_command(
    wheel: Path, tmp_path: Path
) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", "bare", folder=tmp_path)
    programs = tmp_path / "bare" / "bin"
    install = ("pip", "--python", programs / "python", "install", "--quiet", wheel)
    run(sys.executable, "-m", *install, folder=tmp_path)
    (tmp_path / "shop.py").write_text(SHOP)
    routes = run(programs / "flask", "--app", "shop", "loop", "routes", folder=tmp_path)
    assert ["POST", "/products", "products.create", "Product"] in map(str.split, routes.split("\n"))
    script = "import shop; shop.Product.data_source.auto_update(); print(shop.Product.count())"
    assert run(programs / "python", "-c", script, folder=tmp_path) == "0\n"


def test_each_requirement_has_a_lower_bound_and_no_upper(tmp_path: Path) -> None:
    constraints = tmp_path / "constraints.txt"
    run(sys.executable, "scripts/lower_bounds.py", constraints, folder=ROOT)
    pinned = dict(line.split("==") for line in constraints.read_text().splitlines())
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    groups = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    written = [line.split(" >= ") for group in groups for line in group.split("\n") if line]
    assert pinned == {name.partition("[")[0]: version for name, version in written}
