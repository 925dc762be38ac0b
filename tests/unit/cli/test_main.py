"""The command line as a whole: help, version, errors and exit codes, as real processes."""

import subprocess
import sys

import pytest

from funnel_stream import __version__
from funnel_stream.cli.main import VERBS


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "funnel_stream", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"funnel-stream {__version__}\n")


def test_help_names_every_verb_and_the_exit_codes() -> None:
    done = run("--help")
    assert done.returncode == 0
    for verb in VERBS:
        assert f" {verb} " in done.stdout
    assert "Exit codes: 0 success, 1 failure" in done.stdout


def test_a_variable_that_nobody_reads_is_refused_but_does_not_keep_help_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FUNNEL_SECURITY_PROTOCOL", "SASL_SSL")
    refused = run("config", "check")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: FUNNEL_SECURITY_PROTOCOL is set, but there is no such")
    assert run("worker", "--help").returncode == 0


def test_no_verb_is_answered_with_help() -> None:
    done = run()
    assert done.returncode == 2
    assert "Start here" in done.stdout


def test_help_imports_no_verb() -> None:
    script = (
        "import sys\n"
        "from funnel_stream.cli import main\n"
        "sys.argv[1:] = ['--help']\n"
        "try:\n    main.main()\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'aiohttp', 'confluent_kafka', 'faust', 'numpy', 'prometheus_client', 'pydantic'}"
        "\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == "[]\n"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_with_an_example(verb: str) -> None:
    done = run(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert f"Usage: funnel-stream {verb}" in done.stdout
    assert done.stdout.count(f"funnel-stream {verb}") >= 2, "usage and an example"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["comptue"], "Did you mean 'compute'?"),
        (["compute"], "Missing argument"),
        (["compute", "-", "--no-such-option"], "No such option"),
        (["compute", "no-such-file.ndjson"], "error: no-such-file.ndjson cannot be read"),
    ],
)
def test_a_senseless_command_line_is_2(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in " ".join(done.stderr.split())


def test_what_goes_wrong_is_1_with_a_hint() -> None:
    done = run("compute", "-")
    assert done.returncode == 1
    assert done.stderr == (
        "error: standard input contains no valid events\n"
        "hint: Each line is one event as a JSON object; schemas/ describes them.\n"
    )


def test_a_reader_that_leaves_early_is_no_traceback() -> None:
    event = (
        '{"type": "stage_changed", "event_id": "1", "deal_id": "a", "stage": "lead",'
        ' "occurred_at": "2026-03-01T00:00:00Z"}'
    )
    with subprocess.Popen(
        [sys.executable, "-m", "funnel_stream", "compute", "-", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        process.stdin.write(event)
        process.stdin.close()
        errors = process.stderr.read()
    assert errors == ""
