"""One frozen dataclass per stage; every option is written here once, with its help and unit.

The value of an option is the flag's, else localtune.toml's, else the default here.
"""

from __future__ import annotations

import dataclasses
import importlib.resources
from dataclasses import dataclass
from pathlib import Path

from localtune.config.option import option, require
from localtune.errors import ConfigError

# The chat template of a base that has none: training teaches it, the GGUF carries it. No method
# calls, which not every runtime's Jinja knows.
PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ 'Assistant: ' + message['content'] + eos_token }}"
    "{% elif message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\\n' }}"
    "{% else %}{{ 'System: ' + message['content'] + '\\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
IGNORE = ".localtuneignore"  # in any folder of documents, in the syntax of .gitignore
GGUF, OLLAMA = ".gguf", "ollama:"
AUTO, TINY = "auto", "tiny"  # values of --base: chosen by localtune, and the built-in one
REPLAY_SHARE = 0.2  # of all words of the lessons, for a base other than the built-in one
SEED = 7
USUAL_HOURS = 1.0  # of a build that a base is chosen for, where --hours isn't given
MODES, EFFORTS = ("auto", "structure", "self", "teacher"), ("quick", "normal", "max")
NF4 = "nf4"  # the base in 4 bits, with the extra `4bit`
# Bytes of a weight: 4 bits, 8 for the maximum of its block of 64, 32 for that of 256 blocks.
NF4_BYTES = (4 + (8 + 32 / 256) / 64) / 8
KEY = "LOCALTUNE_TEACHER_KEY"  # in the environment: a command line shows to everyone


@dataclass(frozen=True)
class CorpusConfig:
    """Files to passages."""

    passage_tokens: int = option(1024, "Longest passage that documents are cut into.", "tokens")
    max_file_mb: int = option(50, "Larger files are listed and not read.", "MB")
    file_seconds: int = option(
        60, "Time for one file; one that takes longer is listed as failed.", "s", None, lock=False
    )
    keep_private: bool = option(False, "Learn private data and secrets too.")
    allow: tuple[str, ...] = option(
        (), "Names, addresses, numbers or @domains that are public, so that they stay."
    )

    def check(self) -> None:
        require(self.file_seconds >= 1, "corpus.file_seconds", self.file_seconds, "1 or more")
        fits = 64 <= self.passage_tokens <= 8192
        require(fits, "--passage-tokens", self.passage_tokens, "between 64 and 8192")
        require(self.max_file_mb >= 1, "--max-file-mb", self.max_file_mb, "1 or more")


@dataclass(frozen=True)
class ExamConfig:
    """Passages to the exam."""

    questions: int = option(160, "Questions in the exam, at most.")
    seed: int = SEED  # that of BuildConfig
    new: bool = option(
        False, "Make a new exam, even if it was changed by hand.", flag="--new-exam", lock=False
    )

    def check(self) -> None:
        require(1 <= self.questions <= 100_000, "--questions", self.questions, "1 or more")


@dataclass(frozen=True)
class LessonsConfig:
    """Passages to lessons."""

    mode: str = option(
        "auto", "How lessons are made: auto, structure, self or teacher.", flag="--lessons"
    )
    teacher: str = option(
        "", "What writes lessons: a GGUF file, ollama:NAME, or an OpenAI-compatible URL."
    )
    teacher_model: str = option("", "The model's name there, where the URL serves several.")
    effort: str = option("normal", "How much a model writes: quick, normal or max.")
    parallel: int = option(4, "Requests to a teacher at once.", lock=False)
    seed: int = SEED  # that of BuildConfig
    replay: float = option(
        -1.0,
        "Share of the base's own answers and general text among the lessons, so that it keeps what "
        "it knew; -1 chooses: 0.2, none for the built-in base.",
    )

    @property
    def chosen(self) -> str:
        """Return the mode; a teacher implies its own."""
        return "teacher" if self.teacher and self.mode == "auto" else self.mode

    def check(self) -> None:
        in_range = 0 <= self.replay <= 0.5 or self.replay == -1
        require(in_range, "--replay", self.replay, "between 0 and 0.5, or -1")
        require(self.mode in MODES, "--lessons", self.mode, f"one of {', '.join(MODES)}")
        require(self.effort in EFFORTS, "--effort", self.effort, f"one of {', '.join(EFFORTS)}")
        require(self.parallel >= 1, "--parallel", self.parallel, "1 or more")
        a_file = self.teacher.endswith(GGUF)
        url = "" if a_file or self.teacher.startswith(OLLAMA) else self.teacher
        rule = f"an address without user, query and fragment; a key goes into {KEY}"
        require(not set("@?#\\") & set(url), "--teacher", "…", rule)
        asked, named = self.chosen == "teacher", bool(self.teacher)
        require(named or not asked, "--lessons", self.mode, "given with --teacher")
        require(asked or not named, "--teacher", self.teacher, "used with --lessons teacher only")
        found = not a_file or Path(self.teacher).expanduser().is_file()
        require(found, "--teacher", self.teacher, "a file that exists")
        known = not named or a_file or self.teacher.startswith(("http://", "https://", OLLAMA))
        rule = "a GGUF file, ollama:NAME or a URL that begins with http:// or https://"
        require(known and self.teacher != OLLAMA, "--teacher", self.teacher, rule)


