"""Files to a repository on the Hugging Face Hub. The only place that writes there.

huggingface_hub sends large files in parts and skips what the Hub has already, so that an upload
that was interrupted goes on. Knows nothing of build folders.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localtune.errors import ConfigError, HubError, InputError
from localtune.formatting import plural, size

AGAIN = "Run the same command again: what is there already isn't sent twice."
TOKEN = "Make one that can write at https://huggingface.co/settings/tokens, then `hf auth login`."


@dataclass(frozen=True)
class Upload:
    """One file of a repository: its path there, and a file here or its content."""

    path: str
    content: Path | bytes

    @property
    def size(self) -> int:
        """Return its bytes."""
        return self.content.stat().st_size if isinstance(self.content, Path) else len(self.content)


def check_repo(repo: str) -> None:
    """Raise ConfigError where a repository can't have this name."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise ConfigError(
            f"{repo!r} can't be the name of a repository: {str(error).splitlines()[0]}",
            "Give USER/NAME, of letters, digits, '-', '_' and '.', such as ada/handbook.",
        ) from error
    if repo.count("/") != 1:
        raise ConfigError(
            f"{repo!r} doesn't say whose repository it is.", f"Give USER/NAME, such as ada/{repo}."
        )


def with_metadata(card: str, always: dict[str, Any], otherwise: dict[str, Any]) -> str:
    """Return a model card with metadata in front; None removes a key.

    What is in `otherwise` counts only where the card says nothing. Raises InputError where the
    card's own can't be read.
    """
    from huggingface_hub import ModelCard

    try:
        made = ModelCard(card if card.startswith("---") else f"---\n{{}}\n---\n{card}")
    except (ValueError, TypeError, _yaml_error()) as error:
        raise InputError(
            f"The model card's metadata can't be read: {_line(error)}",
            "Correct the top of README.md.",
        ) from error
    missing = {key: value for key, value in otherwise.items() if made.data.get(key) is None}
    for key, value in {**always, **missing}.items():
        made.data[key] = value
    return str(made)


def _yaml_error() -> type[Exception]:
    """Return what huggingface_hub's YAML library raises."""
    from huggingface_hub import repocard

    return repocard.yaml.YAMLError  # type: ignore[attr-defined, no-any-return]


def push(
    repo: str, uploads: list[Upload], public: bool, message: str, say: Callable[[str], None]
) -> str:
    """Upload files into a repository, which is made where there is none; return its address.

    Raises HubError, ConfigError. A repository's visibility is never changed.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    if not sys.stderr.isatty():
        disable_progress_bars()
    api = HfApi()
    with _errors_told(repo):
        _check_token(api)
        _check_card(uploads)
        _make_room(api, repo, public, say)
        before = api.repo_info(repo).sha
        say(
            f"{plural(len(uploads), 'file')}, {size(sum(file.size for file in uploads))}, to {repo}"
        )
        additions = [CommitOperationAdd(upload.path, _content(upload)) for upload in uploads]
        for addition in additions:
            # One by one: several at once run in threads that Ctrl-C wouldn't end.
            api.preupload_lfs_files(repo, [addition], free_memory=False)
        made = api.create_commit(repo, additions, commit_message=message)
    if made.oid == before:
        say("Everything was there already.")
    return f"{api.endpoint}/{repo}"


def _content(upload: Upload) -> str | bytes:
    return str(upload.content) if isinstance(upload.content, Path) else upload.content


def _check_token(api: Any) -> None:
    """Ask the Hub about the token, before anything large is read or sent."""
    from huggingface_hub import get_token

    if not get_token():
        raise HubError("There is no token of the Hugging Face Hub.", f"{TOKEN} Or set HF_TOKEN.")
    role = api.whoami().get("auth", {}).get("accessToken", {}).get("role")
    if role == "read":
        raise HubError("The token may only read.", TOKEN)


def _check_card(uploads: list[Upload]) -> None:
    """Ask the Hub about the card's metadata. Raises ValueError."""
    from huggingface_hub import ModelCard

    for upload in uploads:
        if upload.path == "README.md" and isinstance(upload.content, bytes):
            ModelCard(upload.content.decode("utf-8")).validate()


def _make_room(api: Any, repo: str, public: bool, say: Callable[[str], None]) -> None:
    """Make a repository unless it is there; refuse one that more people see than was meant."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        private = api.repo_info(repo).private
    except RepositoryNotFoundError:
        api.create_repo(repo, private=not public, exist_ok=True)
        private = api.repo_info(repo).private
    if not private and not public:
        raise ConfigError(
            f"{repo} is a public repository; the whole world would see the model.",
            "Say --public if that is meant, make it private on the Hub, or choose another name.",
        )
    if private and public:
        say(f"Warning: {repo} is private and stays so; its settings on the Hub change that.")


@contextmanager
def _errors_told(repo: str) -> Iterator[None]:
    """Turn what huggingface_hub raises into HubError."""
    # Its HTTPError is the base of its own errors and of its HTTP library's, whichever that is.
    from huggingface_hub.errors import HfHubHTTPError, HTTPError  # type: ignore[attr-defined]

    try:
        yield
    except HfHubHTTPError as error:
        raise _refused(repo, error) from error
    except (HTTPError, OSError) as error:
        raise HubError(f"The Hub can't be reached: {_line(error)}", AGAIN) from error
    except RuntimeError as error:  # while a large file is sent; the cause says more
        cause = error.__cause__
        if isinstance(cause, HfHubHTTPError):
            raise _refused(repo, cause) from error
        raise HubError(f"The upload was cut off: {_line(cause or error)}", AGAIN) from error
    except ValueError as error:  # metadata or files that the Hub has checked and refused
        raise HubError(
            f"The Hub refuses these files: {_line(error)}", "Correct the top of README.md."
        ) from error


def _refused(repo: str, error: Any) -> HubError:
    """Return what a status of the Hub means here."""
    status = error.response.status_code
    said = (error.server_message or error.response.headers.get("X-Error-Message") or "").strip()
    why = f" ({said.splitlines()[0]})" if said else f" ({status})"
    if "storage" in said.lower() or status in (402, 413, 507):
        return HubError(
            f"The Hub has no room for these files{why}.",
            "Push fewer levels with --level, or free space in your account.",
        )
    if status == 401:
        return HubError(f"The Hub doesn't know this token{why}.", TOKEN)
    if status in (403, 404):
        return HubError(f"This token can't write to {repo}{why}.", TOKEN)
    if status == 429:
        return HubError(f"The Hub wants fewer requests{why}.", f"Wait an hour. {AGAIN}")
    return HubError(f"The Hub could not take the files{why}.", AGAIN)


def _line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
