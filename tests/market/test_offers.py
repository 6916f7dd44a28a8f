"""GPU offers: the catalogue, one's own lists, SkyPilot's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from freehold.errors import ConfigurationError, UsageError
from freehold.market.gpus import all_hardware, hardware, known
from freehold.market.offers import ZONES, catalogue, from_skypilot, merged, offers, read, written, zone_of

SKYPILOT = """InstanceType,vCPUs,MemoryGiB,AcceleratorName,AcceleratorCount,GpuInfo,Price,SpotPrice,Region,Zone
gpu-1,16,200,H100,1,,2.5,1.0,eu-north1,
gpu-1b,32,400,H100,1,,2.9,,eu-north1,
gpu-8,128,1600,H100,8,,20.0,,eu-north1,
odd,8,64,TPU-v9,1,,1.0,,us-central1,
cpu,8,64,,,,0.3,,us-central1,
free,8,64,L4,1,,,,us-central1,
"""


def test_every_offer_of_the_catalogue_is_dated_sourced_and_of_a_known_gpu() -> None:
    assert len(catalogue()) > 40
    for offer in catalogue():
        assert known(offer.gpu) is not None
        assert offer.zone in ZONES
        assert offer.source
        assert len(offer.as_of) == 10
        assert 0.1 < offer.usd < 20
    assert {o.cloud for o in catalogue() if o.zone == "eu"} == {"nebius", "verda"}


def test_a_longer_term_is_never_dearer_than_on_demand_at_one_cloud() -> None:
    on_demand = {(o.cloud, o.gpu, o.together): o.usd for o in catalogue() if o.term == "on_demand"}
    for offer in catalogue():
        if offer.term != "on_demand":
            paid = on_demand.get((offer.cloud, offer.gpu, offer.together))
            assert paid is None or offer.usd < paid


def test_peaks_and_aliases_of_the_hardware_are_plausible() -> None:
    for chip in all_hardware():
        assert 50 <= chip.bf16_tflops <= 3000
        assert chip.fp8_tflops == 0 or chip.fp8_tflops == pytest.approx(2 * chip.bf16_tflops, rel=0.03)
    assert hardware("h100").name == hardware("H100-SXM").name == "H100-80GB"
    with pytest.raises(UsageError, match="abacus"):
        hardware("abacus")


def test_a_skypilot_file_is_read_with_the_cheapest_of_equal_instances(tmp_path: Path) -> None:
    path = tmp_path / "vms.csv"
    path.write_text(SKYPILOT, "utf-8")
    found, unknown = from_skypilot(path, "nebius", "2026-11-01")
    assert unknown == ("TPU-v9",)
    assert {(o.gpu, o.term, o.usd, o.together, o.zone) for o in found} == {
        ("H100-80GB", "on_demand", 2.5, 1, "eu"),
        ("H100-80GB", "spot", 1.0, 1, "eu"),
        ("H100-80GB", "on_demand", 2.5, 8, "eu"),
    }
    assert {o.as_of for o in found} == {"2026-11-01"}
    path.write_text("a,b\n1,2\n", "utf-8")
    with pytest.raises(UsageError, match="AcceleratorName"):
        from_skypilot(path, "nebius", "2026-11-01")


def test_ones_own_lists_stand_in_for_a_cloud_and_survive_being_written(tmp_path: Path) -> None:
    path = tmp_path / "vms.csv"
    path.write_text(SKYPILOT, "utf-8")
    mine, _ = from_skypilot(path, "nebius", "2026-11-01")
    own = tmp_path / "offers.toml"
    own.write_text(written(mine), "utf-8")
    assert set(read(own)) == set(mine)
    every = offers(own)
    assert [o for o in every if o.cloud == "nebius"] == list(read(own))
    assert [o for o in every if o.cloud == "aws"] == [o for o in catalogue() if o.cloud == "aws"]
    assert merged(mine, mine[:1]) == mine[:1]
    assert offers(tmp_path / "none.toml") == catalogue()


@pytest.mark.parametrize(
    "text",
    [
        "[[list",
        '[[list]]\ncloud = "x"\n',
        '[[list]]\ncloud="x"\nzone="moon"\nplace="p"\nsource="s"\nas_of="d"\noffers=[["H100", "spot", 1.0, 1]]\n',
        '[[list]]\ncloud="x"\nzone="eu"\nplace="p"\nsource="s"\nas_of="d"\noffers=[["abacus", "spot", 1.0, 1]]\n',
        '[[list]]\ncloud="x"\nzone="eu"\nplace="p"\nsource="s"\nas_of="d"\noffers=[["H100", "spot", -1.0, 1]]\n',
        '[[list]]\ncloud="x"\nzone="eu"\nplace="p"\nsource="s"\nas_of="d"\noffers=[["H100", "spot", nan, 1]]\n',
        '[[list]]\ncloud="x"\nzone="eu"\nplace="p"\nsource="s"\nas_of="d"\noffers=[["H100", "daily", 1.0, 1]]\n',
    ],
)
def test_a_file_that_is_no_list_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    own = tmp_path / "offers.toml"
    own.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError, match=r"offers\.toml"):
        read(own)


@pytest.mark.parametrize(
    ("place", "zone"),
    [
        ("eu-north1", "eu"),
        ("eu-central-1", "eu"),
        ("eu-west-2", "global"),  # London
        ("europe-west6", "global"),  # Zurich
        ("europe-west2-a", "global"),
        ("eu-zurich-1", "global"),
        ("eu-jovanovac-1", "global"),  # Serbia
        ("eu-gb", "global"),
        ("eu-frankfurt-1", "eu"),
        ("eu-de", "eu"),
        ("europe-west4", "eu"),
        ("westeurope", "eu"),
        ("swedencentral", "eu"),
        ("FIN-02", "eu"),
        ("NORWAY-1", "global"),
        ("uksouth", "global"),
        ("us-central1", "us"),
        ("eastus2", "us"),
        ("centralus", "us"),
        ("northcentralus", "us"),
        ("mauritius", "global"),
        ("jioindiawest", "in"),
        ("US", "us"),
        ("CANADA-1", "ca"),
        ("ap-south-1", "in"),
        ("southindia", "in"),
        ("somewhere", "global"),
        ("ap-southeast-1", "global"),
        ("australiaeast", "global"),
    ],
)
def test_residency_is_read_off_a_place_and_never_guessed(place: str, zone: str) -> None:
    assert zone_of(place) == zone


def test_the_variant_of_a_gpu_that_one_cloud_has_is_not_taken_for_the_gpu() -> None:
    plain, variant = hardware("A10"), hardware("A10G")
    assert variant.memory_gb == plain.memory_gb
    assert variant.bf16_tflops < plain.bf16_tflops
