"""
Each sentence of the contract of what a policy means, and how to break it: (sentence, file, text, text instead).

The text stands exactly once in the file. If it is no longer found the mutant is no longer one, and the test that tries
them all fails: then break the same sentence where it is now.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    sentence: str
    file: str
    old: str
    new: str

    @property
    def where(self) -> str:
        return self.file.removesuffix(".py")


def _of(file: str, *broken: tuple[str, str, str]) -> tuple[Mutant, ...]:
    return tuple(Mutant(sentence, file, old, new) for sentence, old, new in broken)


DECIDE = _of(
    "policy/reference/decide.py",
    (
        "the first matching rule decides, in the order written",
        "next((at for at, (_, truth) in enumerate(truths) if truth), len(truths))",
        "max((at for at, (_, truth) in enumerate(truths) if truth), default=len(truths))",
    ),
    ("if none matches, the class default decides", "else _default(policy, request, operation)", "else Action.ALLOW"),
    (
        "a class left out of the defaults is allowed",
        "return dict(policy.defaults).get(request.class_, Action.ALLOW)",
        "return dict(policy.defaults).get(request.class_, Action.AUDIT)",
    ),
    (
        "a default is about its class alone",
        "return dict(policy.defaults).get(request.class_, Action.ALLOW)",
        "return next(iter(dict(policy.defaults).values()), Action.ALLOW)",
    ),
    ("a default does not reach network.create", "in WITHOUT_DEFAULT", "in frozenset()"),
    (
        "a rule that names network.create decides it",
        "rule_matches(rule, request, operation, architecture)) for rule in policy.rules]",
        "rule_matches(rule, request, operation, architecture)) for rule in policy.rules if operation != 'create']",
    ),
    ("permissive: deny → would-deny", "in (Action.DENY, Action.KILL)", "is Action.KILL"),
    ("permissive: kill → would-deny", "in (Action.DENY, Action.KILL)", "is Action.DENY"),
    ("permissive: audit stays", "action in (Action.DENY, Action.KILL)", "action is not Action.ALLOW"),
    ("modes come before the strictest effect", "policy.mode is Mode.PERMISSIVE and", "False and"),
    ("the strictest policy of the profile wins", "winner = max(decisions, key=", "winner = min(decisions, key="),
    ("kill > deny", "else (decision.effect, 0)", "else (min(decision.effect, Effect.DENY), 0)"),
    ("deny > would-deny", "else (decision.effect, 0)", "else (decision.effect if decision.effect != 3 else 2, 0)"),
    ("would-deny > audit", "else (decision.effect, 0)", "else (decision.effect if decision.effect != 2 else 1, 0)"),
    ("audit > allow", "else (decision.effect, 0)", "else (decision.effect if decision.effect != 1 else 0, 0)"),
    (
        "of equally strict policies the first by name is told",
        "key=lambda policy: policy.name)",
        "key=lambda policy: policy.name, reverse=True)",
    ),
    ("error → deny if failMode is closed", "Effect.ALLOW if policy.fail_mode is FailMode.OPEN else", "Effect.ALLOW or"),
    ("error → allow if failMode is open", "Effect.ALLOW if policy.fail_mode is FailMode.OPEN else", ""),
    (
        "permissive: error → would-deny",
        "policy.fail_mode is FailMode.OPEN else _effect(policy, Action.DENY)",
        "policy.fail_mode is FailMode.OPEN else Effect.DENY",
    ),
    ("an error is always a violation, also if it fails open", "(max(decision.effect, Effect.AUDIT), 1)", "(0, 0)"),
    ("an error is told as one", "perhaps[0].id), error=True)", "perhaps[0].id))"),
    (
        "a request with several operations is decided for each",
        "return max(decisions, key=",
        "return decisions[0] or max(",
    ),
    ("of several operations the strictest counts", "return max(decisions, key=", "return min(decisions, key="),
    (
        "what may match and asks for something else cannot be decided",
        "if any(rule.action is not action for rule in perhaps):",
        "if False:",
    ),
    ("what may match and asks for the same is decided", "if any(rule.action is not action for", "if any(True for"),
    ("only rules before the one that matches matter", "in truths[:certain] if", "in truths if"),
    (
        "would-denies of other policies are counted",
        "if one is not winner and one.effect is",
        "if False and one.effect is",
    ),
    (
        "only would-denies are counted besides",
        "one is not winner and one.effect is Effect.WOULD_DENY",
        "one is not winner",
    ),
    ("a refusal answers the errno of its rule", "winner.error, also, winner.errno)", "winner.error, also)"),
    ("what is not a refusal has no errno", "if decisive and effect is Effect.DENY else", "if decisive else"),
    ("a rule is about its operations", "or operation not in rule.selector.operations:", "or False:"),
    ("a rule is about its class", "if rule.class_ is not request.class_ or", "if "),
    ("a waiver ends", "if rule.until is not None and request.time >= rule.until:", "if False:"),
    ("a waiver ends exactly at its time", "request.time >= rule.until", "request.time > rule.until"),
    (
        "a waiver allows only what its rule is about",
        "rule_matches(rule.within, request, operation, architecture) if rule.within else True",
        "True",
    ),
)

SUBJECTS = _of(
    "policy/reference/subjects.py",
    (
        "a rule without a subject is about anyone",
        "if subject is None:\n        return True",
        "if subject is None:\n        return False",
    ),
    ("who: exe", "_executable(subject.exe, actor.exe) if subject.exe else", ""),
    ("who: parent", "_executable(subject.parent, actor.parent) if subject.parent else", ""),
    (
        "who: the parent, not the subject itself",
        "_executable(subject.parent, actor.parent)",
        "_executable(subject.parent, actor.exe)",
    ),
    ("who: ancestor", "_ancestor(subject.ancestor, actor.ancestors) if subject.ancestor else", ""),
    ("who: some ancestor", "return any(matches(pattern, ancestor) for", "return all(matches(pattern, ancestor) for"),
    ("who: user", "_among(subject.user, user) if subject.user else", ""),
    ("who: group", "_among(subject.group, group) if subject.group else", ""),
    ("each negatable: exe", "negated(_executable(subject.not_exe, actor.exe)) if subject.not_exe else", ""),
    ("each negatable: parent", "negated(_executable(subject.not_parent, actor.parent)) if subject.not_parent else", ""),
    (
        "each negatable: ancestor",
        "negated(_ancestor(subject.not_ancestor, actor.ancestors)) if subject.not_ancestor else",
        "",
    ),
    ("each negatable: user", "negated(_among(subject.not_user, user)) if subject.not_user else", ""),
    ("each negatable: group", "negated(_among(subject.not_group, group)) if subject.not_group else", ""),
    (
        "an executable that is not known cannot be decided",
        "return None if exe is None else any(",
        "return any(exe and ",
    ),
    (
        "ancestors that are not known cannot be decided",
        "if ancestors is None:\n        return None",
        "if ancestors is None:\n        return False",
    ),
    (
        "users and groups that are not known cannot be decided",
        "return None if id_ is None else id_ in ids",
        "return id_ in ids",
    ),
    ("user and group are known together or not at all", "if known else (None, None)", "if True else (None, None)"),
)

TRUTH = _of(
    "policy/reference/truth.py",
    (
        "what does not hold settles it, whatever is unknown",
        "if False in found:",
        "if False in found and None not in found:",
    ),
    ("what is unknown stays so", "return None if None in found else True", "return True"),
    ("not unknown is unknown", "return None if truth is None else not truth", "return not truth"),
)

OBJECTS = _of(
    "policy/reference/objects.py",
    (
        "an object that is not known cannot be decided",
        "if isinstance(found, File) else File(None, None)",
        "if isinstance(found, File) else File(Nameless())",
    ),
    ("file: types", "file.type in selector.types", "True"),
    ("file: a type that is not known", "None if file.type is None else", ""),
    ("fileless: only what has no name", "isinstance(name, Nameless)", "True"),
    (
        "what has no name matches no pattern",
        "return isinstance(name, bytes) and any(",
        "return not isinstance(name, bytes) or any(",
    ),
    ("a name that is not known", "if name is None:\n        return None", "if name is None:\n        return False"),
    ("no paths: any name, or none", "_name(paths, name) if paths else True", '_name(paths or ["/**"], name)'),
    ("network: to", "_address(selector.to, peer) if selector.to else", ""),
    ("network: IPv4-mapped addresses are IPv4", "(address.ipv4_mapped or address)", "address"),
    (
        "network: no `to` matches what has no address",
        "or peer.address is None:\n        return False",
        "or peer.address is None:\n        return True",
    ),
    ("network: ports", "_port(selector.ports, peer) if selector.ports else", ""),
    ("network: port ranges are inclusive", "first <= peer.port <= last", "first <= peer.port < last"),
    ("network: port ranges begin where they say", "first <= peer.port <= last", "first < peer.port <= last"),
    ("network: unix", "_unix(selector.unix, peer) if selector.unix else", ""),
    (
        "network: no `unix` matches a peer with an address",
        "if isinstance(peer, UnixPeer) else False",
        "if isinstance(peer, UnixPeer) else True",
    ),
    ("network: protocols", "_protocol(selector.protocols, peer) if selector.protocols else", ""),
    ("network: families", "_family(selector.families, peer) if selector.families else", ""),
    (
        "network: the family of a unix socket",
        "(names.UNIX if isinstance(peer, UnixPeer) else peer.family)",
        'getattr(peer, "family", 2)',
    ),
    (
        "network: a peer that is not known",
        "return None if peer is None else peer.protocol in",
        "return peer is None or peer.protocol in",
    ),
    ("device: kinds", "device.kind in selector.kinds", "True"),
    ("device: major numbers", "major == device.major and", ""),
    ("device: minor numbers", "minor in (None, device.minor)", "True"),
    ("device: `8:*` is every minor number", "minor in (None, device.minor)", "minor == device.minor"),
    ("mount: sources", "_name(selector.sources, mount.source) if selector.sources else", ""),
    ("mount: targets", "_name(selector.targets, mount.target) if selector.targets else", ""),
    ("mount: types", "_type(selector.types, mount.type) if selector.types else", ""),
    (
        "ptrace: outside",
        "return found.outside if outside and isinstance(found, Process) else",
        "return True if outside and isinstance(found, Process) else",
    ),
    ("ptrace: any", "else None if outside else True", "else None if outside else False"),
    ("numbers: of the class", "return found.value in wanted if", "return True if"),
    (
        "syscall: by name",
        "[known[name] for name in given if name in known]",
        "[known[name] + 1 for name in given if name in known]",
    ),
    (
        "capability: by name",
        "[names.CAPABILITIES[name] for name in given]",
        "[names.CAPABILITIES[name] + 1 for name in given]",
    ),
    (
        "namespace: by kind",
        "[names.NAMESPACES.index(kind) for kind in given]",
        "[names.NAMESPACES.index(kind) + 1 for kind in given]",
    ),
    ("signal: none given, any is meant", "return signals or None", "return signals"),
    ("credential: none given, any is meant", "return ids or None", "return ids"),
)

GLOBS = _of(
    "policy/reference/glob.py",
    ("`*` stays inside one component", 'slash = name.find(b"/", begin) if piece == b"*" else -1', "slash = -1"),
    (
        "`**` crosses components",
        'slash = name.find(b"/", begin) if piece == b"*" else -1',
        'slash = name.find(b"/", begin)',
    ),
    ("`/**/` may be nothing", "reached = {*reached, *(end for", "reached = {*(end for"),
    ("`/**/` ends at a component", 'if end and name[end - 1 : end] == b"/")', "if end)"),
    ("a component is never empty", "range(begin + whole,", "range(begin,"),
    ("`?` is never `/`", 'if lead == ord("/"):\n        return []', ""),
    ("`?` is one character", "return [at + 1, at + length]", "return [at + 1]"),
    ("`?` is one byte of what is no character", "all(0x80 <= byte <= 0xBF for byte in rest)", "True"),
    (
        "`?` is something",
        'if piece == b"?":\n        return _character(name, at)',
        'if piece == b"?":\n        return [at, at + 1]',
    ),
    (
        "`[a-z]` is a range",
        "members.update(range(chars[0][0], chars[2][0] + 1))",
        "members.update((chars[0][0], chars[2][0]))",
    ),
    ("`[ab]` is one of these", "return [at + 1] if name[at] in members else []", "return [at + 1]"),
    (
        "`[!a]` is none of these",
        "return [] if name[at] in members else _character(name, at)",
        "return _character(name, at)",
    ),
    ("`{a,b}` is each of these", "for choice in choices for one in", "for choice in choices[:1] for one in"),
    ("`/bin` also means its merged target", "if parts[1] in _MERGED:", "if False:"),
    ("`/lib*` also means its merged target", '"libx32", "lib*")', '"libx32")'),
    ("`/var/run` also means its merged target", 'if parts[1:3] == ["var", "run"]:', "if False:"),
    ("only whole components are merged", "if parts[1] in _MERGED:", "if parts[1].startswith(_MERGED):"),
    (
        "globs mean the same at any length",
        "return any(_match(spelling, name) for",
        "return any(_match(spelling, name[:4000]) for",
    ),
    (
        "globs mean the same at any depth",
        "return any(_match(spelling, name) for",
        'return any(_match(spelling, b"/".join(name.split(b"/")[:900])) for',
    ),
    (
        "bytes that are not UTF-8 are bytes",
        "return any(_match(spelling, name) for",
        'return any(_match(spelling, name.decode(errors="replace").encode()) for',
    ),
    (
        "newlines are bytes like others",
        "return any(_match(spelling, name) for",
        "return any(_match(spelling, name.strip()) for",
    ),
    (
        "abstract names end where they end, not at a NUL",
        "return any(_match(spelling, name) for",
        'return any(_match(spelling, name.split(b"\\0")[0]) for',
    ),
    ("abstract names have no components", 'path = pattern.startswith(b"/")', "path = True"),
    ("a pattern matches a whole name", "return len(name) in reached", "return bool(reached)"),
)

VERDICTS = _of(
    "policy/compiler/verdicts.py",
    (
        "the first matching rule decides",
        "next((index for index, truth in truths if",
        "next((index for index, truth in truths[::-1] if",
    ),
    (
        "modes come before the strictest effect",
        "return Effect.WOULD_DENY if policy.mode is Mode.PERMISSIVE and effect >= Effect.DENY else effect",
        "return effect",
    ),
    ("the strictest policy of the profile wins", "min(contenders, key=", "max(contenders, key="),
    ("a policy without a matching rule speaks by its default", "else [*said, silent]", "else said or [silent]"),
    (
        "error → deny if failMode is closed, else allow",
        "policy.fail_mode is FailMode.CLOSED",
        "policy.fail_mode is FailMode.OPEN",
    ),
    (
        "an error is always a violation",
        "2 * max(effect, Effect.AUDIT) + 1 if error else 2 * effect",
        "2 * effect + error",
    ),
    ("what may match and asks for something else cannot be decided", ".action is not action:", ".action is None:"),
    ("what may match and asks for the same is decided", ".action is not action:", ".action is not None:"),
    ("would-denies of other policies are counted", "if one.policy != winner.policy)", "if False)"),
    (
        "a refusal answers the errno of its rule",
        "errno = self._rules[certain][1].errno if certain is not None and decided else Errno.EPERM",
        "errno = Errno.EPERM",
    ),
)

COMPILER = (
    *_of(
        "policy/compiler/evaluate.py",
        ("ptrace: what is not known", "UNKNOWN if outside is None else 1 + outside", "1 + bool(outside)"),
        (
            "a request with several operations is decided for each",
            "return max(decisions, key=",
            "return decisions[0] or max(",
        ),
        ("the longest prefix tells the address", "length > best", "length < best % 129"),
        ("a waiver ends exactly at its time", "3 if time < end else 2", "3 if time <= end else 2"),
    ),
    *_of(
        "policy/compiler/profile.py",
        ("a default does not reach network.create", "without if (class_, one) in WITHOUT_DEFAULT else judge", "judge"),
        ("a waiver ends", "end = asks.ends(rule)", "end = None"),
    ),
    *_of(
        "policy/compiler/asks.py",
        ("a waiver allows only what its rule is about", "yield from rules_joined(rule.within)", "pass"),
        ("a waiver has no operations that its rule has not", "if all(one in other for other in others))", ")"),
        (
            "a waiver of what is waived ends with the earlier one",
            "return min((one.until for",
            "return max((one.until for",
        ),
        ("fileless: only what has no name", 'yield Ask(0, "fileless")', "yield from ()"),
        ("file: types", 'yield from _given((1, "types", selector.types))', "pass"),
        ("network: to", '(0, "to", selector.to),', ""),
        ("network: unix", '(0, "unix", selector.unix),', ""),
        ("network: ports", '(1, "ports", selector.ports),', ""),
        ("network: protocols", '(2, "protocols", selector.protocols),', ""),
        ("network: families", '(3, "families", selector.families),', ""),
        (
            "mount: sources and targets",
            '(0, "sources", sources), (1, "targets", targets)',
            '(0, "targets", sources), (1, "sources", targets)',
        ),
        ("mount: types", 'yield from _given((2, "filesystems", tuple("%" + name for name in types)))', "pass"),
        ("ptrace: outside", 'yield Ask(0, "outside")', "yield from ()"),
        ("numbers: none given, any is meant", "return numbers or None", "return numbers"),
    ),
    *_of(
        "policy/compiler/ranges.py",
        (
            "addresses of IPv4 are in no network of IPv6",
            "inherited = 0 if length == 96 and address[:12] == _MAPPED else stack[-1][2]",
            "inherited = stack[-1][2]",
        ),
        (
            "a narrower network is part of the wider one",
            "mask = inherited | own[address, length]",
            "mask = own[address, length]",
        ),
        ("port ranges are inclusive", "changes.setdefault(last + 1, [])", "changes.setdefault(last + (last < 1), [])"),
    ),
    *_of(
        "policy/compiler/subjects.py",
        ("each negatable: executables", "and unwanted not in matched else NO", "else NO"),
        ("each negatable: users and groups", "and id_ not in unwanted else NO", "else NO"),
        (
            "each negatable: ancestors",
            "[(self._ancestors[one.not_ancestor], False)",
            "[(self._ancestors[one.not_ancestor], True)",
        ),
        ("who: parent", "if self._parent.atoms:", "if False:"),
        (
            "parts of a subject are joined by AND",
            "np.minimum(truth, np.minimum(exe[at]",
            "np.minimum(truth, np.maximum(exe[at]",
        ),
        (
            "an executable that is not known cannot be decided",
            "self._rows = [[MAYBE if any(part)",
            "self._rows = [[NO if any(part)",
        ),
        ("users and groups that are not known cannot be decided", "unknown = [MAYBE if", "unknown = [NO if"),
        (
            "a waiver is for those whom its rule is about",
            "return tuple(dict.fromkeys(one.subject for one in rules_joined(rule) if one.subject is not None))",
            "return () if rule.subject is None else (rule.subject,)",
        ),
    ),
    *_of(
        "policy/compiler/decisions.py",
        (
            "ancestors that are not known cannot be decided",
            "untold = self._untold(state, variable, first) or no",
            "untold = no",
        ),
        ("who: ancestors", "_assume(some, variable, False)", "_assume(some, variable, True)"),
        (
            "of two ends the later one is not the earlier",
            "return value if (one > variable) is value else None",
            "return value",
        ),
    ),
    *_of(
        "policy/compiler/values.py",
        ("file: a type that is not known", 'part.add(Accepted(maybe=part.of("types")))', "part.add(Accepted())"),
        ("device: `8:*` is every minor number", "or (major, None) in pairs", ""),
        ("device: kinds", "if not ask.values[0] or kind in ask.values[0]", ""),
    ),
    *_of(
        "policy/compiler/rules.py",
        (
            "parts of a selector are joined by AND",
            "Joined(self.certain & other.certain, self.possible",
            "Joined(self.certain | other.certain, self.possible",
        ),
        ("a part that is left out restricts nothing", "self._always = [(rule, YES)", "self._always = [(rule, MAYBE)"),
        (
            "what of an object is not known may match",
            "[(rule, MAYBE) for ask in accepted.maybe",
            "[(rule, YES) for ask in accepted.maybe",
        ),
    ),
    *_of(
        "policy/compiler/names.py",
        (
            "only a rule for everyone hides those behind it",
            "alone = len(asks) == 1 and not who_of(rule) and",
            "alone = len(asks) == 1 and",
        ),
        ("only a rule that asks nothing else hides those behind it", "alone = len(asks) == 1 and", "alone ="),
    ),
    *_of(
        "policy/compiler/patterns.py",
        (
            "`*` stays inside one component",
            "here.empty.append(child)\n                there.add({self._slash: []}, [child])",
            "here.empty.append(child)\n                there.add({}, [child])",
        ),
        (
            "`*` may be nothing",
            "here.empty.append(child)\n                there.add({self._slash: []}, [child])",
            "here.add({self._slash: []}, [child])\n                there.add({self._slash: []}, [child])",
        ),
        (
            "a component is never empty",
            "case Wild.COMPONENT:\n                here.add({self._slash: []}, [child])",
            "case Wild.COMPONENT:\n                here.empty.append(child)",
        ),
        ("`/**/` may be nothing", "self.core[node].empty.append(child)", "pass"),
        (
            "`/**` crosses components",
            "here.add({}, [child])\n                there.add({}, [child])",
            "here.add({}, [child])\n                there.add({self._slash: []}, [child])",
        ),
        ("`?` is never `/`", "{self._slash: [], **{class_", "{**{class_"),
        ("`?` is one character", "(class_, [child, waiting])", "(class_, [child])"),
        (
            "`[!a]` is none of these",
            "here.add(*self._character(self.classes.classes(members), inside, child))",
            "here.add(*self._character(frozenset( ), inside, child))",
        ),
    ),
    *_of(
        "policy/model/glob.py",
        ("`/bin` also means its merged target", 'return ("/usr" + text,)', "return ()"),
        ("`/var/run` also means its merged target", 'return ("/run" + text[match.end() :],)', "return ()"),
        ("only whole components are merged", "lib\\*)(?=/|$)", "lib\\*)"),
        (
            "`{a,b}` is each of these",
            "results = [result + choice for result in results for choice in choices]",
            "results = [result + choices[0] for result in results]",
        ),
        (
            "`[a-z]` is a range",
            "members.update(range(ord(first), ord(last) + 1))",
            "members.update((ord(first), ord(last)))",
        ),
        ("abstract names have no components", 'path = text[0] == "/"', "path = True"),
    ),
)

LANGUAGE = (
    *_of(
        "policy/language/schema.py",
        (
            "scope is required, not empty",
            "scope: list[ScopeEntry] = Field(min_length=1,",
            "scope: list[ScopeEntry] = Field(default=[],",
        ),
        ("a policy enforces unless it says permissive", 'default="enforcing"', 'default="permissive"'),
        ("failMode is closed unless it says open", 'default="closed"', 'default="open"'),
        ("minimumLevel is enforced unless it says observed", 'default="enforced"', 'default="observed"'),
        (
            "a rule has a class",
            'if not found:\n        raise refusal("no-class"',
            'if False:\n        raise refusal("no-class"',
        ),
        ("a rule has exactly one class", "    if len(found) > 1:\n        both", "    if False:\n        both"),
        ("a deny of a system call is refused", 'if self.syscall is not None and self.action == "deny":', "if False:"),
        ("errno goes with deny", 'if self.errno is not None and self.action != "deny":', "if False:"),
    ),
    *_of(
        "policy/language/classes.py",
        (
            "a rule for network.create asks for no peer",
            'if "create" in self.operations:\n            parts',
            "if False:\n            parts",
        ),
        ("a program is meant by name or by being fileless", "if bool(self.paths) == bool(self.fileless):", "if False:"),
    ),
    *_of(
        "policy/language/fields.py",
        ("kinds of namespace without a hook are refused", "if kind not in names.NAMESPACES_WITH_HOOK:", "if False:"),
    ),
    *_of(
        "policy/language/fields.py",
        ("path patterns begin with `/`", "_glob(glob.parse)", "_glob(lambda text: text)"),
    ),
    *_of(
        "policy/language/refusals.py",
        ("a list that is empty would match nothing, and is refused", "if getattr(self, name) == []:", "if False:"),
    ),
    *_of(
        "policy/language/duplicates.py",
        ("rule ids are unique in a policy", "if node.value not in first:", "if True:"),
    ),
)

MUTANTS = (*DECIDE, *SUBJECTS, *TRUTH, *OBJECTS, *GLOBS, *VERDICTS, *COMPILER, *LANGUAGE)
