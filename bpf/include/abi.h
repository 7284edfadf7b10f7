/* What the agent and the programs share: every struct that crosses between them, and every name of a number.
 * agent/abi mirrors this file; tests/abi compares the two, member by member.
 *
 * Fixed-width types only, largest field first, padding spelled out. */
#ifndef RINGFENCE_ABI_H
#define RINGFENCE_ABI_H

#define RF_ABI_VERSION 2

/* ---- limits: each says beside its use what happens when it is reached ------------------------------------------ */

#define RF_SLOTS 4U                     /* rulesets installed side by side; slot 0 is never used and means none */
#define RF_CLASSES 16U                  /* rows of struct rf_profile.classes, indexed by enum rf_class_id */
#define RF_PATH_MAX 4096U               /* bytes of a name with its NUL; longer: undecided, NAME_TOO_LONG */
#define RF_DEPTH_MAX 256U               /* components of a name; deeper: undecided, NAME_TOO_DEEP */
#define RF_SCOPE_DEPTH 64U              /* levels of the cgroup tree in which a scope can begin; push refuses deeper */
#define RF_AUTOMATON_ENTRIES (1U << 19) /* of one ruleset, 8 bytes each; the compiler refuses more */
#define RF_WORDS (1U << 20)             /* of one ruleset, 4 bytes each; the compiler refuses more */
#define RF_DECISION_STEPS 128U          /* tests and operations of one request together; the compiler refuses more */
#define RF_ALSO_MAX 8U                  /* would-denies beside the winner that one decision counts; the compiler refuses more */
#define RF_SYSCALLS 512U                /* numbers of system calls; higher: no rule matches */
#define RF_SCRATCH_SLOTS 8U             /* claims of scratch a processor; none free: undecided, SCRATCH_BUSY */
#define RF_EXE_INLINE 192U /* bytes of an executable's name that are kept; longer: undecided, SUBJECT_UNKNOWN, where a rule asks */
#define RF_EVENT_PATH 192U /* bytes of an object's name in an event; longer ones follow as a name record */
#define RF_COMM 16U

/* ---- numbers --------------------------------------------------------------------------------------------------- */

enum rf_class_id {
        RF_CLASS_NONE = 0,
        RF_CLASS_FILE = 1,
        RF_CLASS_EXEC = 2,
        RF_CLASS_NETWORK = 3,
        RF_CLASS_SYSCALL = 4,
        RF_CLASS_CAPABILITY = 5,
        RF_CLASS_DEVICE = 6,
        RF_CLASS_MOUNT = 7,
        RF_CLASS_NAMESPACE = 8,
        RF_CLASS_PTRACE = 9,
        RF_CLASS_SIGNAL = 10,
        RF_CLASS_BPF = 11,
        RF_CLASS_MODULE = 12,
        RF_CLASS_CREDENTIAL = 13,
        RF_CLASS_KEYRING = 14,
        RF_CLASS_IO_URING = 15,
};

