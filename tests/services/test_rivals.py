"""What rehearsals and the log say of other models, and when that turns the verdict."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from tests.support.rehearsals import made, recording

from freehold.services import deciding, discovering, rehearsing, watching
from freehold.services.home import Home
from freehold.services.rehearsing import Order
from freehold.settings import CertificateSettings, EconomicsSettings, PriceSettings, ProviderSettings, Settings
from freehold.vocabulary import Option, Task, Verdict

MINI = "gpt-4.1-mini"
GIVEN = {"student_coverage": 0.0, "volume_ratio": 1.0, "token_ratio": 1.0}
"""No student is worth having, as many calls will come as came, and another model counts tokens as today's does."""


def played(folder: Path, model: str = MINI, **more: object) -> Settings:
    """Settings in which a recording plays a model, under a provider name of the user's own."""
    providers = {"cheap": ProviderSettings("recorded", file=str(folder / f"{model}.jsonl"))}
    settings = Settings(providers=providers, economics=EconomicsSettings(assume=GIVEN))
    return msgspec.structs.replace(settings, **more)


def verdict(home: Home, task: Task) -> Verdict:
    (found,) = deciding.verdicts(home, task_name=task.name, volume=10_000.0)
    return found


def row(found: Verdict, model: str = MINI) -> Option:
    return next(one for one in found.options if one.name.endswith(f"/{model}"))


def test_a_cheap_model_shown_to_be_as_good_turns_the_verdict_and_few_calls_do_not(tmp_path: Path) -> None:
    with made(tmp_path, played(tmp_path), calls=260, gold_share=0.0) as (home, task):
        recording(tmp_path, lambda number: number % 100 == 0, model=MINI)
        before = verdict(home, task)
        assert before.word != "rent_smaller"
        assert row(before).quality == "unknown"
        rehearsing.rehearse(home, task, Order(f"cheap/{MINI}", calls=20), environ={})
        few = verdict(home, task)
        assert few.word == before.word
        assert row(few).quality == "unknown"
        assert "might settle it" in row(few).why_not
        rehearsing.rehearse(home, task, Order(f"cheap/{MINI}", calls=250), environ={})
        after = verdict(home, task)
        assert (after.word, row(after).quality) == ("rent_smaller", "measured")
        assert after.chosen == row(after).name
        assert "played by a recording" in after.reason
        assert any(source.name.startswith("rehearsal reh_") for source in after.sources)


def test_a_cheap_model_shown_to_be_worse_wins_nothing_and_is_not_proposed_again(tmp_path: Path) -> None:
    with made(tmp_path, played(tmp_path), calls=260, gold_share=0.0) as (home, task):
        recording(tmp_path, lambda number: number % 4 == 0, model=MINI)
        rehearsing.rehearse(home, task, Order(f"cheap/{MINI}", calls=250), environ={})
        found = verdict(home, task)
        assert found.word != "rent_smaller"
        assert row(found).quality == "measured"
        assert row(found).probability_wins == 0.0
        assert "may be worse" in row(found).why_not
        assert MINI not in found.to_find_out


def test_the_measured_tokens_and_latency_take_the_place_of_what_was_assumed(tmp_path: Path) -> None:
    with made(tmp_path, played(tmp_path), calls=120, gold_share=0.0) as (home, task):
        recording(tmp_path, model=MINI, prompt_tokens=100, completion_tokens=4)
        before = row(verdict(home, task))
        done = rehearsing.rehearse(home, task, Order(f"cheap/{MINI}", calls=100), environ={})
        after = row(verdict(home, task))
        ratio = done.rehearsal.token_ratio
        assert ratio is not None
        assert ratio > 1.5
        tokens = after.breakdown_usd["tokens"] / before.breakdown_usd["tokens"]
        assert float(tokens) == pytest.approx(ratio, rel=0.02)
        assert (before.latency_ms, after.latency_ms) == (None, 150.0)
        assert any("tokens per token" in note for note in after.notes)


def test_gold_decides_where_today_errs_and_the_other_model_does_not(tmp_path: Path) -> None:
    """Today's model errs on a tenth of the calls, and the other one on none: they agree on nine in ten."""
    with made(tmp_path, played(tmp_path), calls=400, gold_share=1.0, teacher_error=0.1) as (home, task):
        _right(recording(tmp_path, model=MINI))
        done = rehearsing.rehearse(home, task, Order(f"cheap/{MINI}", calls=400, against="gold"), environ={})
        gold = done.rehearsal.gold
        assert gold is not None
        assert (gold.right, gold.n, gold.worse) == (400, 400, 0)
        assert gold.today_right == 400 - gold.better < 380
        assert done.rehearsal.agreed.share < 0.95
        assert done.judged is not None
        assert done.judged.worse_upper < 0
        found = verdict(home, task)
        assert found.word == "rent_smaller"
        assert "right on 100.0%" in row(found).why_not
        home.settings = msgspec.structs.replace(home.settings, certificate=CertificateSettings(against="gold"))
        assert verdict(home, task).word == "rent_smaller"


def _right(path: Path) -> None:
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    for one in lines:
        one["response"]["choices"][0]["message"]["content"] = one["gold"]
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))


def test_looking_again_at_a_larger_sample_costs_certainty(tmp_path: Path) -> None:
    with made(tmp_path, played(tmp_path), calls=200, gold_share=0.0) as (home, task):
        recording(tmp_path, model=MINI)
        at_once = rehearsing.rehearse(home, task, Order(f"cheap/{MINI}", calls=150, seed=3), environ={})
        uppers = [at_once.judged.worse_upper] if at_once.judged is not None else []
        for calls in (149, 148):
            done = rehearsing.rehearse(home, task, Order(f"cheap/{MINI}", calls=calls, seed=3), environ={})
            assert done.judged is not None
            uppers.append(done.judged.worse_upper)
        assert uppers == sorted(uppers)
        assert uppers[2] > 1.3 * uppers[0]


