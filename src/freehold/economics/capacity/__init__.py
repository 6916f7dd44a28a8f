"""How many machines real arrivals take: a trace, a replica, a simulation, a fleet. Utilisation is what comes out."""

from .fleet import Autoscaled, Fleet, Held, Policy, Targets, Tried, size_fleet
from .replica import Replica, replica_for, replica_from_points, replica_from_roofline
from .trace import Trace, from_rates, load, of_requests

__all__ = [
    "Autoscaled",
    "Fleet",
    "Held",
    "Policy",
    "Replica",
    "Targets",
    "Trace",
    "Tried",
    "from_rates",
    "load",
    "of_requests",
    "replica_for",
    "replica_from_points",
    "replica_from_roofline",
    "size_fleet",
]
