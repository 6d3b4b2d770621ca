"""A package of plug-ins, as somebody else would write them; some are broken on purpose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from anomaly_cli.classifiers.base import Classifier, FittedClassifier
from anomaly_cli.core.blocks import Features
from anomaly_cli.core.seen import Need
from anomaly_cli.methods.base import FittedTemplate, Sample, TemplateMethod
from anomaly_cli.scores.base import FittedScore, Score


class Moved(FittedTemplate):
    """Side-band events at the masses wanted, smeared a little."""

    def __init__(self, method, events):
        self.method = method
        self.events = events

    def sample(self, request, compute):
        index = compute.streams.generator("sources").integers(len(self.events), size=len(request))
        chosen = self.events.take(index)
        noise = self.method.noise(compute).standard_normal(chosen.features.shape)
        features = chosen.features + 1e-3 * chosen.features.std(axis=0) * noise
        n = self.method.length(len(request))
        moved = replace(chosen, mjj=request.masses, event_id=np.arange(len(request)))
        moved = moved.with_block(Features.kind, Features(self.method.spoil(features), chosen.names))
        return Sample(moved.take(np.arange(n)), np.zeros(features.shape[1], dtype=np.int64))

    def to_arrays(self):
        return {}


@dataclass(frozen=True)
class Plain(TemplateMethod):
    reference: ClassVar[str] = "nobody"

    def fit(self, seen, compute):
        return Moved(self, seen.side_bands)

    def load(self, arrays, seen):
        return Moved(self, seen.side_bands)

    def noise(self, compute):
        return compute.streams.generator("noise")

    def length(self, n):
        return n

    def spoil(self, features):
        return features


@dataclass(frozen=True)
class Smeared(Plain):
    """Needs two things, and has a setting that is called as one of the frame."""

    name: ClassVar[str] = "smeared"
    summary: ClassVar[str] = "side-band events, smeared"
    needs: ClassVar[frozenset] = frozenset({Need.SIDE_BANDS, Need.SIMULATION, Need.SR_FEATURES})

    threads: int = 2

    def fit(self, seen, compute):
        if not len(seen.need(Need.SIMULATION).events) or not len(seen.need(Need.SR_FEATURES)):
            raise ValueError("both were promised")
        return Moved(self, seen.side_bands)


@dataclass(frozen=True)
class Impostor(Plain):
    name: ClassVar[str] = "drapes"
    summary: ClassVar[str] = "not the real one"


@dataclass(frozen=True)
class Unseeded(Plain):
    name: ClassVar[str] = "unseeded"
    summary: ClassVar[str] = "draws from nowhere"

    def noise(self, compute):
        return np.random.default_rng()


@dataclass(frozen=True)
class Endless(Plain):
    name: ClassVar[str] = "endless"
    summary: ClassVar[str] = "is not finite"

    def spoil(self, features):
        return np.where(np.arange(len(features))[:, None] == 5, np.inf, features)


@dataclass(frozen=True)
class Short(Plain):
    name: ClassVar[str] = "short"
    summary: ClassVar[str] = "loses the last event"

    def length(self, n):
        return n - 1


class NoMethod:
    name = "nothing"


class Line(FittedClassifier):
    def __init__(self, weight):
        self.weight = weight

    def log_odds(self, events):
        return np.column_stack([events.features, np.ones(len(events))]) @ self.weight

    def to_arrays(self):
        return {"weight": self.weight}


@dataclass(frozen=True)
class Linear(Classifier):
    """Logistic regression on standardised features by gradient descent."""

    name: ClassVar[str] = "linear"
    summary: ClassVar[str] = "a straight line"
    reference: ClassVar[str] = "nobody"

    ensemble: int = 1
    steps: int = 100

    def weights(self, events):
        return events.weight / events.weight.mean()

    def fit(self, training, stopping, compute):
        center, width = training.events.features.mean(axis=0), training.events.features.std(axis=0)
        x = np.column_stack([(training.events.features - center) / width, np.ones(len(training))])
        beta, weight = np.zeros(x.shape[1]), self.weights(training.events)
        for _ in range(self.steps):
            p = 1.0 / (1.0 + np.exp(-x @ beta))
            beta -= 0.5 * x.T @ (weight * (p - training.is_positive)) / len(x)
        slope = beta[:-1] / width
        return Line(np.append(slope, beta[-1] - slope @ center))

    def load(self, arrays):
        return Line(arrays["weight"])


@dataclass(frozen=True)
class Weightless(Linear):
    name: ClassVar[str] = "weightless"

    def weights(self, events):
        return np.ones(len(events))


class FarOff(FittedScore):
    def __init__(self, center, width):
        self.center, self.width = center, width

    def score(self, events, fold):
        return (((events.features - self.center[fold]) / self.width[fold]) ** 2).sum(axis=1)

    def to_arrays(self):
        return {"center": self.center, "width": self.width}


@dataclass(frozen=True)
class Distance(Score):
    """How far an event is from the middle of the template that trains its fold."""

    name: ClassVar[str] = "distance"
    summary: ClassVar[str] = "distance from the template"
    reference: ClassVar[str] = "nobody"
    needs: ClassVar[frozenset] = frozenset({Need.SIDE_BANDS})

    def fit(self, seen, template, ranking, compute):
        return self.made(FarOff, template, ranking)

    def made(self, kind, template, ranking):
        own, trains = template.fold(ranking.crossfit), template.trains(ranking.kfold.folds)
        parts = [template.events.features[trains[:, fold] & (own != fold)] for fold in range(ranking.kfold.folds)]
        return kind(np.array([x.mean(axis=0) for x in parts]), np.array([x.std(axis=0) for x in parts]))

    def load(self, arrays, ranking):
        return FarOff(arrays["center"], arrays["width"])


class Placed(FarOff):
    def score(self, events, fold):
        return np.argsort(np.argsort(super().score(events, fold))).astype(float)


@dataclass(frozen=True)
class Ranked(Distance):
    """Gives the place among the events that it is given: broken."""

    name: ClassVar[str] = "ranked"

    def fit(self, seen, template, ranking, compute):
        return self.made(Placed, template, ranking)


@dataclass(frozen=True)
class Leaking(Distance):
    """Looks at the template of all folds: broken."""

    name: ClassVar[str] = "leaking"

    def fit(self, seen, template, ranking, compute):
        features, folds = template.events.features, ranking.kfold.folds
        return FarOff(np.tile(features.mean(axis=0), (folds, 1)), np.tile(features.std(axis=0), (folds, 1)))
