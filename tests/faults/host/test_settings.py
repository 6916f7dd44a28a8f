"""Settings and routes that were written in part: an error that names the file, or what was in force before."""

import pytest
from tests.support.faults import PATIENT, ask
from tests.support.gateway import renting_from, running
from tests.support.owned_task import FULL, body
from tests.support.students import SURE, ScriptedHost

from freehold.errors import ConfigurationError
from freehold.gateway.app import Doors
from freehold.registry import routes
from freehold.settings import TaskSettings, load
from freehold.vocabulary import RouteTable

TOML = """default_provider = "up"

[providers.up]
kind = "compatible"
base_url = "http://localhost:8000/v1"
api_key_env = "UP_KEY"

[providers.spare]
kind = "openai"
api_key_env = "SPARE_KEY"

[gateway]
port = 8081
first_byte_timeout_s = 30.5
max_body_bytes = 1_000_000

[tasks."sort mails"]
data_class = "restricted"
alpha = 0.05
"""


@pytest.mark.fault("host", "half-written settings")
def test_every_beginning_of_a_settings_file(tmp_path):
    """It is refused by name, or it is itself a file of settings: then nothing is set that does not stand in it."""
    path = tmp_path / "freehold.toml"
    path.write_text(TOML)
    whole = load({"FREEHOLD_HOME": str(tmp_path)}).settings
    refused: list[str] = []
    for end in range(len(TOML)):
        path.write_text(TOML[:end])
        try:
            found = load({"FREEHOLD_HOME": str(tmp_path)})
        except ConfigurationError as error:
            refused.append(str(error))
            continue
        part = found.settings
        assert part.default_provider in {"", whole.default_provider}
        assert all(whole.providers[name].kind == one.kind for name, one in part.providers.items())
        assert all(one in (whole.tasks[name], TaskSettings()) or one.alpha is None for name, one in part.tasks.items())
    assert len(refused) > len(TOML) / 2
    assert all(str(path) in one for one in refused)


@pytest.mark.fault("host", "half-written settings")
def test_every_beginning_of_a_route_table(up, tmp_path):
    """The table of before stays in force, whatever of the new one is there."""
    host = ScriptedHost(SURE)
    with running(renting_from(up.url, **PATIENT), tmp_path, Doors(host=host)) as gateway:
        gateway.publish(FULL)
        table = gateway.gateway.router.table
        path = routes.path(tmp_path)
        routes.write(path, RouteTable(table.version + 1, table.tasks, (), ("triage",)))
        whole = path.read_bytes()
        for end in [*range(0, len(whole), 37), len(whole) - 1]:
            path.write_bytes(whole[:end])
            gateway.on_loop(gateway.gateway.refresh)
            assert gateway.gateway.router.table.version == table.version
        assert ask(gateway, body()).headers["x-freehold-served-by"] == "owned"
        path.write_bytes(whole)
        gateway.on_loop(gateway.gateway.refresh)
        assert gateway.gateway.router.table.version == table.version + 1
