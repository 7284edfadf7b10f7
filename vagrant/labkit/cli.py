"""Arguments in, exit status out."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from labkit import accelerator, initramfs, kernels, session
from labkit.errors import LabError
from labkit.kernels import TREE, Kernel
from labkit.machine import Accelerator, Machine
from labkit.session import Job

LAB_FAILED = 125
SYSTEMD = Path("/lib/systemd/systemd")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the lab's command line; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    before, command = _split(words)
    options = _parser().parse_args(before)
    try:
        if options.verb == "run":
            return _run(options, command)
        if options.verb == "btf":
            shutil.copyfile(kernels.raw_btf(kernels.find(options.kernel)), options.out)
            return 0
        return _boots(options.test) if options.verb == "boots" else _list()
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return LAB_FAILED


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in words:
        return words, []
    cut = words.index("--")
    return words[:cut], words[cut + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vagrant/lab", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser(
        "run",
        usage="vagrant/lab run [options] -- COMMAND...",
        help="run a command as root in a guest",
        description="Boots a kernel over this machine's files and runs COMMAND in it as root, in the same directory."
        " What the guest writes vanishes with it. Output, standard input, signals and exit status are COMMAND's own;"
        " 124 means that time was up, 125 that the guest failed.",
    )
    run.add_argument("--kernel", metavar="NAME", help="a kernel of kernels.toml (default: its default)")
    run.add_argument("--icount", action="store_true", help="times in the guest are counts of instructions")
    run.add_argument("--systemd", action="store_true", help="systemd is PID 1, COMMAND runs in lab-command.service")
    run.add_argument("--append", metavar="ARGUMENTS", action="append", default=[], help="more kernel arguments")
    run.add_argument("--forward", metavar="HOST:GUEST", action="append", default=[], type=_ports)
    run.add_argument("--out", metavar="DIR", action="append", default=[], type=Path, help="the guest may write there")
    run.add_argument("--timeout", metavar="S", type=float, help="seconds for everything, the boot included")
    run.add_argument("--memory", metavar="MIB", type=int, default=4096)
    run.add_argument("--tty", action="store_true", help="lend this terminal to COMMAND; Ctrl-] ends the guest")
    run.add_argument("--console", action="store_true", help="copy the guest's console to standard error")
    run.add_argument("--accelerator", choices=[kind.value for kind in Accelerator], help="do not try, use this one")
    btf = verbs.add_parser("btf", help="write a kernel's BTF, as its /sys/kernel/btf/vmlinux reads, to a file")
    btf.add_argument("--kernel", metavar="NAME")
    btf.add_argument("out", metavar="OUT", type=Path)
    boots = verbs.add_parser("boots", help="list what kernels.toml boots: kernel, tab, kernel arguments")
    boots.add_argument("--test", action="store_true", help="only what `make test` boots")
    verbs.add_parser("kernels", help="list the kernels and what is installed of them")
    return parser


def _ports(text: str) -> tuple[int, int]:
    host, _, guest = text.partition(":")
    pair = int(host), int(guest)
    if not all(0 < port < 65536 for port in pair):
        raise ValueError(text)
    return pair


def _run(options: argparse.Namespace, command: list[str]) -> int:
    if not command:
        raise LabError("no command", "vagrant/lab run [options] -- COMMAND...")
    if os.geteuid() != 0:
        raise LabError("the lab shares this machine's files with the guest's root, so it runs as root", "use sudo")
    if options.systemd and not SYSTEMD.exists():
        raise LabError(f"{SYSTEMD} is missing", "apt-get install systemd")
    kernel = kernels.find(options.kernel)
    append = " ".join([*options.append, *(_systemd_arguments() if options.systemd else [])])
    chosen = _accelerator(options, kernel)
    machine = Machine(
        image=kernels.unpacked_image(kernel),
        initramfs=initramfs.build(kernel),
        accelerator=chosen,
        icount=options.icount,
        memory=options.memory,
        append=append,
        forwards=tuple(options.forward),
    )
    job = Job(
        command=tuple(command),
        directory=Path.cwd(),
        tree=TREE,
        modules=kernel.modules,
        outs=tuple(_made(out) for out in options.out),
        systemd=options.systemd,
        terminal=options.tty,
        timeout=options.timeout,
        console=options.console,
    )
    return session.run(machine, job, 0, 1, 2)


def _made(out: Path) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    return out.resolve()


def _systemd_arguments() -> list[str]:
    """No disks of the host's owner, no devices to wait for, nothing that is not needed to run a unit."""
    masked = ("systemd-udev-trigger.service", "systemd-modules-load.service", "systemd-firstboot.service")
    return [
        *("systemd.unit=lab.target", "fstab=no", "systemd.gpt_auto=no", "systemd.show_status=no"),
        *(f"systemd.mask={unit}" for unit in masked),
    ]


def _accelerator(options: argparse.Namespace, kernel: Kernel) -> Accelerator:
    if options.accelerator:
        return Accelerator(options.accelerator)
    if options.icount:
        return Accelerator.TCG

    def boots(kind: Accelerator, seconds: float) -> bool:
        machine = Machine(kernels.unpacked_image(kernel), initramfs.build(kernel), accelerator=kind)
        job = Job(("true",), Path("/"), TREE, kernel.modules, timeout=seconds)
        null = os.open(os.devnull, os.O_RDWR)
        try:
            return session.run(machine, job, null, null, null) == 0
        except LabError:
            return False
        finally:
            os.close(null)

    return accelerator.choose(kernel, boots)


def _boots(test: bool) -> int:
    for name, append, tested in kernels.read_matrix().boots:
        if tested or not test:
            print(f"{name}\t{append}")
    return 0


def _list() -> int:
    matrix = kernels.read_matrix()
    for name in sorted(matrix.releases):
        try:
            print(f"{name}\t{kernels.find(name).release}")
        except LabError:
            print(f"{name}\t-\t{matrix.packages[name]} is not here")
    return 0
