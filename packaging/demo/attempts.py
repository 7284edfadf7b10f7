"""What the compromised service tries: one line of the demo's table each."""

from dataclasses import dataclass

HOME = "/run/ringfence-demo/shop"
ATTACKER = ("127.0.0.66", 4444)
DATABASE = ("127.0.0.1", 5432)


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    Attributes:
        what: For people.
        verb, argument: For the service (service.py).
        rule: The rule that decides, as the policy says.
        expected: What the kernel must answer: "done", "EPERM" or "SIGKILL".
        object: What the violation must name; empty where none is expected.
    """

    what: str
    verb: str
    argument: str
    rule: str
    expected: str
    object: str = ""


ATTEMPTS = (
    Attempt("serves its page", "read", f"{HOME}/www/index.html", "default:file", "done"),
    Attempt("asks its database", "connect", f"{DATABASE[0]}:{DATABASE[1]}", "database", "done"),
    Attempt("runs its converter", "run", "/usr/bin/true", "converter", "done"),
    Attempt("reads the host's passwords", "read", "/etc/shadow", "host-secrets", "EPERM", "/etc/shadow"),
    Attempt(
        "reads a key, by way of /proc",
        "read",
        f"/proc/self/root{HOME}/private/tls.key",
        "private-keys",
        "EPERM",
        f"{HOME}/private/tls.key",
    ),
    Attempt(
        "plants a web shell", "write", f"{HOME}/www/shell.php", "site-is-read-only", "EPERM", f"{HOME}/www/shell.php"
    ),
    Attempt("starts a shell", "run", "/bin/sh", "no-shells", "SIGKILL", "/usr/bin/dash"),
    Attempt("drops a tool and runs it", "drop", "/tmp/.x/miner", "default:exec", "EPERM", "/tmp/.x/miner"),
    Attempt("runs it from memory", "memory", "/usr/bin/true", "default:exec", "EPERM"),
    Attempt(
        "calls the attacker",
        "connect",
        f"{ATTACKER[0]}:{ATTACKER[1]}",
        "default:network",
        "EPERM",
        f"{ATTACKER[0]}:{ATTACKER[1]}",
    ),
)