/* Bits of a request's operations, a class apart. */
#define RF_OPERATIONS 16U
enum rf_operation {
        RF_FILE_READ = 1 << 0,
        RF_FILE_WRITE = 1 << 1,
        RF_FILE_CREATE = 1 << 2,
        RF_FILE_DELETE = 1 << 3,
        RF_FILE_RENAME = 1 << 4,
        RF_FILE_LINK = 1 << 5,
        RF_FILE_ATTR = 1 << 6,
        RF_FILE_TRUNCATE = 1 << 7,
        RF_FILE_MAPEXEC = 1 << 8,
        RF_EXEC_EXEC = 1 << 0,
        RF_NETWORK_CONNECT = 1 << 0,
        RF_NETWORK_BIND = 1 << 1,
        RF_NETWORK_LISTEN = 1 << 2,
        RF_NETWORK_ACCEPT = 1 << 3,
        RF_NETWORK_SEND = 1 << 4,
        RF_NETWORK_CREATE = 1 << 5,
        RF_SYSCALL_CALL = 1 << 0,
        RF_CAPABILITY_USE = 1 << 0,
        RF_DEVICE_READ = 1 << 0,
        RF_DEVICE_WRITE = 1 << 1,
        RF_DEVICE_CREATE = 1 << 2,
        RF_MOUNT_MOUNT = 1 << 0,
        RF_MOUNT_UMOUNT = 1 << 1,
        RF_MOUNT_MOVE = 1 << 2,
        RF_MOUNT_PIVOT = 1 << 3,
        RF_NAMESPACE_CREATE = 1 << 0,
        RF_PTRACE_ATTACH = 1 << 0,
        RF_PTRACE_READ = 1 << 1,
        RF_SIGNAL_SEND = 1 << 0,
        RF_BPF_LOAD = 1 << 0,
        RF_BPF_MAP = 1 << 1,
        RF_BPF_ATTACH = 1 << 2,
        RF_BPF_USE = 1 << 3,
        RF_MODULE_LOAD = 1 << 0,
        RF_MODULE_REQUEST = 1 << 1,
        RF_CREDENTIAL_SETUID = 1 << 0,
        RF_CREDENTIAL_SETGID = 1 << 1,
        RF_KEYRING_CREATE = 1 << 0,
        RF_KEYRING_VIEW = 1 << 1,
        RF_KEYRING_READ = 1 << 2,
        RF_KEYRING_WRITE = 1 << 3,
        RF_KEYRING_SEARCH = 1 << 4,
        RF_KEYRING_LINK = 1 << 5,
        RF_KEYRING_SETATTR = 1 << 6,
        RF_IO_URING_CREATE = 1 << 0,
        RF_IO_URING_POLL = 1 << 1,
        RF_IO_URING_CREDENTIALS = 1 << 2,
        RF_IO_URING_COMMAND = 1 << 3,
};

/* What kind of file an object is, as a part of its label: its number in the policy model plus 1. */
enum rf_file_type {
        RF_TYPE_UNKNOWN = 0,
        RF_TYPE_REGULAR = 1,
        RF_TYPE_DIRECTORY = 2,
        RF_TYPE_DEVICE = 3,
        RF_TYPE_SOCKET = 4,
        RF_TYPE_FIFO = 5,
        RF_TYPE_SYMLINK = 6,
        RF_TYPES = 7,
};

/* What a path label means to each that asks: columns of its row. */
enum rf_column {
        RF_COLUMN_FILE = 0,
        RF_COLUMN_EXEC = 1,
        RF_COLUMN_UNIX = 2,
        RF_COLUMN_MOUNT_SOURCE = 3,
        RF_COLUMN_MOUNT_TARGET = 4,
        RF_COLUMN_MOUNT_TYPE = 5,
        RF_COLUMN_EXE = 6,
        RF_COLUMN_PARENT = 7,
        RF_COLUMN_ANCESTOR_LOW = 8, /* bits: which of the profile's ancestor selectors this executable satisfies */
        RF_COLUMN_ANCESTOR_HIGH = 9,
};
#define RF_PATH_COLUMNS 10U

/* What an entry of `numbers` is the number of. */
enum rf_number_kind {
        RF_NUMBER_USER = 0, /* of users and groups an absent one is class 0; of the others 1, and theirs follow from 2 */
        RF_NUMBER_GROUP = 1,
        RF_NUMBER_CAPABILITY = 2,
        RF_NUMBER_NAMESPACE = 3,
        RF_NUMBER_SIGNAL = 4,
        RF_NUMBER_CREDENTIAL = 5,
        RF_NUMBER_CHAR_DEVICE = 6, /* major << RF_MINOR_BITS | minor; looked for before its major, and that before RF_MAJOR_ANY */
        RF_NUMBER_CHAR_MAJOR = 7,
        RF_NUMBER_BLOCK_DEVICE = 8,
        RF_NUMBER_BLOCK_MAJOR = 9,
};
#define RF_MINOR_BITS 20U
#define RF_MAJOR_ANY 0xffffffffU /* every device of the kind that no other entry tells apart */

/* By strictness: the greatest of a profile wins. */
enum rf_effect {
        RF_EFFECT_ALLOW = 0,
        RF_EFFECT_AUDIT = 1,
        RF_EFFECT_WOULD_DENY = 2,
        RF_EFFECT_DENY = 3,
        RF_EFFECT_KILL = 4,
};

