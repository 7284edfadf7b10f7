"""
The manual on `file` and `exec`.
"""

from policy.language.manual.page import Case, Chapter, Operation

_OPEN_ALREADY = "What is done through descriptors and mappings that were there before the policy, or came from outside."

FILE = Chapter(
    about=(
        "A file is decided by its real name, walked from the object to the root of its mount namespace: symbolic "
        "links, relative names, `chroot` and `/proc/self/root` change nothing. `paths` left out means any file, also "
        "one without a name; `fileless: true` means exactly those without: memfd, `O_TMPFILE`, deleted.",
        "One system call can be several operations. Opening for reading and writing is `read` and `write`; truncating "
        "is `write` and `truncate`; renaming is `rename` and `delete` of the old name, `create` of the new one, and "
        "`delete` of what it replaces; a hard link is `link` of the file and `create` of its new name. Each is "
        "decided, and the strictest counts.",
        "What an interpreter is given to read is a file, not a program: `sh FILE` is a `read` of FILE by the shell.",
    ),
    operations={
        "read": Operation(
            meaning="Opening for reading. Listing a directory opens it for reading.",
            hooks=("file_open",),
            unseen=(
                "`stat`, `access` and `readlink`: they have no hook.",
                "`O_PATH`, which opens without access; opening that again through `/proc/self/fd` is seen.",
                "Opening for execution, which is `exec`'s affair.",
                _OPEN_ALREADY,
            ),
            rule="file: {paths: [/etc/shadow, /etc/ssl/private/**], operations: [read]}\naction: deny",
            cases=(
                Case("path: /etc/ssl/private/site/key.pem", "deny"),
                Case("path: /etc/ssl/certs/site.pem", "allow"),
            ),
        ),
        "write": Operation(
            meaning="Opening for writing or appending, and truncating, by name or while opening.",
            hooks=("file_open", "path_truncate", "file_truncate"),
            unseen=(_OPEN_ALREADY, "What other operations change: names (`rename`, `link`), mode and owner (`attr`)."),
            rule="file: {paths: [/usr/**, /etc/**], types: [regular], operations: [write]}\naction: deny\nerrno: EROFS",
            cases=(
                Case("path: /usr/bin/ls", "deny"),
                Case("path: /etc/console, type: fifo", "allow"),
                Case("path: /var/log/syslog", "allow"),
            ),
        ),
        "create": Operation(
            meaning="Making a file, directory, device, FIFO, named socket or symbolic link; also the new name of a "
            "rename or a hard link. Of a symbolic link its own name is decided, not what it points to.",
            hooks=("path_mknod", "path_mkdir", "path_symlink", "path_rename", "path_link"),
            unseen=(
                "`O_TMPFILE`, which makes a file without a name; giving it one is `link` and `create`.",
                "Names that are made from outside the scope.",
            ),
            rule="file: {paths: [/etc/cron.d/*, /etc/systemd/system/**], operations: [create]}\naction: deny",
            cases=(
                Case("path: /etc/cron.d/job", "deny"),
                Case("path: /etc/systemd/system/a.service.d, type: directory", "deny"),
                Case("path: /tmp/job", "allow"),
            ),
        ),
        "delete": Operation(
            meaning="Removing a name: of a file, of a directory, of what a rename takes away or replaces.",
            hooks=("path_unlink", "path_rmdir", "path_rename"),
            unseen=("The content, which stays while another name or an open descriptor holds it.",),
            rule="file: {paths: [/var/log/**], operations: [delete]}\naction: deny",
            cases=(
                Case("path: /var/log/auth.log", "deny"),
                Case("path: /var/cache/x, type: directory", "allow"),
            ),
        ),
        "rename": Operation(
            meaning="Giving a file or directory another name, decided by the old one; an exchange is a rename of both.",
            hooks=("path_rename",),
            unseen=("A copy under another name: that is a `read` and a `create`.",),
            rule="subject: {not: {exe: [/usr/sbin/logrotate]}}\n"
            "file: {paths: [/var/log/*], operations: [rename]}\naction: deny",
            cases=(
                Case("path: /var/log/syslog", "deny", "/usr/bin/mv"),
                Case("path: /var/log/syslog", "allow", "/usr/sbin/logrotate"),
            ),
        ),
        "link": Operation(
            meaning="Giving a file one more name, decided by the name it has.",
            hooks=("path_link",),
            unseen=("What `fs.protected_hardlinks` refuses before: then there is no violation.",),
            rule="file: {paths: [/usr/bin/**], operations: [link]}\naction: deny",
            cases=(Case("path: /usr/bin/passwd", "deny"), Case("path: /home/a/notes", "allow")),
        ),
        "attr": Operation(
            meaning="Changing mode or owner. The rest is **not enforced**: see below.",
            hooks=("path_chmod", "path_chown"),
            unseen=(
                "Times, extended attributes and access control lists: their hooks are told the file, but not by which "
                "mount it was reached, so that it has no name.",
                "Flags such as `chattr +i`, which are an `ioctl`.",
            ),
            rule="file: {paths: [/tmp/**, /dev/shm/**], operations: [attr]}\naction: audit",
            cases=(Case("path: /tmp/dropped", "audit"), Case("path: /srv/www/index.html", "allow")),
        ),
        "truncate": Operation(
            meaning="Changing a file's length by `truncate`, `ftruncate` or `O_TRUNC`. It is a `write` as well.",
            hooks=("file_open", "path_truncate", "file_truncate"),
            unseen=("`fallocate`, which can punch holes: the descriptor was decided when it was opened for writing.",),
            rule="file: {paths: [/var/log/**], operations: [truncate]}\naction: deny",
            cases=(Case("path: /var/log/wtmp", "deny"), Case("path: /tmp/a", "allow")),
        ),
        "mapExec": Operation(
            meaning="Mapping a file so that it can be executed, or making a mapping of it so: shared libraries, and "
            "the program that the dynamic loader is asked to run. Where the default of `file` refuses, libraries need "
            "`mapExec` beside `read`, or no dynamically linked program starts.",
            hooks=("mmap_file", "file_mprotect"),
            unseen=(
                "What exec maps itself: the program, which `exec` decides about, and its dynamic loader.",
                "Memory that belongs to no file: what is read and copied there can be made executable.",
                "Mappings that were there before the policy.",
            ),
            rule="file: {paths: [/tmp/**, /home/**], operations: [mapExec]}\naction: deny\nerrno: EACCES",
            cases=(
                Case("path: /tmp/evil.so", "deny"),
                Case("path: /usr/lib/x86_64-linux-gnu/libc.so.6", "allow"),
            ),
        ),
    },
)

EXEC = Chapter(
    about=(
        "A program is decided by its real name. A script that begins with `#!` counts as itself, and its interpreter "
        "counts too: both have to be allowed. So do the interpreters of binfmt_misc. A program without a name (memfd, "
        "deleted) is matched by `fileless: true` and by no pattern.",
        "`sh FILE` runs the shell; FILE is read, which class `file` decides.",
    ),
    operations={
        "exec": Operation(
            meaning="Running a program: `execve`, `execveat`, `fexecve`. What the dynamic loader is asked to run "
            "(`/lib64/ld-linux-x86-64.so.2 PROGRAM`) counts as PROGRAM.",
            hooks=("bprm_check_security", "mmap_file"),
            unseen=(
                "PROGRAM in `ld.so PROGRAM`, where nothing is attached to `mmap_file`: then it is a file that is read.",
                "What an interpreter does with text that it is given.",
                "Programs that were running before the policy.",
            ),
            rule="exec: {paths: [/bin/*sh, /usr/bin/python3*]}\naction: kill",
            cases=(
                Case("path: /usr/bin/bash", "kill"),
                Case("path: /usr/bin/ls", "allow"),
                Case("fileless: true", "allow"),
            ),
        ),
    },
)
