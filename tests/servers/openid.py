"""An OpenID provider: Django OAuth Toolkit in a process of its own, and a browser that goes there.

It needs nothing but what pip installs with the tests.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from .base import LOOPBACK, PATIENCE, keeper_of

PROGRAM = Path(__file__).with_name("openid_provider.py")


class OpenidProvider:
    """The provider, as ``http://127.0.0.1:<port>/o``. Its clients are ``shop`` and ``plain``."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="loop-openid-"))
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, PROGRAM, self._folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._keeper = keeper_of(self._process.pid, self._folder)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            text = (self._folder / "log").read_text()
            self.remove()
            raise RuntimeError(f"the OpenID provider did not start: {text}")
        self.url = f"http://{LOOPBACK}:{int(line)}"
        self._client = httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False)

    @property
    def issuer(self) -> str:
        return f"{self.url}/o"

    @staticmethod
    def secret_of(client: str) -> str:
        return f"secret of {client}: % + &"

    def put_user(self, name: str, /, spoiled: dict[str, Any] | None = None, **claims: Any) -> str:
        """Have a user of whom the provider says something.

        :param spoiled: ``claims`` that replace those of the ID token; ``without``: the names of
            those that it lacks; ``userinfo``: claims likewise; ``signed``: "by nobody", "by another
            key" or "by the public key".
        :returns: the user's subject.
        """
        said = {"claims": claims, "spoiled": spoiled or {}}
        self._client.put(f"/users/{name}", json=said).raise_for_status()
        return f"subject-of-{name}"

    def change_key(self) -> None:
        """Sign with another key from now on."""
        self._client.post("/change-key").raise_for_status()

    def enter(self, url: str, name: str) -> str:
        """Go to a URL of the provider as a browser, log in there, and say where it sends one.

        :param url: where the app has sent the browser.
        :param name: the user.
        """
        with httpx.Client(timeout=PATIENCE, trust_env=False) as browser:
            answer = browser.get(url)
            while answer.is_redirect and answer.headers["Location"].startswith("/"):
                place = str(httpx.URL(self.url).join(answer.headers["Location"]))
                if urlsplit(place).path == "/accounts/login/":
                    answer = browser.post(place, data={"username": name})
                else:
                    answer = browser.get(place)
        assert answer.is_redirect, answer.text
        return str(answer.headers["Location"])

    def pause(self) -> None:
        """Let nothing be answered: connections are accepted, and silence follows."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def remove(self) -> None:
        """End the server, and delete what it had."""
        if hasattr(self, "_client"):
            self._client.close()
        self._process.kill()
        self._process.communicate()
        self._keeper.communicate(b"done\n")
        shutil.rmtree(self._folder, ignore_errors=True)
