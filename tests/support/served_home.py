"""A home whose narrow task is answered by a real student: learned, certified and promoted as a person would."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import homes

from freehold.services import certifying, discovering, ingest, promoting, training
from freehold.services.home import Home
from freehold.settings import GatewaySettings, Loaded, ProviderSettings, Settings, TaskSettings
from freehold.vocabulary import Task

CALLS = 320
SETTINGS = Settings(
    default_provider="openai",
    providers={"openai": ProviderSettings("openai", base_url="https://nowhere.invalid/v1", api_key_env="NO_KEY")},
)


@contextmanager
def serving(folder: Path) -> Iterator[Home]:
    """Such a home; making it takes some seconds."""
    log = homes.colours_log(folder / "calls.jsonl", CALLS, essays=20)
    with homes.home(folder / "home", SETTINGS) as home:
        ingest.import_log(home, log)
        discovering.find_tasks(home)
        training.train(home, narrow(home))
        assert certifying.certify(home, narrow(home), alpha=0.1).certified
        promoting.promote(home, narrow(home), "full", by="ann")
        yield home


def narrow(home: Home) -> Task:
    """The task that is served."""
    return next(task for task in home.registry.tasks() if task.kind == "classification")


def again(home: Home, *, restricted: bool = False, workers: int = 1, stage: str = "") -> Home:
    """The same home opened with other settings, or put on another stage."""
    tasks = {narrow(home).name: TaskSettings(data_class="restricted")} if restricted else {}
    settings = Settings(
        default_provider=SETTINGS.default_provider,
        providers=SETTINGS.providers,
        gateway=GatewaySettings(owned_workers=workers),
        tasks=tasks,
    )
    if stage:
        promoting.promote(home, narrow(home), stage, by="ann")
    return Home(Loaded(settings, home.path, {}))


def copied(home: Home, folder: Path) -> Home:
    """The same home once more, to be changed."""
    shutil.copytree(home.path, folder)
    return Home(Loaded(SETTINGS, folder, {}))
