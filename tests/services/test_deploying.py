"""An owned model deployed into another home: trusted, certified, restricted as before, and answering there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.support import homes, served_home
from tests.support.gateway import connect, read_response, request_bytes, running
from tests.support.shell import Shell

from freehold.errors import BundleRefused, GateRefused, MissingPrerequisite, UsageError
from freehold.gateway.app import Doors
from freehold.registry import routes
from freehold.services import certifying, deploying, discovering, ingest, promoting
from freehold.services.home import Home
from freehold.serving import StudentHost
from freehold.settings import Settings, TaskSettings
from freehold.students import bundle

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with served_home.serving(tmp_path_factory.mktemp("deploying")) as made:
        yield made


@pytest.fixture(scope="module")
def archive(origin: Home) -> Path:
    file = origin.path.parent / "model.tar.gz"
    deploying.pack(origin, served_home.narrow(origin), file)
    return file


def signer(home: Home) -> str:
    return bundle.public_hex(bundle.signing_key(home.path))


def empty(folder: Path, **tasks: TaskSettings) -> Home:
    return homes.home(folder, Settings(tasks=tasks))


def test_an_empty_home_serves_as_the_first_one_did(origin: Home, archive: Path, tmp_path: Path) -> None:
    here = routes.load(routes.path(origin.path))
    with empty(tmp_path) as there:
        deployed = deploying.deploy(there, archive, trust=signer(origin), by="bob")
        assert (deployed.stage, deployed.restricted, deployed.newly_trusted) == ("full", False, True)
        first = routes.load(routes.path(there.path))
        again = deploying.deploy(there, archive, by="bob")
        assert not again.newly_trusted
        assert routes.load(routes.path(there.path)) == first
        log = [entry.what for entry in there.registry.audit_log()]
        assert {"task.adopted", "signer.trusted", "student.added", "certificate.added", "stage.full"} <= set(log)
        assert log.count("stage.full") == 1
    (route,) = first.routes
    assert route == next(one for one in here.routes if one.task_id == route.task_id)
    assert first.tasks[0].templates == next(one for one in here.tasks if one.id == route.task_id).templates
    assert [path.name for path in (tmp_path / "bundles").iterdir()] == [route.student_id]


def test_what_was_deployed_can_be_deployed_on_when_its_first_home_is_gone(
    origin: Home, archive: Path, tmp_path: Path
) -> None:
    with empty(tmp_path / "second") as second:
        deployed = deploying.deploy(second, archive, trust=signer(origin))
        packed = deploying.pack(second, second.registry.task(deployed.task), tmp_path / "on.tar")
        assert packed.signer == signer(second) != signer(origin)
    with empty(tmp_path / "third") as third:
        with pytest.raises(BundleRefused, match="does not trust"):
            deploying.deploy(third, tmp_path / "on.tar")
        assert deploying.deploy(third, tmp_path / "on.tar", trust=packed.signer).student_id == deployed.student_id


def test_the_packing_is_in_the_audit_log_and_needs_a_model_in_service(origin: Home, tmp_path: Path) -> None:
    task = served_home.narrow(origin)
    packed = deploying.pack(origin, task, tmp_path / "again.tar", why="a drill")
    assert packed.size_bytes == (tmp_path / "again.tar").stat().st_size
    last = origin.registry.audit_log()[-1]
    assert (last.what, last.subject, last.why) == ("student.exported", packed.student_id, "a drill")
    essays = next(one for one in origin.registry.tasks() if one.kind == "free_text")
    with pytest.raises(MissingPrerequisite, match="is in service") as error:
        deploying.pack(origin, essays, tmp_path / "x.tar")
    assert "freehold promote" in error.value.hint


def test_a_signer_that_nobody_vouches_for_is_refused_and_nothing_stays(
    origin: Home, archive: Path, tmp_path: Path
) -> None:
    with empty(tmp_path) as there:
        with pytest.raises(BundleRefused, match="does not trust") as error:
            deploying.deploy(there, archive)
        assert f"--trust {signer(origin)}" in error.value.hint
        with pytest.raises(UsageError, match="not by"):
            deploying.deploy(there, archive, trust="ab" * 32)
        assert list((tmp_path / "bundles").iterdir()) == []
        assert not (tmp_path / "keys").exists()
        assert there.registry.tasks() == ()
        with pytest.raises(UsageError, match="is no archive"):
            deploying.deploy(there, tmp_path / "nothing.tar")
        with pytest.raises(UsageError, match="no stage"):
            deploying.deploy(there, archive, trust=signer(origin), stage="everywhere")


def test_what_is_restricted_stays_so_without_any_setting_there(origin: Home, tmp_path: Path) -> None:
    file = tmp_path / "closed.tar"
    with served_home.again(origin, restricted=True) as closed:
        deploying.pack(closed, served_home.narrow(closed), file)
    with empty(tmp_path / "there") as there:
        deployed = deploying.deploy(there, file, trust=signer(origin))
        assert deployed.restricted
        (route,) = routes.load(routes.path(there.path)).routes
        assert route.data_class == "restricted"
        discovering.find_tasks(there)
        promoting.rollback(there, there.registry.task(route.task_id), by="bob")
        (route,) = routes.load(routes.path(there.path)).routes
        assert (route.stage, route.data_class) == ("none", "restricted")


def test_something_stricter_that_is_declared_there_binds(origin: Home, archive: Path, tmp_path: Path) -> None:
    strict = {served_home.narrow(origin).name: TaskSettings(alpha=0.001)}
    with empty(tmp_path, **strict) as there:
        with pytest.raises(GateRefused, match=r"promises alpha 0\.1"):
            deploying.deploy(there, archive, trust=signer(origin))
        assert routes.load(routes.path(there.path)).routes[0].stage == "none"
        assert deploying.deploy(there, archive, stage="shadow").stage == "shadow"


def test_what_is_declared_there_about_the_data_is_what_is_said(origin: Home, archive: Path, tmp_path: Path) -> None:
    name = served_home.narrow(origin).name
    with empty(tmp_path / "closed", **{name: TaskSettings(data_class="restricted")}) as there:
        assert deploying.deploy(there, archive, trust=signer(origin)).restricted
    file = tmp_path / "closed.tar"
    with served_home.again(origin, restricted=True) as closed:
        deploying.pack(closed, served_home.narrow(closed), file)
    shell = Shell(tmp_path)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "freehold.toml").write_text(f'[tasks.{name}]\ndata_class = "ordinary"\n')
    assert shell.json("deploy", "closed.tar", "--trust", signer(origin))["restricted"] is False


def test_a_damaged_bundle_gives_way_to_the_archive(origin: Home, archive: Path, tmp_path: Path) -> None:
    with empty(tmp_path) as there:
        deployed = deploying.deploy(there, archive, trust=signer(origin))
        folder = tmp_path / "bundles" / deployed.student_id
        (folder / "weights.safetensors").write_bytes(b"")
        assert deploying.deploy(there, archive) == msgspec.structs.replace(deployed, newly_trusted=False)
        assert bundle.verify(folder).signer == signer(origin)
        assert [path.name for path in (tmp_path / "bundles").iterdir()] == [deployed.student_id]
        (tmp_path / "keys" / "trusted" / f"{signer(origin)[:16]}.pub").unlink()
        with pytest.raises(BundleRefused, match="does not trust"):
            deploying.deploy(there, archive)


def test_a_later_certificate_comes_into_a_bundle_that_is_there(origin: Home, archive: Path, tmp_path: Path) -> None:
    """Otherwise the next home would look for it in vain."""
    later = tmp_path / "later.tar"
    with served_home.copied(origin, tmp_path / "origin") as made:
        certificate = certifying.certify(made, served_home.narrow(made), alpha=0.2)
        promoting.promote(made, served_home.narrow(made), "full", by="ann")
        deploying.pack(made, served_home.narrow(made), later)
    with empty(tmp_path / "second") as second:
        deploying.deploy(second, archive, trust=signer(origin))
        assert deploying.deploy(second, later).certificate_id == certificate.id
        packed = deploying.pack(second, served_home.narrow(second), tmp_path / "on.tar")
    with empty(tmp_path / "third") as third:
        deployed = deploying.deploy(third, tmp_path / "on.tar", trust=packed.signer)
        assert deployed.certificate_id == certificate.id


def test_a_home_that_knows_the_task_as_its_own_is_not_overruled(origin: Home, archive: Path, tmp_path: Path) -> None:
    log = homes.colours_log(tmp_path / "calls.jsonl", 60, essays=0, seed=3)
    with empty(tmp_path / "there") as there:
        ingest.import_log(there, log)
        discovering.find_tasks(there)
        task = served_home.narrow(there)
        if task.id == served_home.narrow(origin).id:  # ids follow from prompts: it is the same task, and may be served
            assert deploying.deploy(there, archive, trust=signer(origin)).task == task.name
        renamed = msgspec.structs.replace(task, id="t-other")
        with pytest.raises(UsageError, match=r"knows \w+ already") as error:
            there.registry.adopt(renamed, restricted=False, by="bob")
        assert error.value.error_code == "task_exists"


def test_a_real_gateway_there_answers_from_the_archive_alone(origin: Home, archive: Path, tmp_path: Path) -> None:
    call = next(call for call in origin.calls() if b"Name the colour" in call.request)
    with empty(tmp_path) as there:
        deploying.deploy(there, archive, trust=signer(origin))
        doors = Doors(host=StudentHost(tmp_path, env={"PYTHONPATH": os.environ.get("PYTHONPATH", "")}))
        with running(there.settings, tmp_path, doors) as gateway, connect(gateway.port) as sock:
            sock.sendall(request_bytes(call.request))
            status, headers, _ = read_response(sock)
            assert (status, headers["x-freehold-served-by"]) == (200, "owned")


def test_the_commands_say_what_to_type_next(origin: Home, tmp_path: Path) -> None:
    shell = Shell(tmp_path, home=origin.path)
    task = served_home.narrow(origin).name
    said = shell.run("export", task, "model.tar.gz").stdout
    assert f"freehold deploy model.tar.gz --trust {signer(origin)}" in said
    assert "Deployed, it serves on stage full" in shell.run("verify", "model.tar.gz").stdout
    assert shell.json("verify", "model.tar.gz")["stage"] == "full"
    there = Shell(tmp_path, home=tmp_path / "there")
    assert "whom this home does not trust" in there.run("deploy", "model.tar.gz", code=1).stderr
    done = there.run("deploy", "model.tar.gz", "--trust", signer(origin))
    assert f"{task} is on stage full" in done.stdout
    assert "freehold up" in done.stderr
    assert there.json("deploy", "model.tar.gz")["schema"] == "freehold.deploy/1"
    (tmp_path / "model.tar.gz").write_bytes(b"no archive")
    assert "no whole archive" in there.run("deploy", "model.tar.gz", code=1).stderr
    assert "is not a folder" in shell.run("verify", "nowhere", code=1).stderr
    assert "No such file" in shell.run("verify", "nowhere.tar", code=1).stderr
