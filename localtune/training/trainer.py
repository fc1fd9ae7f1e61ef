"""transformers' Trainer with the loss over answers only, and what watches over a run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate.data_loader import prepare_data_loader
from torch.utils.data import DataLoader, RandomSampler
from transformers import Trainer, TrainerCallback

from localtune.errors import TrainingError
from localtune.machine.threads import TorchThreads
from localtune.progress import Bar
from localtune.training.checkpoints import WHOLE
from localtune.training.layer_inputs import LayerInputs
from localtune.training.loss import answer_loss, tokens_of
from localtune.training.stream import LessonStream
from localtune.training.tokenise import IGNORED, NUMBERS, PLACES

WORSE = 3.0  # times the lowest loss so far
HIGH = 1.0  # nats a token: below, a loss that is three times as high is still small
NO_MEMORY = "can't allocate memory"  # what PyTorch says of a CPU's


class Diverged(Exception):
    """The loss is no number, or far above where it was; `well` is the step where it was lowest."""

    def __init__(self, step: int, loss: float, best: float, well: int) -> None:
        was = f" from {best:.2f} (step {well})" if well else ""
        super().__init__(f"the loss went{was} to {loss:.2f} at step {step}")
        self.well = well

    @staticmethod
    def at_every_rate(rate: float) -> TrainingError:
        """Return the error where no lower learning rate helped."""
        return TrainingError(
            f"The loss diverges at every learning rate down to {rate:g}.",
            "Give a much lower --learning-rate; if that fails too, the base or the lessons are "
            "broken.",
        )


class AnswerTrainer(Trainer):
    """Trainer with the loss over answers only; a step that lacks memory is done in parts.

    Several processes share a step: each reads all of it and takes its own rows, and gradients are
    added up, so that a step is the same step whatever their number.
    """

    parts = 1  # that a process's rows are cut into
    lean = False  # whether activations are computed a second time rather than kept
    warn: Callable[[str], None]
    layer_inputs: LayerInputs | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what Trainer takes."""
        super().__init__(*args, **kwargs)
        self.threads = TorchThreads(self.args.use_cpu, lambda text: self.warn(text))

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Train as Trainer does, with as many threads as are fastest."""
        with self.threads:
            return super().train(*args, **kwargs)

    def get_train_dataloader(self) -> DataLoader:
        """Return the loader that one process alone would have, in every process."""
        streamed = isinstance(self.train_dataset, LessonStream)
        loader = DataLoader(
            self.train_dataset,
            batch_size=self.args.per_device_train_batch_size,
            sampler=None if streamed else RandomSampler(self.train_dataset),
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )
        if streamed:  # accelerate's loader asks for a batch ahead, before its losses are heard
            return loader
        return prepare_data_loader(
            loader,
            self.accelerator.device,
            num_processes=1,
            process_index=0,
            put_on_device=True,
            use_seedable_sampler=True,
            data_seed=self.args.data_seed,
        )

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Return the loss of one step, mean over its answer tokens, gradients added.

        Raises TrainingError where memory lacks for a single row.
        """
        model.train()
        batch = self._prepare_inputs(inputs)
        counted = tokens_of(batch)
        first, processes = self.args.process_index, self.args.world_size
        mine = {key: values[first::processes] for key, values in batch.items()}
        with self.threads.timed(mine["labels"].numel()):
            loss = self._as_memory_allows(mine, counted)
        return self._over_processes(loss) if processes > 1 else loss

    def _as_memory_allows(self, batch: dict[str, torch.Tensor], counted: float) -> torch.Tensor:
        while True:
            try:
                return self._in_parts(batch, counted)
            except RuntimeError as error:  # torch.OutOfMemoryError is one
                if not isinstance(error, torch.OutOfMemoryError) and NO_MEMORY not in str(error):
                    raise
            self._spare_memory(len(batch["labels"]))

    def _in_parts(self, batch: dict[str, torch.Tensor], counted: float) -> torch.Tensor:
        rows = -(-len(batch["labels"]) // self.parts)
        pieces = {key: values.split(max(1, rows)) for key, values in batch.items()}
        # Not through DistributedDataParallel, which wants as many passes in every process.
        tuned = self.accelerator.unwrap_model(self.model)
        total = torch.zeros((), device=self.accelerator.device)
        for at in range(len(pieces["labels"]) if rows else 0):
            part = {key: values[at] for key, values in pieces.items()}
            with self._inputs_of(part):
                with self.accelerator.autocast():  # the unwrapped model has lost it
                    loss = answer_loss(tuned, part, counted, partial(self._hear, part))
                self.accelerator.backward(loss)  # which may compute activations again
            total += loss.detach()
        return total

    def _hear(self, part: dict[str, torch.Tensor], losses: torch.Tensor) -> None:
        if isinstance(self.train_dataset, LessonStream):
            labelled = part["labels"][:, 1:] != IGNORED
            self.train_dataset.hear(part[NUMBERS][:, 1:][labelled], losses)

    def _inputs_of(self, part: dict[str, torch.Tensor]) -> AbstractContextManager[None]:
        return self.layer_inputs.of(part[PLACES]) if self.layer_inputs else nullcontext()

    def _over_processes(self, loss: torch.Tensor) -> torch.Tensor:
        """Add up loss and gradients of all processes: one message, as LoRA's are small."""
        if isinstance(self.train_dataset, LessonStream):
            self.train_dataset.share(loss.device)
        trained = [weight for weight in self.model.parameters() if weight.requires_grad]
        grads = [w.grad if w.grad is not None else torch.zeros_like(w) for w in trained]
        flat = torch.cat([loss.float().view(1), *(grad.float().flatten() for grad in grads)])
        torch.distributed.all_reduce(flat)
        sums = flat[1:].split([weight.numel() for weight in trained])
        for weight, total in zip(trained, sums, strict=True):
            weight.grad = total.view_as(weight).to(weight.dtype)
        return flat[0]

    def _spare_memory(self, rows: int) -> None:
        """Cut steps into twice as many parts from here on; after single rows, keep less of each."""
        assert self.optimizer
        self.optimizer.zero_grad()
        torch.cuda.empty_cache()
        if self.parts < rows:
            self.parts *= 2
            self.warn(f"memory lacks: every step is done in {self.parts} parts from here on")
        elif not self.lean:
            self.lean = True
            again = {"use_reentrant": False}
            self.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=again)
            self.warn(
                "memory lacks: activations are computed twice rather than kept, which is slow"
            )
        else:
            raise TrainingError(
                "Memory lacks for one row of lessons.",
                "Lower --max-length, choose a smaller --base, or close other programs.",
            )


