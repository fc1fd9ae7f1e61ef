"""Record a command's real terminal output as a picture.

python tools/record_demo.py --out docs/demo.svg -- .venv/bin/localtune build examples/handbook

Runs the command in a pseudo-terminal, so that it shows what a person would see, and keeps the
last state of lines that were redrawn (progress bars). Nothing of the output is changed.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import re
import struct
import sys
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text


def run(command: list[str], width: int) -> tuple[str, int]:
    """Run a command in a pseudo-terminal of `width` columns; return its output and exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS=str(width), LINES="50")
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    output = bytearray()
    while piece := _read(terminal):
        output += piece
        os.write(sys.stdout.fileno(), piece)
    _, status = os.waitpid(pid, 0)
    return output.decode("utf-8", "replace"), os.waitstatus_to_exitcode(status)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the command has ended
        return b""


def settled(output: str) -> str:
    """Return what stands on the screen at the end: redrawn lines once, as they were last."""
    lines, row = [""], 0
    for part in re.split(r"(\r\n|\n|\r|\x1b\[\d*A|\x1b\[\d*K|\x1b\[\?\d+[hl])", output):
        if part in ("\n", "\r\n"):
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\r" or re.fullmatch(r"\x1b\[\d*K", part):
            lines[row] = ""  # programs that redraw a line clear it or write it anew
        elif re.fullmatch(r"\x1b\[\d*A", part):
            row = max(0, row - int(part[2:-1] or 1))
        elif not re.fullmatch(r"\x1b\[\?\d+[hl]", part):
            lines[row] += part
    return "\n".join(lines).rstrip()


def main() -> int:
    """Record the command behind "--" and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="The SVG to write.")
    parser.add_argument("--width", type=int, default=100, help="Columns of the terminal.")
    parser.add_argument("--title", default="", help="Title of the window; the command if none.")
    parser.add_argument("command", nargs="+", help="The command, behind --.")
    given = parser.parse_args()
    output, code = run(given.command, given.width)
    shown = " ".join(given.command).replace(".venv/bin/", "")
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=given.width, file=nowhere, color_system="truecolor")
        console.print(Text(f"$ {shown}", style="bold"))
        console.print(Text.from_ansi(settled(output)))
        given.out.parent.mkdir(parents=True, exist_ok=True)
        console.save_svg(str(given.out), title=given.title or shown)
    return code


if __name__ == "__main__":
    sys.exit(main())
