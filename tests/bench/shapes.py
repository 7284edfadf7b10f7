"""
The policies that are measured: one as people write it, and file rules in any number, of a fixed mix.

The mix is 60 % literal paths, 25 % whole directories (`dir/**`), 10 % with one `*`, 5 % a name anywhere (`/**/name`).
The same number of rules is the same policy on every machine.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from policy.language import load
from policy.model.types import Action, CgroupScope, FileSelector, Policy, Rule

Shape = Callable[[str, str, int], str]

WEB = """
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: web}
spec:
  scope: [{cgroup: /bench}]
  rules:
    - id: secrets
      file: {paths: ["/etc/shadow", "/etc/gshadow", "/etc/ssl/private/**", "/root/**"], operations: [read, write]}
      action: deny
    - id: keys
      file: {paths: ["/home/*/.ssh/**", "/**/id_{rsa,ecdsa,ed25519}"], operations: [read, write, create]}
      action: deny
    - id: only-nginx-writes-logs
      subject: {exe: ["/usr/sbin/nginx"], user: [33]}
      file: {paths: ["/var/log/nginx/**"], operations: [write, create]}
      action: allow
    - id: nobody-else-writes-logs
      file: {paths: ["/var/log/**"], operations: [write, create]}
      action: deny
    - id: programs
      file: {paths: ["/usr/**", "/bin/**", "/sbin/**", "/lib/**", "/etc/**"], operations: [write, create]}
      action: deny
    - id: releases
      file: {paths: ["/srv/www/*/releases/**"], operations: [write, create]}
      action: deny
    - id: no-shells
      exec: {paths: ["/bin/*sh", "/usr/bin/{ba,da,z}sh"], operations: [exec]}
      action: kill
    - id: no-tools
      exec: {paths: ["/tmp/**", "/dev/shm/**", "/var/tmp/**"], operations: [exec]}
      action: deny
    - id: local
      network: {operations: [connect], to: ["127.0.0.0/8", "10.0.0.0/8"]}
      action: allow
    - id: egress
      network: {operations: [connect], to: ["0.0.0.0/0", "::/0"]}
      action: deny
"""

TOPS = ("/usr/lib/x86_64-linux-gnu", "/usr/share", "/usr/bin", "/etc", "/var/lib", "/opt", "/srv/data", "/usr/include")
WORDS = (
    *("apt", "bash", "cache", "cluster", "conf.d", "core", "crypto", "data", "dbus", "doc", "engine", "fonts", "gcc"),
    *("git", "icons", "index", "java", "kernel", "libexec", "locale", "modules", "net", "nginx", "openssl", "perl5"),
    *("plugins", "postgresql", "python3", "release", "security", "site", "ssl", "static", "systemd", "tenant", "vim"),
)


def web() -> Policy:
    """A policy as people write it: ten rules about files, programs and connections; one tells executables apart."""
    return written(WEB)


def written(text: str) -> Policy:
    """The one policy of a text."""
    (policy,) = load(text).policies
    return policy


def file_rules(count: int, *, anywhere: bool = True) -> Policy:
    """
    Args:
        count: Rules, each of one path; all deny, and none matches a name that is measured.
        anywhere: False: without names anywhere, which cost a compiler most; literal paths in their place.
    """
    shapes = SHAPES if anywhere else (*SHAPES[:-1], _literal)
    return Policy("files", (CgroupScope("/bench"),), tuple(_rule(number, shapes) for number in range(count)))


def ten_rules() -> Policy:
    """Ten file rules with all of the mix: every other of the first twenty."""
    policy = file_rules(20)
    return replace(policy, rules=policy.rules[1::2])


def literal_rules(count: int) -> Policy:
    """As `file_rules`, literal paths only."""
    return Policy("files", (CgroupScope("/bench"),), tuple(_rule(number, (_literal,) * 20) for number in range(count)))


def tenants(count: int) -> list[Policy]:
    """Policies of different scopes, each `web` with paths of its own."""
    own = web().rules
    return [replace(web(), name=f"tenant-{at}", rules=(*own, *_own(at))) for at in range(count)]


def _own(tenant: int) -> tuple[Rule, ...]:
    """Twenty rules of the mix."""
    return tuple(_rule(number, SHAPES) for number in range(20 * tenant, 20 * tenant + 20))


def _rule(number: int, shapes: Sequence[Shape]) -> Rule:
    chance = random.Random(number)
    path = shapes[number % len(shapes)](_directory(number // len(shapes)), chance.choice(WORDS), number)
    return Rule(f"r{number}", FileSelector((path,), ("read", "write", "create")), Action.DENY)


def _directory(number: int) -> str:
    """One for every twenty rules, as the files of a package share theirs; 10 to 70 bytes, 2 to 7 components."""
    chance = random.Random(-number)
    parts = [chance.choice(WORDS) for _ in range(chance.randint(0, 3))]
    return "/".join((chance.choice(TOPS), *parts, f"{chance.choice(WORDS)}-{number}"))


def _literal(directory: str, word: str, number: int) -> str:
    return f"{directory}/{word}-{number}.conf"


def _below(directory: str, word: str, number: int) -> str:
    return f"{directory}/{word}-{number}/**"


def _starred(directory: str, word: str, number: int) -> str:
    return f"{directory}/{word}-{number}/*.key"


def _anywhere(directory: str, word: str, number: int) -> str:
    return f"/**/{word}-{number}.secret"


#: Twenty in a row have the mix.
SHAPES: tuple[Shape, ...] = (*[_literal] * 12, *[_below] * 5, *[_starred] * 2, _anywhere)
