"""Learning owned models from a task's calls: curation, the ladder of trainers, and the students they leave.

Importing this package is light: numpy, SciPy and scikit-learn are loaded by the functions that need them, so that a
worker that only answers never pays for a trainer. Knows nothing of the gateway, of registries or of promises: a
student's confidence orders its answers, and `evidence` says what may be promised of them.
"""

from .curation import Curated, Rules, curate
from .ladder import fit, train
from .protocol import Fitted, Student, Trained, Trainer
from .runtime import build, load

__all__ = ["Curated", "Fitted", "Rules", "Student", "Trained", "Trainer", "build", "curate", "fit", "load", "train"]