def test_a_rehearsal_of_another_providers_model_becomes_an_option_at_its_price(tmp_path: Path) -> None:
    prices = {"cheap/house-model": PriceSettings(Decimal("0.05"), Decimal("0.05"))}
    with made(tmp_path, played(tmp_path, "house-model", prices=prices), calls=260, gold_share=0.0) as (home, task):
        recording(tmp_path, model="house-model")
        assert not any("house-model" in one.name for one in verdict(home, task).options)
        rehearsing.rehearse(home, task, Order("cheap/house-model", calls=250), environ={})
        found = verdict(home, task)
        assert found.chosen == "rent cheap/house-model"


def test_weights_that_were_rehearsed_by_the_token_speak_for_hosting_them_with_a_caveat(tmp_path: Path) -> None:
    model = "llama-3.1-8b-instruct"
    with made(tmp_path, played(tmp_path, model), calls=200, gold_share=0.0) as (home, task):
        recording(tmp_path, model=model)
        rehearsing.rehearse(home, task, Order(f"cheap/{model}", calls=180), environ={})
        options = {one.name: one for one in verdict(home, task).options}
        rented = options["rent Llama-3.1-8B per token"]
        hosted = [one for one in options.values() if one.word == "host_open_weights"]
        assert rented.quality == "measured"
        assert {one.quality for one in hosted} == {"measured"}
        assert all("another precision" in one.why_not for one in hosted)
        assert "precision" not in rented.why_not
        assert options["rent gpt-oss-120b per token"].quality == "unknown"


def test_a_rehearsal_lapses_when_most_of_the_traffic_has_another_prompt(tmp_path: Path) -> None:
    with made(tmp_path, played(tmp_path), calls=150, gold_share=0.0) as (home, task):
        recording(tmp_path, model=MINI)
        rehearsing.rehearse(home, task, Order(f"cheap/{MINI}", calls=140), environ={})
        assert row(verdict(home, task)).quality == "measured"
        (found,) = home.registry.rehearsals(task.id)
        of_old = msgspec.structs.replace(found, id="reh_old", template_ids=("a-prompt-of-before",))
        home.registry.add_rehearsal(of_old)
        assert row(verdict(home, task)).quality == "measured", "the one that covers today's prompt still counts"


def test_a_rehearsal_lapses_when_the_task_has_moved_to_another_model(tmp_path: Path) -> None:
    with made(tmp_path, played(tmp_path), calls=150, gold_share=0.0) as (home, task):
        recording(tmp_path, model=MINI)
        rehearsing.rehearse(home, task, Order(f"cheap/{MINI}", calls=140), environ={})
        (before,) = deciding.questions(home, task_name=task.name)
        assert [one.source for one in before.quality.rivals] == ["rehearsal"]
        calls = list(home.calls())
        home.ledger.append(
            msgspec.structs.replace(c, id=f"{c.id}-m{n}", model="gpt-4o") for n in range(2) for c in calls
        )
        discovering.find_tasks(home)
        (moved,) = deciding.questions(home, task_name=task.name)
        assert moved.workload.model[1] == "gpt-4o"
        assert all(one.source != "rehearsal" for one in moved.quality.rivals)


def test_what_the_log_says_of_two_models_is_told_and_decides_nothing(tmp_path: Path) -> None:
    with made(tmp_path, Settings(), calls=200, gold_share=1.0) as (home, task):
        calls = list(home.calls())
        home.ledger.append(msgspec.structs.replace(call, id=f"{call.id}-m", model=MINI) for call in calls[:60])
        same = verdict(home, task)
        assert row(same).quality == "unknown"
        assert "of the 60 inputs that both models were asked" in row(same).why_not
    other = tmp_path / "other"
    other.mkdir()
    with made(other, Settings(), calls=200, gold_share=1.0) as (home, task):
        calls = list(home.calls())
        moved = [msgspec.structs.replace(c, id=f"{c.id}-m", model=MINI, request=_anew(c.request)) for c in calls[:60]]
        home.ledger.append(moved)
        apart = verdict(home, task)
        assert row(apart).quality == "unknown"
        assert "of 60 calls with gold" in row(apart).why_not
        assert "not drawn at random" in row(apart).why_not
        assert apart.word != "rent_smaller"


def _anew(request: bytes) -> bytes:
    body = json.loads(request)
    body["messages"][-1]["content"] += " once more"
    return json.dumps(body).encode()


def test_the_next_measurement_names_the_command_and_its_cost(tmp_path: Path) -> None:
    with made(tmp_path, Settings(), calls=200, gold_share=0.0) as (home, task):
        found = verdict(home, task)
        learn = found.risk.learn if found.risk is not None else ()
        told = " ".join([found.to_find_out, found.reason, *(one.how for one in learn)])
        assert f"freehold rehearse {task.name} " in told


def test_who_watches_judges_again_after_a_rehearsal(tmp_path: Path) -> None:
    with made(tmp_path, played(tmp_path), calls=120, gold_share=0.0) as (home, task):
        recording(tmp_path, model=MINI)
        assert [one.status for one in watching.watch(home)] == ["first"]
        assert [one.status for one in watching.watch(home)] == ["unchanged"]
        done = rehearsing.rehearse(home, task, Order(f"cheap/{MINI}", calls=100), environ={})
        (again,) = watching.watch(home)
        assert again.status != "unchanged"
        (change,) = again.changed
        assert change.what == "evidence"
        assert done.rehearsal.id in str(change.after)