@dataclass(frozen=True)
class ChatConfig:
    """What stands in front of every conversation: in lessons, exam and Modelfile alike."""

    system: str = option("", "System prompt that the model is trained with and shipped with.")

    def check(self) -> None: ...


@dataclass(frozen=True)
class BaseConfig:
    """The model that is tuned."""

    base: str = option(
        AUTO,
        "The base: auto (the best on this machine), tiny (built in), a local folder, a Hub id, a "
        "GGUF file, or ollama:NAME.",
    )
    revision: str = option("", "Revision of a base from the Hub: a commit, tag or branch.")
    offline: bool = option(False, "Use only what is on this machine already.", lock=False)

    def check(self) -> None:
        require(bool(self.base.strip()), "--base", self.base, "tiny, a folder, or a Hub id")
        local = self.base == AUTO or self.folder() or self.file() or self.in_ollama()
        if not (local or self.on_hub()):
            raise ConfigError(
                f"There is no base {self.base!r}: no folder or file of that name, nor is it a "
                "Hub id.",
                "Give --base auto, tiny, a folder or a GGUF file that exists, a Hub id such as "
                "Qwen/Qwen3-0.6B, or ollama:NAME.",
            )

    def folder(self) -> Path | None:
        """Return the local folder the base lies in, or None where it must come from the Hub."""
        if self.base == TINY:
            return Path(str(importlib.resources.files("localtune") / "bases" / "tiny"))
        local = Path(self.base).expanduser()
        return local if self.base != AUTO and local.is_dir() else None

    def file(self) -> Path | None:
        """Return the GGUF file that the base is, None for a base of another kind."""
        local = Path(self.base).expanduser()
        return local if self.base != AUTO and local.is_file() else None

    def on_hub(self) -> bool:
        """Whether the base is a Hub id; a folder or file of that name counts first."""
        a_path = self.base[0] in "./~" or self.base.endswith(GGUF) or self.in_ollama()
        return self.base.count("/") == 1 and not (a_path or self.folder() or self.file())

    def in_ollama(self) -> str:
        """Return the base's name in Ollama, "" for a base of another kind."""
        return self.base.removeprefix(OLLAMA) if self.base.startswith(OLLAMA) else ""


@dataclass(frozen=True)
class TrainConfig:
    """Lessons and base to an adapter. 0 means: computed from the lessons and the base."""

    rank: int = option(0, "Rank of the LoRA matrices; 0 chooses.")
    alpha: float = option(0.0, "LoRA alpha; 0 chooses.", flag=None)
    layers: int = option(0, "Upper layers of the base that get LoRA matrices; 0 chooses.")
    learning_rate: float = option(0.0, "Highest learning rate; 0 chooses.")
    steps: int = option(0, "Optimiser steps; 0 chooses.")
    batch_tokens: int = option(0, "Tokens in one optimiser step; 0 chooses.", "tokens", None)
    max_length: int = option(0, "Longest lesson; 0 chooses by the lessons and the base.", "tokens")
    seed: int = SEED  # that of BuildConfig
    hours: float = option(
        0.0, "Time for the whole build, which is cut to fit; 0 cuts nothing.", "hours", lock=False
    )
    precision: str = option("auto", "Number format of training: auto, bf16, float32 or nf4.")
    device: str = option("auto", "Where training runs: auto, cpu or cuda.", lock=False)
    threads: int = option(
        0, "CPU threads of every stage; 0 measures which count is fastest.", lock=False
    )

    def check(self) -> None:
        for name in "rank layers learning_rate steps hours threads".split():
            value = getattr(self, name)
            require(value >= 0, "--" + name.replace("_", "-"), value, "0 or more")
        for name in ("alpha", "batch_tokens"):
            require(getattr(self, name) >= 0, f"train.{name}", getattr(self, name), "0 or more")
        formats, devices = ("auto", "bf16", "float32", NF4), ("auto", "cpu", "cuda")
        require(self.precision in formats, "--precision", self.precision, " or ".join(formats))
        require(self.device in devices, "--device", self.device, " or ".join(devices))
        fits = self.max_length == 0 or self.max_length >= 16
        require(fits, "--max-length", self.max_length, "0, or 16 or more")
        enough = not self.batch_tokens or self.batch_tokens >= max(16, self.max_length)
        rule = f"at least 16 and --max-length ({self.max_length})"
        require(enough, "train.batch_tokens", self.batch_tokens, rule)


