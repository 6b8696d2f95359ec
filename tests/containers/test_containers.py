"""The Dockerfile and the compose file, read as text: no image is built here.

They parse, what they copy exists, what they run are commands that the parser of the package takes, nothing runs
as root, and what the two containers share is one volume that the server cannot write.
"""

import fnmatch
import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from nowcast.cli.main import COMMANDS
from nowcast.cli.parser import build_parser
from nowcast.core.packaged_configs import kinds_of
from nowcast.core.settings import build
from nowcast.service.settings import ServiceSettings

ROOT = Path(__file__).resolve().parents[2]
KNOWN = {"FROM", "ARG", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "CMD"}


def instructions():
    """Name and arguments of each line of the Dockerfile, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(None, 1)) for line in lines]


LINES = instructions()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]


def of(name):
    return [rest for instruction, rest in LINES if instruction == name]


def parsed(words):
    """What a command line of the package asks for, its variables with their defaults."""
    words = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", word) for word in words]
    assert words[0] == "nowcast"
    return build_parser(COMMANDS, words[1:2]).parse_args(words[1:])


def test_every_instruction_is_one_of_docker():
    assert {name for name, _ in LINES} <= KNOWN
    assert LINES[0][0] == "FROM"
    assert all(re.fullmatch(r"python:3\.11-slim( AS \w+)?", rest) for rest in of("FROM"))
    assert [line for line in of("RUN") if re.search(r"\b(sudo|curl|wget|chmod 777)\b", line)] == []


def test_what_is_copied_is_there_and_not_left_out():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    stages = {rest.split(" AS ")[1] for rest in of("FROM") if " AS " in rest}
    copied = set()
    for rest in of("COPY"):
        words = rest.split()
        if words[0].startswith("--from="):
            assert words[0].removeprefix("--from=") in stages
            continue
        for source in words[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored, source
            copied.add(source)
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    assert ignored[1] == "*"
    needed = re.findall(
        r'^(?:readme|license-files) = \[?"([^"]+)"', (ROOT / "pyproject.toml").read_text(), re.M
    )
    assert needed
    assert all(any(fnmatch.fnmatch(name, each) for each in copied) for name in needed)


def test_the_extras_that_are_installed_exist():
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    asked = re.search(r'"\.\[([\w,]+)\]"', " ".join(of("RUN")))[1].split(",")
    assert "serve" in asked
    assert set(asked) <= set(extras)


def test_torch_is_the_one_that_the_package_wants():
    import tomllib

    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert re.search(r'"(torch[^"]+)"', " ".join(of("RUN")))[1] in wanted


def test_nothing_runs_as_root_and_health_is_asked_where_the_server_answers():
    names = [name for name, _ in LINES]
    assert of("USER") == ["nowcast"]
    assert names.index("USER") < names.index("CMD")
    made = next(rest for rest in of("RUN") if "useradd" in rest)
    assert "--uid 10001" in made
    (health,) = of("HEALTHCHECK")
    command = json.loads(health.split("CMD ", 1)[1])
    compile(command[2], "health check", "exec")
    args = parsed(json.loads(of("CMD")[0]))
    assert f":{args.port}/health" in command[2]
    assert of("EXPOSE") == [str(args.port)]
    assert str(args.place) in made


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_runs_a_command_of_the_package(name):
    container = SERVICES[name]
    args = parsed(container["command"])
    assert args.command == {"service": "watch", "serve": "serve"}[name]
    if "healthcheck" in container:
        assert container["healthcheck"]["test"][0] == "CMD"
        assert parsed(container["healthcheck"]["test"][1:]).command == "status"
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "network_mode", "pid", "user"} & set(container)


def test_the_server_reads_what_the_service_writes():
    watch = parsed(SERVICES["service"]["command"])
    assert "service" in kinds_of(str(watch.config))
    text = (ROOT / "configs" / "service" / f"{watch.config}.yaml").read_text(encoding="utf-8")
    settings = build(ServiceSettings, yaml.safe_load(text))
    serve = parsed(SERVICES["serve"]["command"])
    assert serve.place == settings.output
    assert of("WORKDIR")[-1] == "/data"
    volumes = SERVICES["service"]["volumes"]
    assert volumes[0] == "data:/data"
    assert volumes[1].endswith(f":/data/{settings.inputs[0].folder}:ro")
    assert SERVICES["serve"]["volumes"] == ["data:/data:ro"]
    assert set(COMPOSE["volumes"]) == {"data"}
    assert SERVICES["serve"]["read_only"] is True


def test_only_this_machine_reaches_the_server():
    (port,) = SERVICES["serve"]["ports"]
    host, outside, inside = port.split(":")
    assert host == "127.0.0.1"
    assert outside == inside == str(parsed(SERVICES["serve"]["command"]).port)
    assert "ports" not in SERVICES["service"]


def test_the_howto_says_how_they_are_started():
    page = (ROOT / "docs" / "howto" / "serve.md").read_text(encoding="utf-8")
    line = next(line for line in page.splitlines() if "docker compose up" in line)
    assert shlex.split(line.split("#")[0])[-3:] == ["compose", "up", "--build"]
    assert line.strip().startswith("RADAR=")