class Report(TrainerCallback):
    """Hand each logged step to the progress bar, and end a run whose loss diverges."""

    def __init__(self, bar: Bar, warn: Callable[[str], None]) -> None:
        self.warn = warn
        self._bar, self._seen = bar, 0

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None:
            self._check(loss, state)
        detail = f"loss {loss:.2f}" if loss is not None else ""
        self._bar.advance(state.global_step - self._seen, detail)
        self._seen = state.global_step

    def _check(self, loss: float, state: Any) -> None:
        """Raise Diverged for a loss that is no number, or far above the lowest so far.

        After a quarter of the steps it must be below the first one too: a model that has lost
        everything guesses, and that is seldom three times as bad.
        """
        before = [row for row in state.log_history[:-1] if "loss" in row]
        first = before[0]["loss"] if before else loss
        best = min(before, key=lambda row: row["loss"], default={"loss": loss, "step": 0})
        limit = WORSE * best["loss"]
        if state.global_step > state.max_steps / 4:
            limit = min(limit, first)
        if not loss <= max(HIGH, limit):  # so put that NaN counts
            raise Diverged(state.global_step, loss, best["loss"], int(best["step"]))


class Rate(TrainerCallback):
    """Put this run's learning rate in the place of a checkpoint's, which may be twice as high."""

    def on_train_begin(
        self,
        args: Any,
        state: Any,
        control: Any,
        optimizer: Any = None,
        lr_scheduler: Any = None,
        **_: Any,
    ) -> None:
        lr_scheduler.base_lrs = [args.learning_rate for _ in lr_scheduler.base_lrs]
        for group, share in zip(optimizer.param_groups, lr_scheduler.lr_lambdas, strict=True):
            group["lr"] = args.learning_rate * share(lr_scheduler.last_epoch)


class Whole(TrainerCallback):
    """Mark each checkpoint once it is written: transformers writes them in place."""

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        args.distributed_state.wait_for_everyone()  # each process writes its own random state
        (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()
