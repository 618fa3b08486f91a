"""What all tests share: the development data where there is some, Hypothesis without a stopwatch, and a project folder
with an interpreter to type commands with."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from stores import KEYS, free_port, s3_server
from typed import SCRIPTS, SOURCE, clean

from phase0.report import drawing

# Tests share their machine, so an example's time says nothing about it. Every run draws other examples, so that half of
# Hypothesis's hundred are enough for one.
settings.register_profile("phase0", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("phase0")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that look at what their module makes once are run by one process, which makes it once."""
    for item in items:
        found = getattr(item, "_fixtureinfo").name2fixturedefs.values()  # noqa: B009
        if any(each[-1].scope == "module" for each in found) and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    gc.freeze()  # to look through five thousand tests and what they import again and again took 3 % of the time


@pytest.fixture(scope="session")
def dev_data() -> Path:
    """The folder of public data used in development. Tests that need it are skipped without it."""
    folder = os.environ.get("PHASE0_DEV_DATA")
    if not folder:
        pytest.skip("set PHASE0_DEV_DATA to the folder of development data to run this")
    return Path(folder)


@pytest.fixture(scope="session", autouse=True)
def _drawn_once() -> Iterator[None]:
    """Charts of the same figures are drawn once in a process: half of a report's time goes into its pictures, and most
    reports here are of runs of one plan."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "pictures", lru_cache(512)(drawing.pictures))
        yield


@pytest.fixture
def drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture is drawn, for a test that looks at whether the same figures give the same."""
    monkeypatch.setattr(drawing, "pictures", getattr(drawing.pictures, "__wrapped__"))  # noqa: B009


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has nothing installed: what `python` is in a shell without activation."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    probe = subprocess.run([python, "-c", "import phase0"], capture_output=True, check=False, env=clean())
    assert probe.returncode != 0, "the bare interpreter has phase0"
    return python


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder whose .venv is this test's interpreter, with the phase0 that is tested."""
    project = tmp_path / "pro ject"  # the blank is on purpose
    shutil.copytree(SCRIPTS, project / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    python = project / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{SOURCE}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return project


@pytest.fixture
def own_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The hub's client for this test alone: it is made on first use and remembers the proxies of that moment.

    It speaks git-lfs; the hub's other protocol, of an extension in Rust, has no server to test with.
    """
    import huggingface_hub

    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    huggingface_hub.close_session()
    yield
    huggingface_hub.close_session()


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """An S3 server on this machine."""
    with s3_server() as address:
        yield address


@pytest.fixture(params=["s3", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty folder in a store."""
    if request.param == "file":
        (tmp_path / "store").mkdir()
        yield f"file://{tmp_path}/store"
        return
    s3fs = pytest.importorskip("s3fs", reason="needs the package s3fs")
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": request.getfixturevalue("s3_address")}.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    files, bucket = s3fs.S3FileSystem(), f"bucket-{free_port()}"
    files.mkdir(bucket)
    yield f"s3://{bucket}/rows"
    files.rm(bucket, recursive=True)
    s3fs.S3FileSystem.clear_instance_cache()