@dataclass(frozen=True)
class ExportConfig:
    """Base and adapter to the master GGUF, or to an adapter as GGUF."""

    adapter_only: bool = option(
        False, "Ship the adapter alone, for the GGUF or the model in Ollama that is the base."
    )

    def check(self) -> None: ...


@dataclass(frozen=True)
class QuantizeConfig:
    """The master to the levels that are shipped."""

    levels: tuple[str, ...] = option(
        ("Q4_K_M", "Q8_0"),
        "Quantization levels; the Modelfile points to the first.",
        flag="--quantize",
    )
    imatrix: str = option("", "An importance matrix of your own, as GGUF.")
    imatrix_tokens: int = option(
        8192, "Text that the build's own importance matrix is made from; 0 makes none.", "tokens"
    )

    def check(self) -> None:
        require(bool(self.levels), "--quantize", "", "one level or more, such as Q4_K_M")
        listed, once = ",".join(self.levels), len(set(self.levels)) == len(self.levels)
        require(once, "--quantize", listed, "a list without repetitions")
        require(self.imatrix_tokens >= 0, "--imatrix-tokens", self.imatrix_tokens, "0 or more")


@dataclass(frozen=True)
class GradeConfig:
    """How the exam is asked."""

    max_answer_tokens: int = option(64, "Longest answer.", "tokens")
    context: int = option(512, "Context the exam is asked in.", "tokens")

    def check(self) -> None:
        longest = self.max_answer_tokens
        require(longest >= 1, "--max-answer-tokens", longest, "1 or more")
        rule = f"more than --max-answer-tokens ({longest})"
        require(self.context > longest, "--context", self.context, rule)


@dataclass(frozen=True)
class BuildConfig:
    """Everything that can be chosen about a build."""

    name: str = ""
    seed: int = option(SEED, "Seed of exam, lessons and training.")
    corpus: CorpusConfig = CorpusConfig()
    exam: ExamConfig = ExamConfig()
    lessons: LessonsConfig = LessonsConfig()
    chat: ChatConfig = ChatConfig()
    base: BaseConfig = BaseConfig()
    train: TrainConfig = TrainConfig()
    export: ExportConfig = ExportConfig()
    quantize: QuantizeConfig = QuantizeConfig()
    grade: GradeConfig = GradeConfig()

    def __post_init__(self) -> None:
        for section in ("exam", "lessons", "train"):
            seeded = dataclasses.replace(getattr(self, section), seed=self.seed)
            object.__setattr__(self, section, seeded)  # the dataclass is frozen

    def with_replay(self) -> LessonsConfig:
        """Return the lessons' configuration with the share of replay, which the base decides.

        The built-in base is for questions about documents alone, and replay costs it recall
        (docs/decisions/0023-replay.md).
        """
        if self.lessons.replay >= 0:
            return self.lessons
        share = 0.0 if self.base.base == TINY else REPLAY_SHARE
        return dataclasses.replace(self.lessons, replay=share)

    def check(self) -> None:
        """Raise ConfigError, naming the flag, at the first value that can't be used."""
        require(0 <= self.seed < 2**32, "--seed", self.seed, "between 0 and 4294967295")
        for spec in dataclasses.fields(self):
            if dataclasses.is_dataclass(spec.default):
                getattr(self, spec.name).check()
        a_gguf = bool(self.base.file() or self.base.in_ollama())
        if self.export.adapter_only and not a_gguf:
            raise ConfigError(
                f"--adapter-only needs a GGUF file as base, and --base is {self.base.base}.",
                "Give --base FILE.gguf or ollama:NAME, or leave --adapter-only out.",
            )
