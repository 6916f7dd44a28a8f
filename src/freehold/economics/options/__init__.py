"""The ways to answer a task's calls, one module each, behind `CostModel`."""

from ._protocol import Bill, CostModel, Exposure, OtherModel, people_usd
from .fine_tuned_hosted import FineTuneHosted
from .fine_tuned_own import FineTuneOwn
from .keep_renting import KeepRenting
from .keep_renting_leaner import KeepRentingBatched, KeepRentingCached
from .open_weights_autoscaled import HostAutoscaled
from .open_weights_bought import HostBought
from .open_weights_hosted import HostOpenWeights
from .open_weights_rented import RentOpenWeights
from .open_weights_reserved import HostReserved
from .open_weights_spot import HostSpot
from .own_student import OwnStudent
from .rent_smaller import RentSmaller
from .trained_from_scratch import TrainFromScratch

__all__ = [
    "Bill",
    "CostModel",
    "Exposure",
    "FineTuneHosted",
    "FineTuneOwn",
    "HostAutoscaled",
    "HostBought",
    "HostOpenWeights",
    "HostReserved",
    "HostSpot",
    "KeepRenting",
    "KeepRentingBatched",
    "KeepRentingCached",
    "OtherModel",
    "OwnStudent",
    "RentOpenWeights",
    "RentSmaller",
    "TrainFromScratch",
    "people_usd",
]
