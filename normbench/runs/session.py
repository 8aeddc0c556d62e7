"""A run in training: its parts, and what training has produced so far."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from torch import Tensor, nn

from normbench.config import Config
from normbench.data.also_test import AlsoTest
from normbench.data.dataset import Dataset, Split
from normbench.kernels.library import kernels_status, library
from normbench.locks import Hold
from normbench.models.count import count_norms, count_parameters
from normbench.models.task import Task
from normbench.runs.build import task_of
from normbench.runs.environment import Environment
from normbench.runs.epochs import Row
from normbench.runs.events import Started, Step
from normbench.runs.folder import RunFolder
from normbench.train.loop import Divergence, Member
from normbench.train.setting import Setting
from normbench.train.statistics import AccuracyByStatistics


@dataclass
class Session:
    """A run from its preparation to its record. `number` tells the runs apart that train together."""

    number: int
    config: Config
    folder: RunFolder
    hold: Hold
    """Of the folder."""
    dataset: Dataset
    train: Split
    """On the CPU, or on the device once training has moved it there."""
    held_out: Split
    """The images that the run is evaluated on, on the CPU."""
    watched: Split | None
    """The validation images that the schedule watches, on the CPU; None where it watches `held_out`, or none."""
    member: Member
    setting: Setting
    environments: list[Environment]
    """What the run was trained in, one after the other; the last is the present one."""
    started_at: datetime
    resumed_at: tuple[int, int] | None = None
    """(epoch, steps done in it), counted from 0, of the checkpoint that this session goes on from."""
    rows: list[Row] = field(default_factory=list)
    """Of `metrics.csv`, one a finished epoch; a run that diverges keeps those before."""
    logits: Tensor | None = None
    """Of the held-out images after the last finished epoch, float32 [N, classes]."""
    divergence: Divergence | None = None
    by_statistics: AccuracyByStatistics | None = None
    also_test: AlsoTest | None = None
    """Further test images, on which the final weights are tested."""

    @property
    def model(self) -> nn.Module:
        return self.member.model

    @property
    def task(self) -> Task:
        return task_of(self.dataset)

    @property
    def threads(self) -> int:
        """The CPU threads that the run was begun with."""
        return int(self.environments[-1]["threads"])

    @property
    def place(self) -> tuple[int, int, str, str, int]:
        """(epoch, step, precision, engine, threads): runs that agree in it can train in the same steps."""
        position = self.member.position
        return position.epoch, position.step, self.setting.precision, self.setting.engine, self.threads

    def started(self) -> Started:
        on_cpu = self.setting.device.type == "cpu"
        kernels = library() if on_cpu else None
        return Started(
            num_parameters=count_parameters(self.model),
            norm_layers=count_norms(self.model)["norm_layers"],
            data=self.dataset.name,
            num_train=len(self.train),
            num_held_out=len(self.held_out),
            num_watched=len(self.watched) if self.watched else 0,
            num_classes=len(self.dataset.class_names),
            device=self.setting.device.type,
            threads=self.threads,
            precision=self.setting.precision,
            engine=self.setting.engine,
            resumed_at=self.resumed_at,
            kernels_off=kernels_status() if on_cpu and kernels is None else None,
            kernel_level=kernels.level if kernels else None,
        )

    def step(self, num_steps: int) -> Step:
        """The step just done, of `num_steps` an epoch."""
        position = self.member.position
        seen = min(position.step * self.member.recipe.batch_size, len(self.train))
        step = Step(position.epoch, position.step, num_steps, seen / position.train_s)
        if self.setting.device.type != "cpu":
            return step
        loss, accuracy = position.loss_sum.item() / seen, position.num_correct.item() / seen
        return replace(step, loss=loss, accuracy=accuracy)