enum rf_reason {
        RF_REASON_DECIDED = 0,
        RF_REASON_NAME_TOO_LONG = 1,
        RF_REASON_NAME_TOO_DEEP = 2,
        RF_REASON_NAME_MOVING = 3,   /* a rename or mount went on while the name was read, twice */
        RF_REASON_NAME_DETACHED = 4, /* the object's mount is in no namespace, or in another one's hidden part */
        RF_REASON_SCRATCH_BUSY = 5,
        RF_REASON_SUBJECT_UNKNOWN = 6, /* the executable, user or group of the subject could not be told */
        RF_REASON_TABLE_MISSING = 7,   /* a look-up in the ruleset failed */
        RF_REASONS = 8,
};

/* Labels every class has. Real ones follow. */
#define RF_LABEL_UNKNOWN 0U  /* could not be told: its rows hold the decision `error` where the object matters */
#define RF_LABEL_NAMELESS 1U /* known to have no name (memfd, O_TMPFILE, unlinked): no pattern matches it */
/* Domains and credential classes: 0 is likewise "could not be told". */
#define RF_DOMAIN_UNKNOWN 0U
#define RF_CREDENTIAL_UNKNOWN 0U

/* ---- control: what user space turns ---------------------------------------------------------------------------- */

/* Keys of the array `control` (u64 values). Each is written alone, and one byte of it decides, so that no reader sees half a
 * write. */
enum rf_control {
        RF_CONTROL_LIVE = 0,       /* slot of the live generation, 0: none, everything is allowed */
        RF_CONTROL_OPEN_UNTIL = 1, /* gate: boot-clock ns until which everything is allowed; 0: closed; ~0: until closed */
        RF_CONTROL_WALL = 2,       /* wall clock minus boot clock in ns: what `until` is measured by; it outlives the agent */
        RF_CONTROL_KEYS = 3,
};

/* What a generation is; array `slots`, indexed by slot, filled before the slot becomes live. */
struct rf_slot {
        __u64 generation;
        __u64 epoch;      /* tag of cached decisions about tasks: never used twice, renewed at every change of the slot's scopes */
        __u64 reverts_at; /* boot-clock ns after which `fallback` is live instead; 0: never */
        __u32 fallback;   /* slot that was live before; 0: none */
        __u32 rules;      /* counters a processor in this slot's `counters` */
        __u32 processors; /* stride of `counters`: index = rule * processors + cpu */
        __u32 pad;
};

/* ---- ruleset: maps of maps, indexed by slot -------------------------------------------------------------------- */

/* automaton: one array value of RF_AUTOMATON_ENTRIES entries. A state is the byte offset of its header entry; the header's `check` is
 * the state's label << RF_LABEL_SHIFT | 1 and its `next` the state for every byte class without an entry of its own. The entry of byte
 * class c (1..) is c entries further and belongs to the state exactly if its `check` is the state, which is even, so that a header in
 * that place is never mistaken for an entry. Entry 0 is unused: no state is 0. (A ruleset counts in entries; what is written here is
 * made of it once, so that a step has nothing to shift.) */
#define RF_LABEL_SHIFT 3U
#define RF_AUTOMATON_SLACK 512U /* unused entries at the end, so that `state + class` needs no bound */
struct rf_entry {
        __u32 next;
        __u32 check;
};

/* How a profile decides about one class. An object has up to four parts, each with classes of its own: 0 could not be told, 1 none
 * or nothing that is listed. Their combination is its label. */
struct rf_class {
        __u32 cells;    /* row = words[cells + (domain * credentials + credential) * labels + label] */
        __u32 labels;   /* count, 0 and 1 included; 0: the class decides nothing here */
        __u32 table;    /* 0: label = k0; else words[table + ((k0 * sizes[0] + k1) * sizes[1] + k2) * sizes[2] + k3] */
        __u32 sizes[3]; /* classes of the second, third and fourth part; 1 where there is none */
        __u32 asked;    /* bits of operations that something does not simply allow; what is left is allowed and counted nowhere */
};

/* profiles: array, indexed by the profile number that `scopes` gives. Offsets are indices into `words`.
 *
 * Names run through two automata: patterns that begin with `/` followed by two stars float, the others are anchored, and one
 * automaton of both would have a state for every pair of theirs. With A and F the labels of the two, 1 where nothing matched: if F is 1 the path
 * label is A. Else row = words[pairs + A] has n = words[row] and then n pairs (upto, value), ascending; the first with F < upto gives
 * the value, and 0 stands for words[alone + F]. */
