"""deploy/Dockerfile without Docker: its commands are run in a plain folder, their result is used.

What the folder cannot show: the base image, its user without a name and its read-only files.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

from funnel_stream import __version__
from funnel_stream.settings import Settings

ROOT = Path(__file__).parents[2]
NO_REGISTRY = re.compile("Temporary failure in name resolution|NewConnectionError|ConnectTimeout")


class Instruction(NamedTuple):
    """``flags``: the leading words that begin with ``--``."""

    keyword: str
    flags: list[str]
    rest: str


def stages() -> list[list[Instruction]]:
    """The instructions of each ``FROM``, which is the first of them."""
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    result: list[list[Instruction]] = []
    for line in lines.replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        keyword, *words = line.split()
        flags = [word for word in words if word.startswith("--")][: _leading(words)]
        rest = line.split(maxsplit=1 + len(flags))[-1]
        if keyword == "FROM":
            result.append([])
        result[-1].append(Instruction(keyword, flags, rest))
    return result


def _leading(words: list[str]) -> int:
    return next((at for at, word in enumerate(words) if not word.startswith("--")), len(words))


def only(stage: list[Instruction], keyword: str) -> Instruction:
    (found,) = (each for each in stage if each.keyword == keyword)
    return found


class Image(NamedTuple):
    """What the stages left: ``path`` leads into it as a path of the image does."""

    root: Path
    environment: dict[str, str]

    def path(self, text: str) -> str:
        return re.sub(r"(?<![\w./])/(opt|build)\b", rf"{self.root}/\1", text)

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the image, with the variables of the image alone."""
        return subprocess.run(
            arguments,
            env={**self.environment, **variables},
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def enter(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """``docker run image ARGUMENTS``."""
        (program,) = json.loads(only(stages()[-1], "ENTRYPOINT").rest)
        return self.run(program, *arguments, **variables)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Every stage carried out; without a package registry an error in CI, else a skip."""
    root = tmp_path_factory.mktemp("image")
    tools = Path(sys.executable).parent
    image = Image(root, {"PATH": f"{tools}:/usr/bin:/bin"})
    folder = root
    for stage in stages():
        for instruction in stage:
            if instruction.keyword == "WORKDIR":
                folder = Path(image.path(instruction.rest))
                folder.mkdir(parents=True)
            elif instruction.keyword == "COPY":
                _copy(image, instruction, folder)
            elif instruction.keyword == "RUN":
                _run(image, instruction, folder)
            elif instruction.keyword == "ENV":
                for setting in shlex.split(image.path(instruction.rest)):
                    name, value = setting.split("=", 1)
                    image.environment[name] = value.replace("$PATH", "/usr/bin:/bin")
    return image


def _copy(image: Image, instruction: Instruction, folder: Path) -> None:
    *sources, target = instruction.rest.split()
    if instruction.flags == ["--from=builder"]:
        # A virtual environment knows where it is: it can stay there, but not move.
        assert sources == [target]
        assert Path(image.path(target)).is_dir()
        return
    assert instruction.flags == []
    for source in sources:
        if (ROOT / source).is_dir():
            leave = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / source, folder / target, ignore=leave)
        else:
            shutil.copy(ROOT / source, folder / target)


def _run(image: Image, instruction: Instruction, folder: Path) -> None:
    run = subprocess.run(
        ["/bin/sh", "-c", image.path(instruction.rest)],
        env=dict(os.environ) | image.environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if run.returncode and NO_REGISTRY.search(run.stderr) and not os.environ.get("CI"):
        pytest.skip("needs a package registry")
    assert run.returncode == 0, f"{instruction.rest}\n{run.stdout}{run.stderr}"


# --- what it says ---------------------------------------------------------------------------------


def test_both_stages_stand_on_the_same_pinned_python() -> None:
    builder, final = (only(stage, "FROM").rest.removesuffix(" AS builder") for stage in stages())
    # The environment of the builder points at the builder's Python.
    assert builder == final
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", final)


def test_the_image_is_nobody_and_a_worker() -> None:
    final = stages()[-1]
    user, group = only(final, "USER").rest.split(":")
    assert int(user) > 0
    assert int(group) > 0
    # Nothing is run or copied as that user: it can change nothing in the image.
    after = final[final.index(only(final, "USER")) :]
    assert not {"RUN", "COPY", "ADD"} & {each.keyword for each in after}
    assert json.loads(only(final, "CMD").rest) == ["worker"]


def test_the_context_holds_what_is_copied_and_nothing_else() -> None:
    copied = {
        source
        for stage in stages()
        for each in stage
        if each.keyword == "COPY" and not each.flags
        for source in each.rest.split()[:-1]
    }
    everything = [path.name for path in ROOT.iterdir()]
    assert {name for name in everything if not ignored(name)} == copied
    assert ignored("src/funnel_stream/__pycache__")
    assert ignored("src/funnel_stream.egg-info")
    assert not ignored("src/funnel_stream/py.typed")


def ignored(path: str) -> bool:
    """As Docker reads .dockerignore: the last line that fits a path, or a folder above, decides."""
    result = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!")
        if not pattern or pattern.startswith("#"):
            continue
        above = [*map(str, Path(path).parents)][:-1]
        names = [part for each in (path, *above) for part in (each, Path(each).name)]
        if any(fnmatch(name, pattern.removeprefix("**/")) for name in names):
            result = not line.startswith("!")
    return result


# --- what it makes --------------------------------------------------------------------------------


def test_the_program_is_installed(image: Image) -> None:
    assert image.enter("--version").stdout == f"funnel-stream {__version__}\n"
    assert "Live KPIs" in image.enter("--help").stdout


def test_nothing_comes_from_outside_the_image(image: Image) -> None:
    program = "import faust, funnel_stream as f, numpy; print(faust, f, numpy, sep='\\n')"
    found = image.run("python", "-c", program).stdout.splitlines()
    assert len(found) == 3
    assert all(str(image.root) in line for line in found)


def test_figures_are_computed(image: Image) -> None:
    events = image.root / "events.ndjson"
    made = image.enter("simulate", "--days", "3", "--deals-per-day", "20", "--out", str(events))
    assert made.returncode == 0, made.stderr
    computed = image.enter("compute", str(events), "--json", "--window", "24h")
    assert computed.returncode == 0, computed.stderr
    leads = [
        each["value"] for each in json.loads(computed.stdout) if each["metric"] == "funnel_leads"
    ]
    assert sum(leads) > 0


def test_the_worker_starts_and_looks_for_its_broker(image: Image) -> None:
    """All that a worker needs can be imported: it gets as far as the broker that is not there."""
    started = image.enter(
        *json.loads(only(stages()[-1], "CMD").rest),
        FUNNEL_BROKER="127.0.0.1:1",
        FUNNEL_HTTP_HOST="127.0.0.1",
        FUNNEL_HTTP_PORT="0",
    )
    assert started.returncode == 1
    assert "no broker answers at 127.0.0.1:1" in started.stderr


def test_the_worker_serves_where_others_look(image: Image) -> None:
    port = str(Settings.model_fields["http_port"].default)
    assert image.environment["FUNNEL_HTTP_PORT"] == only(stages()[-1], "EXPOSE").rest == port
    assert image.environment["FUNNEL_HTTP_HOST"] == "0.0.0.0"


@contextmanager
def answering(status: int) -> Iterator[tuple[int, list[str]]]:
    """A server that answers every request so: its port, and the paths that it was asked for."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


def check_health(image: Image, port: int) -> int:
    """The code that the image's health check ends with."""
    keyword, command = only(stages()[-1], "HEALTHCHECK").rest.split(maxsplit=1)
    assert keyword == "CMD"
    # A proxy is for others.
    variables = {"FUNNEL_HTTP_PORT": str(port), "http_proxy": "http://127.0.0.1:1"}
    return image.run(*json.loads(command), **variables).returncode


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (404, 1)])
def test_the_health_check_says_what_the_worker_says(image: Image, status: int, code: int) -> None:
    with answering(status) as (port, asked):
        assert check_health(image, port) == code
    assert asked == ["/healthz"]


def test_a_worker_that_does_not_answer_is_not_well(image: Image) -> None:
    with answering(200) as (port, _):
        pass
    assert check_health(image, port) == 1