#define RF_PAIR_STEPS 18U /* halvings that find a place in such a row: of up to 2^17 pairs */
struct rf_profile {
        __u32 start;    /* anchored automaton's state before the first byte, counted in entries */
        __u32 floating; /* the other one's; 0: there is none */
        __u32 pairs;
        __u32 alone;
        __u32 path_labels; /* words[path_labels + RF_PATH_COLUMNS * path label + column] */
        __u32 path_label_count;
        __u32 domains;       /* count, 0 included */
        __u32 domains_table; /* domain = words[domains_table + executable's class * parents + parent's]; used if parents > 1 */
        __u32 parents;       /* count of classes of the parent's executable, 0 included; 1: the executable's class is the domain */
        __u32 credentials;   /* count of credential classes, 0 included */
        __u32 gid_classes;   /* credential = 1 + uid class * gid_classes + gid class; classes from `numbers` */
        __u32 has_credentials; /* 0: credential is always 1 */
        __u32 ports;           /* words[ports + high byte] = offset of a page of 256 port classes; 0: one class only, 0 */
        __u32 protocols;       /* words[protocols + IP protocol number 0..255] = protocol class; 0: one class only, 0 */
        __u32 families;        /* words[families + address family 0..255] = family class; 0: one class only, 0 */
        __u32 address_default; /* address class of families other than IPv4 and IPv6; those look it up in `addresses` */
        __u32 unix_base;       /* address class of a unix socket = unix_base + its name's column; 0: no rule asks for such names */
        __u32 syscalls;        /* words[syscalls + number] = label; 0: none */
        struct rf_class classes[RF_CLASSES];
        __u8 byte_classes[256]; /* 1.. ; 0 is never used, so that no byte's entry falls on a header */
};

/* A row is `operations of the class` words, each the offset of a decision in `words`:
 *   word 0: effect | error << 4 | also count << 8 | errno << 16 | rank << 24; of the operations of a request the greatest rank
 *           counts: by effect, and what could not be decided before what could
 *   word 1: rule (index of its counter)
 *   word 2..: rules of other policies whose would-deny is counted too (also count of them, at most RF_ALSO_MAX)
 * or, with rank RF_RANK_TEST, a test that leads to another decision:
 *   word 0: kind | bit << 8 | RF_RANK_TEST << 24
 *   word 1: unix seconds
 *   word 2, 3, 4: offset of the decision if it does not hold, holds, cannot be told */
#define RF_DECISION_EFFECT(word) ((word) & 0xfU)
#define RF_DECISION_ERROR(word) (((word) >> 4) & 0xfU)
#define RF_DECISION_ALSO(word) (((word) >> 8) & 0xffU)
#define RF_DECISION_ERRNO(word) (((word) >> 16) & 0xffU)
#define RF_DECISION_RANK(word) ((word) >> 24)
#define RF_RANK_TEST 0xffU

enum rf_test {
        RF_TEST_BEFORE = 1,   /* holds while the wall clock is before word 1 */
        RF_TEST_ANCESTOR = 2, /* holds if `bit` of the task's ancestors is set */
};

/* addresses: LPM trie; IPv4 as ::ffff:a.b.c.d. Value: address class (u32). Every profile with network rules has ::/0 and ::ffff:0:0/96. */
struct rf_address_key {
        __u32 prefix_length; /* 32 bits of profile and then those of the address */
        __u32 profile;
        __u8 address[16];
};

/* numbers: hash. Value: class (u32). Users and groups are numbers inside the subject's user namespace. */
struct rf_number_key {
        __u32 profile;
        __u32 kind; /* enum rf_number_kind */
        __u32 id;
};

/* scopes: hash, cgroup id (u64) → struct rf_scope. The nearest scoped ancestor of a task's cgroup counts. */
struct rf_scope {
        __u64 since; /* epoch of the push that made this cgroup a scope; 0: it was made later, inside what a policy matches */
        __u32 profile;
        __u32 pad;
};

/* ---- tasks ----------------------------------------------------------------------------------------------------- */

enum rf_arming {
        RF_TASK_UNSEEN = 0,  /* no hook has met it: if it is in scope, it was there before the programs were */
        RF_TASK_OUTSIDE = 1, /* met outside every scope */
        RF_TASK_PENDING = 2, /* came into a scope and has not executed a program there yet */
        RF_TASK_ARMED = 3,
};

#define RF_TASK_EXEMPT (1U << 0)   /* the agent's own mark: copied at fork, cleared at exec */
#define RF_TASK_SEEDED (1U << 1)   /* executable read from a running process, not recorded at exec */
#define RF_TASK_EXE_LONG (1U << 2) /* executable's name does not fit into `exe`: the subject is unknown */
#define RF_TASK_EXE_KNOWN (1U << 3)

/* Task storage `tasks`. Facts outlive generations; the cached part (profile, domain) is recomputed when its
 * tag differs. */
struct rf_task {
        __u64 epoch; /* tag: epoch, cgroup */
        __u64 cgroup;
        __u64 seen;        /* epoch at which it was last known to be in `cgroup` */
        __u64 exec_cgroup; /* where the task, or the parent it was forked from, last executed a program */
        __u32 profile;     /* number + 1 in that epoch; 0: not in scope */
        __u32 domain;
        __u32 exec_id; /* task_struct.self_exec_id when the executable was recorded */
        __u32 flags;
        __u32 arming;
        __u32 exe_length;
        __u8 exe[RF_EXE_INLINE];
};

/* ---- events ---------------------------------------------------------------------------------------------------- */

enum rf_record {
        RF_RECORD_EVENT = 1,
        RF_RECORD_NAME = 2, /* struct rf_name and then `length` bytes: comes before the event that it belongs to */
};

#define RF_EVENT_PATH_INCOMPLETE (1U << 0)
#define RF_EVENT_EXE_INCOMPLETE (1U << 1)
#define RF_EVENT_SEEDED (1U << 2)
#define RF_EVENT_NAME_APART (1U << 3) /* the object's name is in the name record with the same `token` */

struct rf_event {
        __u32 record; /* RF_RECORD_EVENT */
        __u32 flags;
        __u64 token; /* pairs an event with its name record */
        __u64 boot_ns;
        __u64 task_start; /* boot-clock ns at which the process began: with tgid it names the process */
        __u64 generation;
        __u64 cgroup;
        __u32 slot;
        __u32 profile;
        __u32 rule;
        __u32 tgid;
        __u32 tid;
        __u32 uid; /* in the initial user namespace */
        __u32 gid;
        __s32 verdict; /* what the hook returned: 0 or a negative errno */
        __u8 class_id;
        __u8 effect;
        __u8 reason;
        __u8 protocol; /* network: IP protocol number */
        __u16 operations;
        __u16 port;   /* network: host order */
        __u16 family; /* network */
        __u16 syscall;
        __u16 path_length; /* of the whole name, even if it does not fit */
        __u16 exe_length;
        __u8 address[16]; /* network */
        __u8 comm[RF_COMM];
        __u8 exe[RF_EXE_INLINE];
        __u8 path[RF_EVENT_PATH];
};

struct rf_name {
        __u32 record; /* RF_RECORD_NAME */
        __u32 length;
        __u64 token;
};

/* ---- totals: per-CPU array `totals` of u64, exact --------------------------------------------------------------- */

enum rf_total {
        RF_TOTAL_VIOLATIONS = 0,      /* events that should have gone to the violation ring */
        RF_TOTAL_VIOLATIONS_LOST = 1, /* of those, the ring had no room for */
        RF_TOTAL_OBSERVATIONS = 2,
        RF_TOTAL_OBSERVATIONS_LOST = 3,
        RF_TOTAL_NAMES_LOST = 4,
        RF_TOTAL_TASKS_LOST = 5, /* task storage could not be made: the task has no cached facts */
        RF_TOTAL_UNDECIDED = 8,  /* + enum rf_reason */
        RF_TOTALS = 16,
};

_Static_assert(sizeof(struct rf_slot) == 40, "rf_slot");
_Static_assert(sizeof(struct rf_entry) == 8, "rf_entry");
_Static_assert(sizeof(struct rf_class) == 28, "rf_class");
_Static_assert(sizeof(struct rf_profile) == 776, "rf_profile");
_Static_assert(sizeof(struct rf_address_key) == 24, "rf_address_key");
_Static_assert(sizeof(struct rf_number_key) == 12, "rf_number_key");
_Static_assert(sizeof(struct rf_scope) == 16, "rf_scope");
_Static_assert(sizeof(struct rf_task) == 248, "rf_task");
_Static_assert(sizeof(struct rf_event) == 512, "rf_event");
_Static_assert(sizeof(struct rf_name) == 16, "rf_name");

#endif
